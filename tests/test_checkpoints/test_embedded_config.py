"""Configs in checkpoints are read as data, and name nothing that could run code."""

import random
import sys
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from safetensors.torch import save_file

import expalign
from expalign.apis import ExpAlignInferencer
from expalign.checkpoints.embedded_config import config_of_checkpoint
from expalign.checkpoints.safe_load import UntrustedCheckpointError, literal_config
from expalign.limits import LimitExceeded
from expalign.utils.load_config import load_config
from tests.helpers.bounded import attempts
from tests.helpers.mini_model import CONFIG
from tests.helpers.mutations import mutated_value

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
    'mini/expalign_mini', 'mini/expalign_mini-seg_stage2', 'warm_start/expalign_v8s_minilm',
    'pretrain/expalign_cnxt_o365-seg'])
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
    names, seen = sorted(Path('configs').rglob('expalign_*.py')), set()
    assert len(names) > 20
    for number, name in enumerate(name for name in names if '_base_' not in name.parts):
        cfg = load_config(name)
        if 'test_dataloader' in cfg and str(cfg.model) not in seen:
            seen.add(str(cfg.model))
            path = write(tmp_path / f'{number}.safetensors', text_of(cfg))
            encoder = cfg.model.text_encoder
            encoder.pop('cache_dir', None)  # a folder to write to is nothing for a stranger's file
            if 'vectors' in encoder:
                encoder.vectors = str(tmp_path / Path(encoder.vectors).name)
                with pytest.raises(UntrustedCheckpointError, match='those beside the checkpoint'):
                    config_of_checkpoint(path)
                Path(encoder.vectors).touch()
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
    assert not expalign.checkpoints.trust.checkpoints_are_trusted()
    expalign.trust_checkpoints()
    assert config_of_checkpoint(path)


