"""Configs in checkpoints are read as data, and name nothing that could run code."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import save_file

import expalign
from expalign.apis import ExpAlignInferencer
from expalign.apis.embedded_config import config_of_checkpoint
from expalign.engine.config import load_config
from expalign.engine.safe_load import UntrustedCheckpointError, literal_config
from tests.helpers.mini_model import CONFIG

WEIGHTS = dict(a=torch.zeros(1))


@pytest.fixture(autouse=True)
def no_trust():
    yield
    expalign.trust_checkpoints(False)


@pytest.fixture(scope='module')
def shipped(run_at_root):
    return load_config(CONFIG)


def write(path: Path, text: str) -> str:
    save_file(WEIGHTS, path, dict(cfg=text))
    return str(path)


def text_of(cfg: Config) -> str:
    """What predictions need of it; `pretty_text` formats whole lists of classes, which is slow."""
    return '\n'.join(
        f'{name} = {cfg[name]}' for name in ('model', 'visualizer', 'test_dataloader'))


@pytest.mark.parametrize('name', [
    'expalign_mini', 'expalign_mini-seg_stage2', 'expalign_v8s_minilm', 'expalign_cnxt_o365-seg'])
def test_what_mmengine_writes(name):
    cfg = load_config(f'configs/{name}.py')
    assert Config(literal_config(cfg.pretty_text)).to_dict() == cfg.to_dict()


def test_numbers_without_literals():
    fields = literal_config('a = [-inf, inf, -1.5]\nb = nan')
    assert fields['a'] == [float('-inf'), float('inf'), -1.5]
    assert fields['b'] != fields['b']


@pytest.mark.parametrize(('text', 'message'), [
    ('import os', 'line 1 is not an assignment'),
    ('a = 1\nb = open("x")', 'line 2 has more than literals'),
    ('a = dict(b=__import__("os").system("true"))', 'line 1 has more than literals'),
    ('a = dict(*[1])', 'line 1 has more than literals'),
    ('a = dict(**{})', 'line 1 has more than literals'),
    ('a, b = 1, 2', 'line 1 is not an assignment'),
    ('a = [x for x in (1, 2)]', 'line 1 has more than literals'),
    ("_base_ = 'other.py'", 'line 1 is not an assignment'),
    # mmengine would exchange the templates and get a string, a call and a string.
    ('b = 1\na = """{{$X:"}}"" + print() + {{$X:"}}"" """', 'line 2 has a template'),
    ('a = dict(', 'it cannot be read'),
    ('a = dict([3])', 'it cannot be read'),
    ('a = {[]: 1}', 'it cannot be read'),
    ('a = -"b"', 'it cannot be read'),
    ('a = ' + '-' * 100_000 + '1', 'it cannot be read'),
])
def test_code_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        literal_config(text)


def test_files(shipped, tmp_path):
    cfg = shipped
    write(tmp_path / 'a.safetensors', cfg.pretty_text)
    torch.save(dict(state_dict=WEIGHTS, meta=dict(cfg=cfg.pretty_text)), tmp_path / 'b.pth')
    torch.save(dict(state_dict=WEIGHTS, message_hub=dict(runtime_info=dict(cfg=cfg.pretty_text))),
               tmp_path / 'c.pth')
    for name in ('a.safetensors', 'b.pth', 'c.pth'):
        found = config_of_checkpoint(tmp_path / name)
        assert found.model == cfg.model
        pipeline = cfg.test_dataloader.dataset.pipeline
        assert found.test_dataloader == dict(dataset=dict(pipeline=pipeline))
        assert found.visualizer == cfg.visualizer | dict(vis_backends=None)


def test_configs_of_this_project_can_be_given_alone(tmp_path):
    names = sorted(Path('configs').glob('*.py'))
    assert len(names) > 20
    for number, name in enumerate(names):
        cfg = load_config(name)
        if 'test_dataloader' in cfg:
            path = write(tmp_path / f'{number}.safetensors', text_of(cfg))
            assert config_of_checkpoint(path).model == cfg.model


def test_nothing_of_a_hostile_config_runs(tmp_path):
    trace = tmp_path / 'trace'
    text = f'import pathlib\nmodel = dict(a=pathlib.Path({str(trace)!r}).touch())'
    path = write(tmp_path / 'a.safetensors', text)
    with pytest.raises(UntrustedCheckpointError, match=r'a\.safetensors was not loaded: the'):
        config_of_checkpoint(path)
    expalign.trust_checkpoints()
    with pytest.raises(ValueError, match=r'config in .*a\.safetensors cannot be used as data, and'):
        config_of_checkpoint(path)
    expalign.trust_checkpoints(False)
    assert not trace.exists()
    torch.save(dict(state_dict={}), tmp_path / 'b.pth')
    with pytest.raises(ValueError, match=r'b\.pth has no config in it'):
        config_of_checkpoint(tmp_path / 'b.pth')
    with pytest.raises(ValueError, match=r'c\.safetensors .* it needs model, visualizer and'):
        config_of_checkpoint(write(tmp_path / 'c.safetensors', 'model = 3'))


PLACES = ('model', 'neck', 'nms', 'pipeline', 'visualizer', 'collate_fn')
KINDS = (
    'os.path.os.mkdir', 'expalign.engine.launch.os.mkdir', 'expalign.trust_checkpoints',
    'mmengine.load', 'mmdet.CameraMotionCompensation', '__import__("os").getcwd()', ['BN'], None)


@pytest.mark.parametrize(('place', 'kind'), [
    *((place, 'os.mkdir') for place in PLACES), *(('neck', kind) for kind in KINDS)])
def test_types_that_could_run_code(shipped, tmp_path, place, kind):
    ran, cfg = tmp_path / 'ran', deepcopy(shipped)
    part = dict(type=kind, path=str(ran))
    if place in ('model', 'visualizer'):
        cfg[place] = part
    elif place == 'neck':
        cfg.model.neck = part
    elif place == 'nms':
        cfg.model.test_cfg = dict(nms=part)
    elif place == 'pipeline':
        cfg.test_dataloader.dataset.pipeline.append(part)
    else:
        cfg.test_dataloader.collate_fn = part
    path = write(tmp_path / 'a.safetensors', text_of(cfg))
    with pytest.raises(UntrustedCheckpointError) as error:
        ExpAlignInferencer(path, device='cpu')
    assert f'config in {path} names the type {kind!r}' in str(error.value)
    assert '--trust-checkpoint' in str(error.value)
    assert not ran.exists()
    assert not expalign.trust.checkpoints_are_trusted()
    expalign.trust_checkpoints()
    assert config_of_checkpoint(path)
