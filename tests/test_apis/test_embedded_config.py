"""Configs in checkpoints are read as data."""

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import save_file

from expalign.apis.embedded_config import config_of_checkpoint, literal_config
from expalign.engine.config import load_config


@pytest.mark.parametrize('name', [
    'expalign_mini', 'expalign_mini-seg_stage2', 'expalign_v8s_minilm', 'expalign_cnxt_o365-seg'])
def test_what_mmengine_writes(name):
    cfg = load_config(f'configs/{name}.py')
    assert Config(literal_config(cfg.pretty_text)).to_dict() == cfg.to_dict()


@pytest.mark.parametrize(('text', 'message'), [
    ('import os', 'line 1 is not an assignment'),
    ('a = 1\nb = open("x")', 'line 2 has more than literals'),
    ('a = dict(b=__import__("os").system("true"))', 'line 1 has more than literals'),
    ('a = dict(*[1])', 'line 1 has more than literals'),
    ('a = dict(**{})', 'line 1 has more than literals'),
    ('a, b = 1, 2', 'line 1 is not an assignment'),
    ('a = [x for x in (1, 2)]', 'line 1 has more than literals'),
])
def test_code_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        literal_config(text)


def test_files(tmp_path):
    weights = dict(a=torch.zeros(1))
    text = "model = dict(type='expalign.ExpAlignDetector', scale=(640, 640))"
    save_file(weights, tmp_path / 'a.safetensors', dict(cfg=text))
    torch.save(dict(state_dict=weights, meta=dict(cfg=text)), tmp_path / 'b.pth')
    torch.save(dict(state_dict=weights, message_hub=dict(runtime_info=dict(cfg=text))),
               tmp_path / 'c.pth')
    for name in ('a.safetensors', 'b.pth', 'c.pth'):
        cfg = config_of_checkpoint(tmp_path / name)
        assert cfg.model.type == 'expalign.ExpAlignDetector'
        assert cfg.model.scale == (640, 640)


def test_nothing_of_a_hostile_config_runs(tmp_path):
    trace = tmp_path / 'trace'
    text = f'import pathlib\nmodel = dict(a=pathlib.Path({str(trace)!r}).touch())'
    save_file(dict(a=torch.zeros(1)), tmp_path / 'a.safetensors', dict(cfg=text))
    with pytest.raises(ValueError, match=r'config in .*a\.safetensors is not plain data and is'):
        config_of_checkpoint(tmp_path / 'a.safetensors')
    assert not trace.exists()
    torch.save(dict(state_dict={}), tmp_path / 'b.pth')
    with pytest.raises(ValueError, match=r'b\.pth has no config in it'):
        config_of_checkpoint(tmp_path / 'b.pth')
