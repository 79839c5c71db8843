"""The demo without training: early refusals, the way out without weights, and a whole run."""

import json
import subprocess

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch

from expalign.apis.text_search import detect_text
from expalign.checkpoints import fetch
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import write_mini_weights
from tests.helpers.yolo_world_layouts import save_ultralytics, tensors, ultralytics

DEMO = 'demo/detect_text.py'


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / 'a photo.png'
    cv2.imwrite(str(path), np.full((120, 200, 3), 90, np.uint8))
    return path


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--image', 'absent.jpg'], 'absent.jpg does not exist'),
    (['--text', ' . '], "no prompt in ' . '"),
])
def test_refuses_before_any_work(run_script, capsys, monkeypatch, arguments, message):
    monkeypatch.setenv(fetch.VARIABLE, 'absent.pt')
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, *arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_trains_instead_where_the_image_side_cannot_be_had(
        run_script, capsys, monkeypatch, photograph, tmp_path):
    monkeypatch.setenv(fetch.VARIABLE, str(tmp_path / 'absent.pt'))
    called = []
    monkeypatch.setattr(subprocess, 'call', lambda command: called.append(command) or 3)
    with pytest.raises(SystemExit) as error:
        run_script(DEMO, '--image', photograph, '--text', 'a cat', '--out', tmp_path / 'out')
    assert error.value.code == 3
    read, line = capsys.readouterr().out.splitlines()
    assert read == '1 prompt: a cat'
    assert 'absent.pt, which is not a file; training a small model' in line
    (command,) = called
    assert command[1:] == [
        'demo/train_and_detect.py', '--image', str(photograph), '--text', 'a cat',
        '--out', str(tmp_path / 'out')]


def test_whole_run_with_an_image_side_of_noise(
        run_script, capsys, monkeypatch, photograph, tmp_path):
    checkpoint = tmp_path / 'yolov8s-worldv2.pt'
    save_ultralytics(checkpoint, tensors(ultralytics('s')), ['cat'], torch.ones(1, 1, 512).half())
    monkeypatch.setenv(fetch.VARIABLE, str(checkpoint))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    out = tmp_path / 'out'
    run_script(DEMO, '--image', photograph, '--text', 'a raccoon. a tree.', '--out', out)
    predictions = json.loads((out / 'predictions.json').read_text())
    assert predictions['prompts'] == ['a raccoon', 'a tree']
    assert cv2.imread(str(out / 'detections.jpg')).shape == (120, 200, 3)
    metrics = json.loads((out / 'metrics.json').read_text())
    assert metrics['images'] == 24
    assert {'AP', 'AP50', 'mask_AP', 'mask_AP50'} <= set(metrics)
    assert metrics['annotations'].endswith('demo/data/mini/annotations/instances_val2017.json')
    assert str(out / 'detections.jpg') in capsys.readouterr().out


def test_masks_are_listed_and_drawn(photograph, tmp_path):
    config = 'configs/mini/expalign_mini-seg.py'
    weights = write_mini_weights(tmp_path / 'seg.pth', config)
    cfg = load_config(config)
    cfg.model.test_cfg.max_per_img = 3
    image = cv2.imread(str(photograph))
    for score_thr in (0.0, 1.0):
        found = detect_text(
            cfg, weights, photograph, ['a raccoon', 'a tree'], tmp_path / 'out', score_thr)
        assert json.loads((tmp_path / 'out' / 'predictions.json').read_text())[
            'detections'] == found
        drawn = cv2.imread(str(tmp_path / 'out' / 'detections.jpg')).astype(int)
        changed = abs(drawn - image).max(-1) > 8
        assert len(found) == 3
        for item in found:
            mask = coco_mask.decode(item['mask']).astype(bool)
            assert mask.shape == (120, 200) and mask.any()
            assert changed[mask].mean() > 0.95 if score_thr == 0 else not changed.any()
            x1, y1, x2, y2 = item['box_xyxy']
            rows, columns = mask.nonzero()
            assert x1 - 1 <= columns.min() <= columns.max() <= x2
            assert y1 - 1 <= rows.min() <= rows.max() <= y2
