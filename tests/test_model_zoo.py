"""A name is a config and weights, for mmengine's own mechanisms too."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import Registry, root
from mmengine.runner.checkpoint import CheckpointLoader

from expalign import model_zoo
from expalign.apis import ExpAlignInferencer
from expalign.utils.load_config import load_config
from tests.helpers.mini_model import write_mini_weights


def test_every_config_has_a_row(repo_root):
    rows = list(model_zoo.models())
    configs = {path.resolve() for path in (repo_root / 'configs').rglob('*.py')
               if '_base_' not in path.parts}
    assert {row.config.resolve() for row in rows} == configs
    assert len({row.name for row in rows}) == len(rows) == len(configs)
    with_weights = {row.name: row.weights for row in rows if row.weights}
    assert with_weights == {
        'expalign-s': 'expalign://s', 'expalign-s-boxes': 'expalign://s-boxes'}
    assert rows[0].name == model_zoo.DEFAULT


def test_names_are_resolved(repo_root):
    config, weights = model_zoo.resolve()
    assert Path(config).samefile(repo_root / 'configs/warm_start/expalign_v8s_minilm-seg.py')
    assert weights == 'expalign://s'
    assert load_config('expalign-s').model.bbox_head.type == 'expalign.ExpAlignInsHead'
    with pytest.raises(model_zoo.ModelError, match="'expalign-z'; did you mean expalign-s"):
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
    monkeypatch.setattr('expalign.apis.inferencer.find', model_zoo.find)
    monkeypatch.setattr(model_zoo, 'checkpoint', lambda address: tmp_path / 'm.safetensors')
    inferencer = ExpAlignInferencer('mini', device='cpu', show_progress=False)
    loaded = inferencer.model.state_dict()
    key = 'text_adapter.ffn.w3.weight'
    assert loaded[key].equal(state[key])


def test_configs_of_the_package_from_anywhere(tmp_path):
    own = tmp_path / 'own.py'
    own.write_text("_base_ = 'expalign::coco_mini/expalign_mini.py'\nload_from = 'expalign://s'\n")
    assert Config.fromfile(own).model.type == 'expalign.ExpAlignDetector'
    assert get_config('expalign::odinw/expalign_cnxt_odinw13.py').model.type == (
        'expalign.ExpAlignDetector')


def test_the_scope_has_every_registry(caplog):
    for registry in vars(root).values():
        if isinstance(registry, Registry):
            child = registry._search_child('expalign')
            assert child is not None and child.parent is registry, registry.name
    assert ROOT_MODELS.get('expalign.ExpAlignDetector') is not None
