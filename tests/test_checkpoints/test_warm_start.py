"""One checkpoint of several files, made once and again when one of them changes."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from expalign.checkpoints import fetch, warm_start
from expalign.checkpoints.checkpoint import describe_mismatch
from expalign.registry import MODELS
from expalign.utils.load_config import load_config
from tests.helpers.yolo_world_layouts import save_ultralytics, tensors, ultralytics

WITHOUT_MASKS = 'configs/warm_start/expalign_v8s_minilm.py'


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
    adapter = MODELS.build(load_config(WITHOUT_MASKS).model.text_adapter)
    torch.nn.init.normal_(adapter.ffn.w3.weight)
    path = tmp_path / f'text{seed}.safetensors'
    save_file({f'text_adapter.{k}': v for k, v in adapter.state_dict().items()}, path)
    return path


def test_all_parts_fit_the_config_and_are_kept(checkpoint, tmp_path):
    text = text_side(tmp_path, 0)
    path = warm_start.warm_start_checkpoint(text)
    weights = load_file(path)
    assert describe_mismatch(MODELS.build(load_config(WITHOUT_MASKS).model), weights) is None
    for name, value in load_file(text).items():
        assert torch.equal(weights[name], value)
    assert {name.split('.')[0] for name in weights} == {
        'backbone', 'neck', 'bbox_head', 'text_adapter'}
    written = path.stat().st_mtime_ns
    assert warm_start.warm_start_checkpoint(text) == path
    assert path.stat().st_mtime_ns == written
    other = text_side(tmp_path, 1)
    masks = warm_start.SHIPPED[1]
    paths = {warm_start.warm_start_checkpoint(*parts)
             for parts in ((text,), (other,), (text, masks), (other, masks))}
    assert len(paths) == 4


def test_what_is_shipped_makes_the_default(checkpoint):
    weights = load_file(warm_start.warm_start_checkpoint())
    model = MODELS.build(load_config(warm_start.CONFIG).model)
    assert describe_mismatch(model, weights) is None
    shipped = [load_file(part) for part in warm_start.SHIPPED]
    assert all(len(part) > 0 for part in shipped)
    for name, value in (item for part in shipped for item in part.items()):
        assert value.isfinite().all() and torch.equal(weights[name], value.to(weights[name].dtype))
