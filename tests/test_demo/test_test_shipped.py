"""A test of the default detector, with another image side; a search with its files."""

import json

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch

from expalign.apis.text_search import search_photograph
from expalign.checkpoints import fetch
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import write_mini_weights
from tests.helpers.yolo_world_layouts import save_ultralytics, tensors, ultralytics

DEMO = 'demo/test_shipped.py'


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / 'a photo.png'
    cv2.imwrite(str(path), np.full((120, 200, 3), 90, np.uint8))
    return path


def test_whole_run_with_an_image_side_of_noise(run_script, capsys, monkeypatch, tmp_path):
    checkpoint = tmp_path / 'yolov8s-worldv2.pt'
    save_ultralytics(checkpoint, tensors(ultralytics('s')), ['cat'], torch.ones(1, 1, 512).half())
    monkeypatch.setenv(fetch.VARIABLE, str(checkpoint))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    out = tmp_path / 'out'
    run_script(DEMO, '--out', out)
    metrics = json.loads((out / 'metrics.json').read_text())
    assert metrics['images'] == 24
    assert {'AP', 'AP50', 'mask_AP', 'mask_AP50'} <= set(metrics)
    assert metrics['annotations'].endswith('demo/data/mini/annotations/instances_val2017.json')
    assert 'On 24 photographs it was not trained on: boxes AP 0.0' in capsys.readouterr().out
    run_script(DEMO, '--out', out)
    assert 'Testing' not in capsys.readouterr().out


def test_masks_are_listed_and_drawn(photograph, tmp_path):
    config = 'configs/mini/expalign_mini-seg.py'
    weights = write_mini_weights(tmp_path / 'seg.pth', config)
    cfg = load_config(config)
    cfg.model.test_cfg.max_per_img = 3
    image = cv2.imread(str(photograph))
    search_photograph(cfg, weights, photograph, ['a raccoon', 'a tree'], tmp_path / 'out', 0.0)
    found = json.loads((tmp_path / 'out' / 'predictions.json').read_text())['detections']
    drawn = cv2.imread(str(tmp_path / 'out' / 'detections.jpg')).astype(int)
    changed = abs(drawn - image).max(-1) > 8
    assert len(found) == 3
    for item in found:
        mask = coco_mask.decode(item['mask']).astype(bool)
        assert mask.shape == (120, 200) and mask.any()
        assert changed[mask].mean() > 0.95
        x1, y1, x2, y2 = item['box']
        rows, columns = mask.nonzero()
        assert x1 - 1 <= columns.min() <= columns.max() <= x2
        assert y1 - 1 <= rows.min() <= rows.max() <= y2
