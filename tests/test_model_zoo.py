"""A name is a config and weights, for mmengine's own mechanisms too."""

import logging
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.constants import HUGGINGFACE_CO_URL_HOME
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.hub import get_config, get_model
from mmengine.infer import BaseInferencer
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import Registry, root
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from expalign import model_zoo
from expalign.apis import ExpAlignInferencer
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import CONFIG, write_mini_weights


def test_every_config_has_a_row(repo_root):
    rows = list(model_zoo.models())
    configs = {path.resolve() for path in (repo_root / 'configs').rglob('*.py')
               if '_base_' not in path.parts}
    assert {row.config.resolve() for row in rows} == configs
    assert len({row.name for row in rows}) == len(rows) == len(configs)
    with_weights = {row.name: row.weights for row in rows if row.weights}
    keys = ('s', 's-boxes', 'm', 'l', 'x', 's-clip', 'm-clip', 'l-clip', 'x-clip')
    assert with_weights == {f'expalign-{key}': f'expalign://{key}' for key in keys}
    assert all(row.made_of for row in rows if row.weights)
    assert rows[0].name == model_zoo.DEFAULT


def test_names_are_resolved(repo_root):
    config, weights = model_zoo.resolve()
    assert Path(config).samefile(repo_root / 'configs/warm_start/expalign_v8s_minilm-seg.py')
    assert weights == 'expalign://s'
    assert load_config('expalign-s').model.bbox_head.type == 'expalign.ExpAlignInsHead'
    with pytest.raises(model_zoo.ModelError, match="'expalign-z'; did you mean expalign-x, "):
        model_zoo.resolve('expalign-z')
    with pytest.raises(model_zoo.ModelError, match='expalign_cnxt_o365 was not trained here'):
        model_zoo.resolve('expalign_cnxt_o365')
    with pytest.raises(FileNotFoundError, match='no model has this name'):
        load_config('expalign-z')


@pytest.mark.parametrize(('address', 'message'), [
    ('expalign://not-trained-here', 'give a checkpoint of your own'),
    ('expalign://xyz', 'no weights expalign://xyz; known are expalign://s, ')])
def test_weights_that_are_not_there(address, message):
    with pytest.raises(model_zoo.ModelError, match=message):
        CheckpointLoader.load_checkpoint(address)


def test_a_name_is_enough_for_an_inferencer(tmp_path, monkeypatch):
    from safetensors.torch import save_file
    from torch import load
    state = load(write_mini_weights(tmp_path / 'mini.pth'))['state_dict']
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / 'm.safetensors')
    mini = model_zoo.find('expalign_mini')._replace(name='mini', weights='expalign://s')
    monkeypatch.setattr(model_zoo, 'find', lambda name: mini if name == 'mini' else None)
    monkeypatch.setattr('expalign.apis.pretrained.find', model_zoo.find)
    monkeypatch.setattr(model_zoo, 'checkpoint', lambda address: tmp_path / 'm.safetensors')
    inferencer = ExpAlignInferencer('mini', device='cpu', show_progress=False)
    loaded = inferencer.model.state_dict()
    key = 'text_adapter.ffn.w3.weight'
    assert loaded[key].equal(state[key])


def test_configs_of_the_package_from_anywhere(tmp_path):
    own = tmp_path / 'own.py'
    own.write_text("_base_ = 'expalign::coco_mini/expalign_mini.py'\nload_from = 'expalign://s'\n")
    assert Config.fromfile(own).model.type == 'expalign.ExpAlignDetector'
    assert '_scope_' not in str(Config.fromfile(own).to_dict())  # types say their scopes
    assert get_config('expalign::odinw/expalign_cnxt_odinw13.py').model.type == (
        'expalign.ExpAlignDetector')


@pytest.mark.parametrize('key', ['m', 'l-clip', 's-clip'])
def test_mmengine_knows_the_larger_names(key):
    """What ``DetInferencer(NAME, scope='expalign')`` loads."""
    config, weights = BaseInferencer._load_model_from_metafile(
        SimpleNamespace(scope='expalign'), f'expalign-{key}')
    assert weights == f'expalign://{key}'
    hub = get_config(f'expalign::warm_start/{Path(config.filename).name}', pretrained=True)
    assert hub.model_path == weights  # what mmengine.hub.get_model loads
    size, _, clip = key.partition('-')
    kind = 'CLIPTokenEncoder' if clip else 'HFTokenEncoder'
    assert config.model.text_encoder.type == f'expalign.{kind}'
    assert config.model.backbone.widen_factor == dict(s=0.5, m=0.75, l=1.0)[size]


def test_the_table_of_sources():
    """Each is named by a model, by an address whose file name has its first digits."""
    known = model_zoo.sources()
    used = {name for row in model_zoo.models() if row.made_of
            for kind, name in row.made_of.items() if kind != 'Parts'}
    assert used == set(known)
    for source in known.values():
        if 'Address' in source:
            assert source['Address'].startswith(HUGGINGFACE_CO_URL_HOME)
            assert source['Address'].endswith(f'-{source["SHA256"]}.pth')
        assert not source or source['Terms'] and source['Megabytes'] > 300


def test_the_scope_has_every_registry(caplog):
    for registry in vars(root).values():
        if isinstance(registry, Registry):
            child = registry._search_child('expalign')
            assert child is not None and child.parent is registry, registry.name
    assert ROOT_MODELS.get('expalign.ExpAlignDetector') is not None


# What mmdet, mmengine and torch say of their own, whatever the model.
OF_OTHERS = ('dataset_meta or class names are not saved', 'Failed to add <class', 'torch.meshgrid',
             '`torch.jit.', 'instance named of', 'MultiScaleDeformableAttention',
             '__array__ implementation')


def test_no_registry_warns(tmp_path, monkeypatch):
    """In mmdet's inferencer, mmengine's hub and a runner; mmengine warns in its log."""
    said = []
    handle = logging.Logger.handle

    def listen(self, record):
        if record.levelno >= logging.WARNING:
            said.append(record.getMessage())
        return handle(self, record)

    monkeypatch.setattr(logging.Logger, 'handle', listen)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        weights = write_mini_weights(tmp_path / 'mini.pth')
        inferencer = DetInferencer(
            CONFIG, weights, device='cpu', scope='expalign', show_progress=False)
        inferencer('demo/data/mini/val2017/000000229997.jpg', texts='a bear', custom_entities=True)
        assert type(get_model('expalign::mini/expalign_mini.py')) is type(inferencer.model)
        cfg = load_config(CONFIG)
        cfg.work_dir = str(tmp_path / 'runs')
        runner = Runner.from_cfg(cfg)
        runner.build_train_loop(cfg.train_cfg)
        runner.build_optim_wrapper(cfg.optim_wrapper)
        runner.build_test_loop(cfg.test_cfg)
    said += [str(warning.message) for warning in caught]
    assert [text for text in said if not any(part in text for part in OF_OTHERS)] == []
