"""One checkpoint of two halves, made once and again when a half changes."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from expalign.convert import fetch, warm_start
from expalign.engine.config import load_config
from expalign.registry import MODELS
from tests.helpers.yolo_world_layouts import save_ultralytics, tensors, ultralytics

CONFIG = 'configs/expalign_v8s_minilm.py'


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint of the right names and shapes that the user names."""
    path = tmp_path / 'yolov8s-worldv2.pt'
    save_ultralytics(path, tensors(ultralytics('s')), ['cat'], torch.ones(1, 1, 512).half())
    monkeypatch.setenv(fetch.VARIABLE, str(path))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return path


def text_side(tmp_path, seed):
    torch.manual_seed(seed)
    adapter = MODELS.build(load_config(CONFIG).model.text_adapter)
    torch.nn.init.normal_(adapter.ffn.w3.weight)
    path = tmp_path / f'text{seed}.safetensors'
    save_file({f'text_adapter.{k}': v for k, v in adapter.state_dict().items()}, path)
    return path


def test_both_halves_fit_the_config_and_are_kept(checkpoint, tmp_path):
    text = text_side(tmp_path, 0)
    path = warm_start.warm_start_checkpoint(text)
    weights = load_file(path)
    model = MODELS.build(load_config(CONFIG).model)
    model.load_state_dict(weights, strict=False)
    for name, value in load_file(text).items():
        assert torch.equal(model.state_dict()[name], value)
    assert {name.split('.')[0] for name in weights} == {
        'backbone', 'neck', 'bbox_head', 'text_adapter'}
    written = path.stat().st_mtime_ns
    assert warm_start.warm_start_checkpoint(text) == path
    assert path.stat().st_mtime_ns == written
    assert warm_start.warm_start_checkpoint(text_side(tmp_path, 1)) != path
