"""The pictures of tools/analysis_tools/browse_dataset.py."""

import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools' / 'analysis_tools' / 'browse_dataset.py'
CONFIG = 'configs/_base_/datasets/mini_detection.py'


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT))


def run(script, monkeypatch, *args):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, args)])
    with DefaultScope.overwrite_default_scope('mmdet'):
        script['main']()


@pytest.mark.parametrize(('split', 'names'), [
    ('train', ['0000_000000078499.jpg', '0001_000000107438.jpg']),
    ('val', ['0000_000000055299.jpg', '0001_000000062554.jpg']),
])
def test_pictures(script, monkeypatch, tmp_path, capsys, split, names):
    run(script, monkeypatch, CONFIG, '--output-dir', tmp_path, '--split', split, '--num', 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    picture = cv2.imread(str(tmp_path / names[0]))
    assert picture.shape[1] == 480 and picture.shape[0] > 320  # prompts below 320 px of image
    assert f'2 pictures of {split}' in capsys.readouterr().out


def test_options_reach_the_pipeline(script, monkeypatch, tmp_path):
    run(script, monkeypatch, CONFIG, '--output-dir', tmp_path, '--num', 1, '--cfg-options',
        'train_dataloader.dataset.pipeline.6.num_prompts=20')
    full, short = tmp_path / 'full', next(tmp_path.iterdir())
    run(script, monkeypatch, CONFIG, '--output-dir', full, '--num', 1)
    assert cv2.imread(str(short)).shape[0] < cv2.imread(str(full / short.name)).shape[0]


def make_sample():
    sample = DetDataSample(metainfo=dict(
        text=['cat', 'dog', 'a red car'], prompt_masks=[True, True, False],
        scale_factor=(0.5, 0.5), pad_param=[20, 20, 0, 0]))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[10., 20., 30., 60.]]), labels=torch.tensor([1]))
    return sample


def test_prompts_are_sorted_by_kind(script):
    kinds = script['prompts_by_kind'](make_sample())
    assert kinds == {'present': ['dog'], 'absent': ['cat'], 'masked': ['a red car']}
    lines = [line for line, _ in script['caption_lines'](kinds, 480)]
    assert lines == ['present (1): dog', 'absent (1): cat', 'masked (1): a red car']


def test_boxes_of_test_pipelines_are_moved_to_the_input(script):
    boxes = script['boxes_in_image'](make_sample(), test_mode=True).gt_instances.bboxes
    assert boxes.tolist() == [[5., 30., 15., 50.]]
    boxes = script['boxes_in_image'](make_sample(), test_mode=False).gt_instances.bboxes
    assert boxes.tolist() == [[10., 20., 30., 60.]]


def test_a_missing_dataloader(script, monkeypatch, tmp_path):
    config = tmp_path / 'empty.py'
    config.write_text("default_scope = 'mmdet'\n")
    with pytest.raises(ValueError, match='the config has no train_dataloader'):
        run(script, monkeypatch, config, '--output-dir', tmp_path)
