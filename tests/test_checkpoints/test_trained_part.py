"""Files of what was trained: small, whole when they are loaded, checked against their base."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_checkpoint
from safetensors.torch import load_file, save_file

from expalign.checkpoints import trained_part
from expalign.checkpoints.embedded_config import config_of_checkpoint
from expalign.checkpoints.trained_part import (
    HalfPrecisionError,
    save_trained_part,
    trained_weights,
    with_known_classes,
)
from expalign.registry import MODELS
from expalign.structures.known_classes import KnownClasses
from tests.helpers.models import tiny_detector_config

BASE = 'expalign://tiny'
KNOWN = dict(names=['red cup', 'fork'], thresholds=[0.5, None], exclusive=True)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    config = tiny_detector_config(tmp_path_factory.mktemp('tokenizer'))
    width = config['neck']['embed_dims']
    return ConfigDict({
        **config, 'type': 'expalign.PartlyTrainedDetector',
        'trained': ['tuned_prompts', 'text_adapter'], 'known_classes': KNOWN,
        'tuned_prompts': dict(type='expalign.TunedPrompts', num_prompts=2, embed_dims=width)})


@pytest.fixture
def model(config, monkeypatch):
    """A model whose weights, but for the trained ones, are those of the name :data:`BASE`."""
    torch.manual_seed(0)
    model = MODELS.build(config)
    base = {name: value.clone() for name, value in model.state_dict().items()
            if not name.startswith(('tuned_prompts.', 'text_encoder.'))}

    def load(cls, name, map_location=None, logger=None):
        assert name == BASE
        return dict(state_dict=dict(base))

    own = CheckpointLoader.load_checkpoint.__func__

    def load_checkpoint(cls, name, *args, **kwargs):
        return (load if str(name) == BASE else own)(cls, name, *args, **kwargs)

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', classmethod(load_checkpoint))
    with torch.no_grad():
        model.tuned_prompts.offsets.uniform_(-1, 1)
        model.text_adapter.ffn.w3.bias.add_(0.125)
    return model


def write(model, config, path):
    pipeline = [dict(type='expalign.LoadImageFromFile')]
    cfg = ConfigDict(model=config, test_dataloader=dict(dataset=dict(pipeline=pipeline)),
                     visualizer=dict(type='mmdet.DetLocalVisualizer', name=f'run in {path.parent}'))
    save_trained_part(model, cfg, path, BASE, epoch='3')
    return path


def test_the_file_has_what_was_trained_and_loads_as_a_whole(model, config, tmp_path):
    path = write(model, config, tmp_path / 'a.safetensors')
    stored = load_file(path)
    assert set(stored) == {name for name, value in model.named_parameters() if value.requires_grad}
    assert all(value.dtype == torch.float16 for value in stored.values())
    torch.manual_seed(1)
    other = MODELS.build({**config, 'known_classes': dict(names=KNOWN['names'])})
    for name, value in model.text_encoder.state_dict().items():  # as those of a name are
        other.text_encoder.state_dict()[name].copy_(value)
    load_checkpoint(other, str(path))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    assert other.known_classes.to_plain() == KNOWN


def test_classes_are_exchanged_and_nothing_else(model, config, tmp_path):
    path = write(model, config, tmp_path / 'a.safetensors')
    before = load_file(path)
    with_known_classes(path, KnownClasses(('red cup', 'fork'), (0.1, 0.2)))
    loaded = CheckpointLoader.load_checkpoint(str(path))
    assert loaded['state_dict']._metadata['']['known_classes']['thresholds'] == [0.1, 0.2]
    assert loaded['meta']['epoch'] == '3'
    for name, value in before.items():
        assert torch.equal(loaded['state_dict'][name], value)


def changed_header(path, **entries):
    from safetensors import safe_open
    with safe_open(path, framework='pt') as file:
        header = dict(file.metadata())
    weights = load_file(path)
    save_file(weights, path, {**header, **entries})


@pytest.mark.parametrize(('entry', 'value', 'said'), [
    ('base', 'https://example.org/x.pth', "none of this project's weights"),
    ('base', '/etc/passwd', "none of this project's weights"),
    ('base', 'expalign://../x', "none of this project's weights"),
    ('base_sha256', '0' * 64, 'trained from other weights than expalign://tiny'),
    ('known_classes', '{', 'is not JSON'),
    ('known_classes', json.dumps(dict(names=[1])), 'not a string')])
def test_a_strangers_header_is_refused_with_the_file(model, config, tmp_path, entry, value, said):
    path = write(model, config, tmp_path / 'a.safetensors')
    changed_header(path, **{entry: value})
    with pytest.raises(ValueError, match=said) as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert str(path) in str(error.value)


def test_without_a_named_base_the_file_has_everything(model, config, tmp_path):
    cfg = ConfigDict(model=config)
    save_trained_part(model, cfg, tmp_path / 'a.safetensors', 'work_dirs/x/epoch_3.pth')
    stored = load_file(tmp_path / 'a.safetensors')
    assert stored.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in stored.items())


def test_numbers_too_large_for_half_precision_are_named(model):
    with torch.no_grad():
        model.tuned_prompts.offsets[0, 0] = 1e6
    with pytest.raises(HalfPrecisionError, match='tuned_prompts.offsets'):
        trained_weights(model)


def test_the_config_inside_is_data_without_the_class_names(model, config, tmp_path, monkeypatch):
    path = write(model, config, tmp_path / 'a.safetensors')
    monkeypatch.setattr('expalign.checkpoints.embedded_config.dry_build', lambda *_: None)
    monkeypatch.setattr(trained_part, 'NAMED', None)  # the config is read without any weights
    tokenizer = Path(config.text_encoder.tokenizer)
    (tmp_path / tokenizer.name).symlink_to(tokenizer)
    cfg = config_of_checkpoint(path)
    assert cfg.model.tuned_prompts.num_prompts == 2 and 'known_classes' not in cfg.model
