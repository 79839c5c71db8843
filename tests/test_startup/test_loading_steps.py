"""mmdet's tools find the steps that load, in pipelines of this package and in mmdet's."""

import pytest
from mmdet.datasets import get_loading_pipeline
from mmengine.config import Config
from mmengine.registry import DefaultScope

import expalign.datasets  # noqa: F401  (registers the steps)


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.mark.parametrize('name', ['mini/expalign_mini', 'mini/expalign_mini-seg'])
def test_shipped_pipelines(name):
    pipeline = Config.fromfile(f'configs/{name}.py').train_dataloader.dataset.pipeline
    assert get_loading_pipeline(pipeline) == pipeline[:2]


def test_pipelines_of_mmdet():
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
                dict(type='RandomFlip', prob=0.5), dict(type='PackDetInputs')]
    assert get_loading_pipeline(pipeline) == pipeline[:2]
    with pytest.raises(AssertionError, match='must include loading image'):
        get_loading_pipeline(pipeline[1:])
