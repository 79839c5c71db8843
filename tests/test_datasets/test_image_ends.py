"""Images are looked at before a run, by their ends."""

import os
from types import SimpleNamespace

import pytest
from mmengine.registry import DATASETS
from mmengine.runner import BaseLoop
from PIL import Image

from expalign.datasets.bad_samples import BadImage
from expalign.datasets.image_ends import image_fault, image_faults, image_paths
from expalign.engine.hooks import ImageFilesHook
from tests.helpers.sources import coco_source, mdetr_source


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'bmp', 'gif', 'tiff', 'avif', 'jp2'])
def test_missing_ends_of_every_format(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    Image.effect_noise((90, 70), 50).convert('RGB').save(path)
    content = path.read_bytes()
    assert image_fault(str(path)) is None
    path.write_bytes(content + b'more behind the end')
    assert image_fault(str(path)) is None
    for part in (content[:-2], content[:len(content) // 2], content[:9]):
        path.write_bytes(part)
        assert 'damaged, incomplete' in image_fault(str(path))


def test_other_faults(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'empty').write_bytes(b'')
    (tmp_path / 'page').write_bytes(b'<!DOCTYPE html>')
    faults = {name: image_fault(str(tmp_path / name)) for name in ('pipe', 'empty', 'page', 'none')}
    assert 'it is a pipe' in faults['pipe'] and 'empty' in faults['empty']
    assert 'an HTML page' in faults['page'] and faults['none'] == 'it is missing'


def test_the_time_is_bounded(tmp_path):
    assert list(image_faults(map(str, range(10)), seconds=0)) == []
    assert len(list(image_faults(map(str, range(5000)), seconds=60))) == 5000


class Loop(BaseLoop):
    def __init__(self, dataset):
        self.dataloader = SimpleNamespace(dataset=dataset)

    def run(self):
        raise NotImplementedError


def run_hook(**datasets):
    loops = {f'_{name}_loop': Loop(datasets[name]) if name in datasets else None
             for name in ('train', 'val', 'test')}
    ImageFilesHook().before_run(SimpleNamespace(**loops))


def build(config, **changes):
    return DATASETS.build(config | dict(pipeline=[]) | changes)


def test_testing_stops_and_training_warns(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('expalign.engine.hooks.image_files_hook.print_log',
                        lambda message, *_: said.append(message))
    config = coco_source(tmp_path, 4, 'jpg')
    train, val = build(config), build(config, test_mode=True)
    run_hook(train=train, val=val)
    assert not said
    path = tmp_path / 'coco_2.jpg'
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(BadImage, match='(?s)1 of 4 images of the val data .*coco_2.jpg: it is dam'):
        run_hook(train=train, val=val)
    assert len(said) == 1 and 'coco_2.jpg' in said[0] and "'max_bad_images'=10" in said[0]
    with pytest.raises(BadImage, match='of the test data'):
        run_hook(test=val)
    with pytest.raises(BadImage, match='of the train data'):
        run_hook(train=build(config, max_bad_images=0))


def test_mixtures_and_wrappers(tmp_path):
    sources = [dict(type='expalign.RepeatDataset', times=2, dataset=coco_source(tmp_path, 2)),
               mdetr_source(tmp_path, 3)]
    datasets = [DATASETS.build(source) for source in sources]
    assert len(list(image_paths(SimpleNamespace(datasets=datasets)))) == 5