# What a key of a component may not say; RAN stands for a folder that shows that something ran.
MEMCACHED = dict(backend='memcached', server_list_cfg='a', client_cfg='b', sys_path='RAN')
HOSTILE = (
    # where (a path of keys), what, and what the message says
    ('pipeline', dict(type='expalign.LoadImageFromFile', backend_args=MEMCACHED), 'backend_args'),
    ('pipeline', dict(type='expalign.LoadImageFromFile', file_client_args=MEMCACHED),
     'file_client_args'),
    ('pipeline', dict(type='expalign.LoadImageFromFile', sys_path='.'), "the key 'sys_path'"),
    ('pipeline', dict(type='mmdet.LoadAnnotations', backend_args=dict(backend='petrel')),
     'backend_args'),
    ('pipeline', dict(type='expalign.Mosaic', pre_transform=[]), 'expalign.Mosaic'),
    ('pipeline', dict(type='expalign.SamplePrompts', embeddings='RAN.npz'), 'SamplePrompts'),
    ('pipeline', dict(type='mmdet.InferencerLoader', backend_args=MEMCACHED), 'InferencerLoader'),
    ('pipeline', dict(type='mmdet.PackDetInputs', _scope_='os'), "the key '_scope_'"),
    ('pipeline', dict(type='mmdet.PackDetInputs', meta_keys=['../../etc']), "'../../etc' as"),
    ('pipeline', dict(type='mmdet.PackDetInputs', meta_keys=b'x'), 'a bytes as'),
    ('pipeline', dict(type='mmyolo.LetterResize', scale=(10**6, 10**6)), 'EXPALIGN_MAX_INPUT_SIDE'),
    ('pipeline', dict(type='mmyolo.LetterResize', scale=(640, '__import__("os")')), '__import__'),
    ('visualizer.type', 'mmengine.Visualizer', 'mmengine.Visualizer'),
    ('visualizer.image', 'RAN', 'image in visualizer'),
    ('visualizer.name', 'RAN', 'as visualizer.name'),
    ('model.init_cfg', dict(type='Pretrained', checkpoint='RAN'), 'init_cfg in model'),
    ('model.pretrained', 'torchvision://resnet50', "'pretrained'"),
    ('model.neck.init_cfg', dict(type='mmengine.PretrainedInit', checkpoint='RAN'), 'init_cfg in'),
    ('model.backbone.checkpoint', 'RAN', "the key 'checkpoint'"),
    ('model.backbone.model', 'RAN/weights', 'as model.backbone.model'),
    ('model.backbone.model', 'https://evil.example/a', 'as model.backbone.model'),
    ('model.backbone.model', 'evil/repository', 'as model.backbone.model'),
    ('model.backbone.model', 'package:os/../..', 'as model.backbone.model'),
    ('model.backbone.model', dict(hidden_sizes=[8] * 4, auto_map=dict(AutoModel='a.B')), "'AutoM"),
    ('model.backbone.model', dict(_attn_implementation='kernels'), "'_attn_implementation'"),
    ('model.text_encoder.tokenizer', '../../..', 'as model.text_encoder.tokenizer'),
    ('model.text_encoder', dict(type='expalign.PromptVectorEncoder', vectors='/dev/zero'),
     '/dev/zero'),
    ('model.known_names', dict(type='expalign.KnownNames', vectors='package:os/a.safetensors'),
     'as model.known_names.vectors'),
    ('model.data_preprocessor.batch_augments', [dict(type='mmdet.BatchFixedSizePad', size=(1, 1))],
     'BatchFixedSizePad'),
    ('model.data_preprocessor.non_blocking', dict(a=1), 'a dict without a type'),
    ('model.bbox_head.loss_cls', dict(type='mmdet.CrossEntropyLoss'), 'mmdet.CrossEntropyLoss'),
    ('model.neck.norm_cfg', dict(type='torch.nn.BatchNorm2d'), 'torch.nn.BatchNorm2d'),
    ('model.neck.act_cfg', dict(type='SiLU', __class__='x'), "'__class__'"),
    ('model.test_cfg.nms', dict(type='nms', iou_threshold='1 if print() else 2'), 'a str as'),
    ('model.test_cfg.a', dict(b=dict(c='x y')), "'x y' as model.test_cfg.a.b.c"),
    ('model.test_cfg.nms_pre', 10**9, 'EXPALIGN_MAX_MODEL_ARGUMENT'),
    ('model.neck.embed_dims', 10**6, 'EXPALIGN_MAX_MODEL_NUMBERS'),
    ('model.bbox_head.head_module.reg_max', 10**6, 'EXPALIGN_MAX_MODEL_NUMBERS'),
    ('model.neck.pafpn.num_csp_blocks', 10**6, 'EXPALIGN_MAX_MODEL_'),
    ('model.neck', 'os.mkdir', 'a str as model.neck'),
    ('model.neck.tau', 'high', 'a str as model.neck.tau, which is a float'),
    ('model.neck', [], 'a list as model.neck, which is a dict'),
    ('model.bbox_head', None, 'a NoneType as model.bbox_head'),
    ('collate_fn', 'os.mkdir', "'os.mkdir' as collate_fn"),
    ('collate_fn', dict(type='yolov5_collate'), "'yolov5_collate' as collate_fn"),
)


def test_nothing_but_what_is_allowed(shipped, tmp_path, monkeypatch):
    """Keys, values and sizes; neither folders nor `sys.path` change, and the file is named."""
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / 'ran'
    before = list(sys.path)
    for number, (place, value, message) in enumerate(HOSTILE):
        cfg = deepcopy(shipped).to_dict()
        value = eval(repr(value).replace('RAN', str(ran)))
        if place == 'pipeline':
            cfg['test_dataloader']['dataset']['pipeline'][0] = value
        elif place == 'collate_fn':
            cfg['test_dataloader'][place] = value
        else:
            *parents, last = place.split('.')
            parent = cfg
            for key in parents:
                parent = parent.setdefault(key, {})
            parent[last] = value
        path = write(tmp_path / f'{number}.safetensors', text_of(cfg))
        with pytest.raises((UntrustedCheckpointError, ValueError)) as caught:
            config_of_checkpoint(path)
        told = str(caught.value)
        assert path in told and message in told, (place, value, told)
        assert not ran.exists() and sys.path == before
        if number < 3 or place == 'collate_fn':
            for build in (ExpAlignInferencer, partial(DetInferencer, None)):
                with pytest.raises(UntrustedCheckpointError, match=message):
                    build(path, device='cpu')


