"""A run that can learn no masks refuses at the start, and the log says how many there are."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import ConcatDataset

from expalign.datasets import TextCocoDataset
from expalign.engine.hooks import MaskShareHook
from expalign.engine.hooks.mask_share_hook import count_masks, trains_masks
from expalign.registry import MODELS
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.models import tiny_detector_config, tiny_segmentation_config

MASK = [[10, 10, 40, 10, 40, 40]]
NONE = [[], None, [[1, 2, 3, 4]], dict(size=[80, 100], counts=[8000])]


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tokenizer')
    return [MODELS.build(config(folder))
            for config in (tiny_detector_config, tiny_segmentation_config)]


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr('expalign.engine.hooks.mask_share_hook.print_log',
                        lambda line, *args, **kwargs: lines.append(line))
    return lines


def dataset_of(folder, segmentations, name='a'):
    """An image for each; a crowd with a mask in every one."""
    annotations = [
        dict(image_id=i, category_id=10, bbox=[10, 10, 30, 30], iscrowd=crowd, segmentation=value)
        for i, one in enumerate(segmentations) for crowd, value in ((0, one), (1, MASK))]
    content = coco_content(
        [dict(id=i, file_name=f'{i}.jpg') for i in range(len(segmentations))], annotations, ['cat'])
    return TextCocoDataset(ann_file=str(write_json(folder / f'{name}.json', content)), pipeline=[])


def start(model, dataset, **settings):
    runner = SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=dataset))
    MaskShareHook(**settings).before_train(runner)


def test_no_mask_at_all_is_refused(models, tmp_path, log):
    dataset = dataset_of(tmp_path, NONE)
    with pytest.raises(ValueError, match=(
            r'the model trains masks \(ExpAlignInsHead\), and none of the 4 instances of .*a.json '
            r'has one: .* default_hooks.mask_share.allow_none=True')):
        start(models[1], dataset)
    assert log[0].startswith('masks: 0 of the 4 instances (0.0%) of ')
    start(models[1], dataset, allow_none=True)


def test_a_model_without_masks_needs_none(models, tmp_path, log):
    start(models[0], dataset_of(tmp_path, NONE))
    assert not log
    assert [trains_masks(model) for model in models] == [False, True]


def test_the_share_of_every_data_set_is_said(models, tmp_path, log):
    start(models[1], ConcatDataset([
        dataset_of(tmp_path, NONE, 'a'), dataset_of(tmp_path, [MASK, *NONE[:2], MASK], 'b')]))
    assert [line.partition(' of /')[0] for line in log] == [
        'masks: 0 of the 4 instances (0.0%)', 'masks: 2 of the 4 instances (50.0%)']


def test_encodings_count(tmp_path):
    runs = dict(size=[80, 100], counts=[10, 20, 7970])
    compressed = dict(size=[80, 100], counts='0Pj70')
    assert count_masks(dataset_of(tmp_path, [runs, compressed, MASK, []]), 99) == (3, 4, 4)


def test_of_many_images_some_are_looked_at_and_all_before_it_refuses(
        models, tmp_path, log, monkeypatch):
    dataset = dataset_of(tmp_path, [[], MASK] * 3)
    assert count_masks(dataset, 3) == (0, 3, 3)
    monkeypatch.setattr('expalign.engine.hooks.mask_share_hook.MAX_IMAGES', 3)
    start(models[1], dataset)
    assert log == [f'masks: 3 of the 6 instances (50.0%) of {dataset.ann_file} have one']
    log.clear()
    start(models[1], dataset_of(tmp_path, [MASK] * 6))
    assert log[0].endswith('a.json have one of 3 images looked at')


def test_frozen_masks_need_none(models):
    model = models[1]
    flags = [p.requires_grad for p in model.parameters()]
    model.requires_grad_(False)
    try:
        assert not trains_masks(model)
    finally:
        for parameter, flag in zip(model.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)
    assert trains_masks(model)


def test_other_data_sets_are_left_alone(models):
    start(models[1], torch.utils.data.TensorDataset(torch.zeros(3)))
