"""The pictures of tools/analysis_tools/browse_dataset.py."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import PolygonMasks
from mmdet.visualization import DetLocalVisualizer
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


def test_another_pipeline_and_epoch(script, monkeypatch, tmp_path):
    pictures = []
    for number, args in enumerate([
            [], ['--epoch', 0, '--seed', 0], ['--epoch', 1], ['--pipeline', 'test_pipeline']]):
        folder = tmp_path / str(number)
        run(script, monkeypatch, CONFIG, '--output-dir', folder, '--num', 1, *args)
        pictures.append(cv2.imread(str(next(folder.iterdir()))))
    first, again, later, plain = (picture[:320, :320].astype(int) for picture in pictures)
    assert (first == again).all()  # a run's samples are drawn from its seed and epoch alone
    assert abs(first - later).mean() > 1 < abs(first - plain).mean()
    with pytest.raises(ValueError, match="has no 'pipeline'; it has test_pipeline, train_pipel"):
        run(script, monkeypatch, CONFIG, '--output-dir', tmp_path, '--pipeline', 'pipeline')


def test_masks_are_drawn(script):
    """A square of 20 x 20 white pixels in its own colour; the instance without a mask is a box."""
    square = np.array([20, 20, 40, 20, 40, 40, 20, 40], dtype=np.float32)
    sample = DetDataSample(metainfo=dict(text=['cat'], source='pets'))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[20., 20., 40., 40.], [60., 60., 80., 80.]]),
        labels=torch.tensor([0, 0]), has_mask=torch.tensor([True, False]),
        masks=PolygonMasks([[square], [np.zeros(6, dtype=np.float32)]], 100, 100))
    item = dict(inputs=torch.full((3, 100, 100), 255, dtype=torch.uint8), data_samples=sample)
    picture = script['draw_sample'](DetLocalVisualizer(), item, test_mode=False)
    assert picture[50:55, 50:55].min() == 255
    assert picture[33:38, 33:38].min() < 200 and picture[73:77, 73:77].min() == 255
    assert picture[69:71, 59:62].min() < 200  # the left side of the box


def test_a_sample_without_prompts(script):
    sample = DetDataSample(metainfo=dict(img_path='a.jpg'))
    with pytest.raises(ValueError, match="the sample of 'a.jpg' has no prompts"):
        script['prompts_by_kind'](sample)


def make_sample():
    sample = DetDataSample(metainfo=dict(
        text=['cat', 'dog', 'a red car'], prompt_masks=[True, True, False],
        scale_factor=(0.5, 0.5), pad_param=[20, 20, 0, 0]))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[10., 20., 30., 60.]]), labels=torch.tensor([1]))
    return sample


def test_prompts_are_sorted_by_kind(script):
    kinds = script['prompts_by_kind'](make_sample())
    assert kinds == {'positive': ['dog'], 'negative': ['cat'], 'masked': ['a red car']}
    lines = [line for line, _ in script['caption_lines'](kinds, 480)]
    assert lines == ['positive (1): dog', 'negative (1): cat', 'masked (1): a red car']


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