def test_what_predictions_do_without_is_left_out(shipped, tmp_path):
    cfg = deepcopy(shipped).to_dict()
    cfg['model']['text_encoder']['cache_dir'] = str(tmp_path / 'ran')
    cfg['model']['neck']['init_cfg'] = None
    cfg['visualizer'].update(save_dir='ran', vis_backends=[dict(type='os.mkdir', name='ran')])
    pipeline = cfg['test_dataloader']['dataset']['pipeline']
    pipeline[0].update(backend_args=None)
    cfg.update(
        custom_hooks=[dict(type='os.mkdir', name='ran')], env_cfg=dict(a='ran'),
        test_evaluator=dict(type='os.mkdir', name='ran'), custom_imports=dict(imports=['ran']),
        default_scope='os', load_from='ran', work_dir='ran')
    cfg['test_dataloader'].update(sampler=dict(type='os.mkdir'), dataset=dict(
        type='os.mkdir', ann_file='ran', pipeline=pipeline))
    text = '\n'.join(f'{name} = {value!r}' for name, value in cfg.items())
    found = config_of_checkpoint(write(tmp_path / 'a.safetensors', text))
    assert 'ran' not in str(found).replace('ransform', '')
    assert set(found) == {'model', 'visualizer', 'test_dataloader'}
    assert found.visualizer.vis_backends is None


def test_large_texts_are_refused_before_they_are_parsed(tmp_path, monkeypatch):
    for text in ('a = [' + '[],' * 10**6 + ']', '1\n' * 10**5, 'a=1;' * 10**5):
        path = write(tmp_path / 'a.safetensors', text)
        with pytest.raises(LimitExceeded, match=r'a\.safetensors .*EXPALIGN_MAX_CONFIG_SIGNS'):
            config_of_checkpoint(path)
    monkeypatch.setenv('EXPALIGN_MAX_CONFIG_SIGNS', '90')
    with pytest.raises(LimitExceeded, match='more than the limit of 90'):
        literal_config('a = [' + '1,' * 60 + ']')
    monkeypatch.setenv('EXPALIGN_MAX_CONFIG_SIGNS', '200')
    assert len(literal_config('a = [' + '1,' * 60 + ']')['a']) == 60


@pytest.mark.parametrize('count', [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_configs(shipped, tmp_path, count):
    """A config is usable, or one line names the file; in bounded memory and time."""
    rng = random.Random(count)
    base = {name: deepcopy(shipped.to_dict()[name])
            for name in ('model', 'visualizer', 'test_dataloader')}
    names = [f'{number}.safetensors' for number in range(count)]
    for name in names:
        text = '\n'.join(f'{key} = {value!r}' for key, value in mutated_value(base, rng).items()
                         if isinstance(key, str) and key.isidentifier())
        write(tmp_path / name, text)
    before = set(tmp_path.iterdir())
    found = attempts(lambda name: config_of_checkpoint(tmp_path / name), names, tmp_path)
    for name, error, message, seconds in found:
        assert error in ('', 'ValueError', 'LimitExceeded', 'UntrustedCheckpointError',
                         'NotAllowed'), (name, error, message)
        assert not error or name in message, message
        assert seconds < 10, name
    refused = sum(bool(outcome.error) for outcome in found)
    assert count / 4 < refused < count
    assert set(tmp_path.iterdir()) == before | {tmp_path / 'outcomes.jsonl'}
