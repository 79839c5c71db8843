"""DINOv3 ConvNeXt: maps, freezing, and the three layouts of published weights."""

import re

import pytest
import torch
from huggingface_hub.errors import GatedRepoError
from safetensors.torch import save_file
from transformers import DINOv3ConvNextBackbone, DINOv3ConvNextConfig, DINOv3ConvNextModel

from expalign.models.backbones import DINOv3ConvNeXt, timm_to_transformers_keys
from expalign.models.utils.pretrained import PretrainedModelError
from expalign.registry import MODELS

TINY = dict(hidden_sizes=[8, 16, 24, 32], depths=[1, 2, 1, 1])


def random_state(network):
    """Give every parameter a value of its own and return the state dict."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.state_dict()


def timm_keys(depths):
    """Return the parameter names of timm's ConvNeXt, written down from its documented layout."""
    stems = ['stem.0', 'stem.1', 'head.norm']
    keys = []
    for stage, depth in enumerate(depths):
        if stage:
            stems += [f'stages.{stage}.downsample.0', f'stages.{stage}.downsample.1']
        for block in range(depth):
            name = f'stages.{stage}.blocks.{block}'
            keys.append(f'{name}.gamma')
            stems += [f'{name}.{part}' for part in ('conv_dw', 'norm', 'mlp.fc1', 'mlp.fc2')]
    return keys + [f'{stem}.{part}' for stem in stems for part in ('weight', 'bias')]


def to_timm(state_dict, width):
    """Rename a state dict of transformers' backbone to timm's names, the test's own way."""
    names = dict(depthwise_conv='conv_dw', layer_norm='norm', pointwise_conv1='mlp.fc1',
                 pointwise_conv2='mlp.fc2', layers='blocks', downsample_layers='downsample')
    renamed = {'head.norm.weight': torch.ones(width), 'head.norm.bias': torch.zeros(width)}
    for key, value in state_dict.items():
        parts = [names.get(part, part) for part in key.split('.')[1:]]
        renamed['.'.join(parts).replace('stages.0.downsample', 'stem')] = value.clone()
    return renamed


@pytest.fixture
def network():
    return DINOv3ConvNextBackbone(
        DINOv3ConvNextConfig(**TINY, out_features=['stage2', 'stage3', 'stage4'])).eval()


def assert_same_maps(backbone, network):
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = network(images).feature_maps
    assert all(torch.equal(a, b) for a, b in zip(backbone(images), expected, strict=True))


def test_strides_and_channels():
    backbone = DINOv3ConvNeXt(TINY)
    maps = backbone(torch.randn(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [(2, 16, 8, 12), (2, 24, 4, 6), (2, 32, 2, 3)]
    assert backbone.out_channels == (16, 24, 32)


@pytest.mark.parametrize(('hidden_sizes', 'depths', 'parameters'), [
    ([96, 192, 384, 768], [3, 3, 9, 3], 27818592),
    ([96, 192, 384, 768], [3, 3, 27, 3], 49453152),
    ([128, 256, 512, 1024], [3, 3, 27, 3], 87564416),
    ([192, 384, 768, 1536], [3, 3, 27, 3], 196227264),
])
def test_published_sizes(hidden_sizes, depths, parameters):
    with torch.device('meta'):
        backbone = DINOv3ConvNeXt(dict(hidden_sizes=hidden_sizes, depths=depths))
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert backbone.out_channels == tuple(hidden_sizes[1:])


def test_default_configuration_is_tiny():
    with torch.device('meta'):
        assert DINOv3ConvNeXt({}).out_channels == (192, 384, 768)


def test_maps_are_the_raw_stage_outputs():
    backbone = DINOv3ConvNeXt(TINY)
    random_state(backbone)
    stages = backbone.model.model.stages
    raw = []
    for stage in stages:
        stage.register_forward_hook(lambda module, args, output: raw.append(output))
    maps = backbone(torch.randn(1, 3, 32, 32))
    assert all(torch.equal(a, b) for a, b in zip(maps, raw[1:], strict=True))


def test_frozen_saves_no_activations():
    saved = []
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x):
        maps = torch.nn.Sequential(DINOv3ConvNeXt(TINY)).train()(images)
    assert not saved and not any(m.requires_grad for m in maps)


def test_unfrozen_trains():
    backbone = DINOv3ConvNeXt(TINY, frozen=False).train()
    assert backbone.model.training
    sum(m.sum() for m in backbone(torch.randn(1, 3, 32, 32))).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_init_weights_keeps_the_weights(network, tmp_path):
    random_state(network)
    network.save_pretrained(tmp_path)
    backbone = MODELS.build(
        dict(type='expalign.DINOv3ConvNeXt', model=str(tmp_path), frozen=False))
    backbone.init_weights()
    assert_same_maps(backbone.eval(), network)


def test_published_layout_of_transformers(network, tmp_path):
    """The published files hold the whole model, without the prefix ``model.``."""
    state = random_state(network)
    DINOv3ConvNextModel(DINOv3ConvNextConfig(**TINY)).save_pretrained(tmp_path)
    published = {key.removeprefix('model.'): value for key, value in state.items()}
    published |= {'layer_norm.weight': torch.ones(32), 'layer_norm.bias': torch.zeros(32)}
    save_file(published, tmp_path / 'model.safetensors', metadata=dict(format='pt'))
    assert_same_maps(DINOv3ConvNeXt(str(tmp_path)), network)


@pytest.mark.parametrize('as_file', [False, True])
def test_timm_layout(network, tmp_path, as_file):
    path = tmp_path / ('copy.safetensors' if as_file else 'model.safetensors')
    save_file(to_timm(random_state(network), 32), path)
    (tmp_path / 'config.json').write_text('{"architecture": "convnext_tiny"}')
    assert_same_maps(DINOv3ConvNeXt(str(path if as_file else tmp_path)), network)


def test_timm_hub_name(network, tmp_path, monkeypatch):
    path = tmp_path / 'model.safetensors'
    half = {key: value.half() for key, value in to_timm(random_state(network), 32).items()}
    save_file(half, path)
    asked = []
    monkeypatch.setattr('huggingface_hub.hf_hub_download',
                        lambda *args: asked.append(args) or str(path))
    backbone = DINOv3ConvNeXt('timm/convnext_tiny.dinov3_lvd1689m')
    assert asked == [('timm/convnext_tiny.dinov3_lvd1689m', 'model.safetensors')]
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}


def test_timm_keys_map_one_to_one():
    depths = [3, 3, 9, 3]
    with torch.device('meta'):
        own = DINOv3ConvNeXt({}).model.state_dict()
    names = timm_keys(depths)
    assert len(names) == 180
    mapped = timm_to_transformers_keys({name: torch.zeros(1) for name in names})
    assert len(mapped) == 178 and mapped.keys() == own.keys()
    assert set(to_timm(own, 768)) == set(names)


def test_timm_file_of_another_model(network, tmp_path):
    state = to_timm(random_state(network), 32)
    state['stages.1.blocks.0.grn.weight'] = torch.ones(1)
    del state['stages.3.downsample.1.bias']
    save_file(state, tmp_path / 'model.safetensors')
    with pytest.raises(PretrainedModelError, match=re.escape(
            '1 missing keys (model.stages.3.downsample_layers.1.bias); 1 unknown keys '
            '(model.stages.1.layers.0.grn.weight)')):
        DINOv3ConvNeXt(str(tmp_path))


def test_gated_model_names_the_ungated_copy(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('gated') from GatedRepoError.__new__(GatedRepoError)

    monkeypatch.setattr(DINOv3ConvNextBackbone, 'from_pretrained', refuse)
    with pytest.raises(PretrainedModelError) as caught:
        DINOv3ConvNeXt()
    message = str(caught.value)
    for part in ("'facebook/dinov3-convnext-tiny-pretrain-lvd1689m'", 'gated', 'licence',
                 'hf auth login', 'local copy', "'timm/convnext_tiny.dinov3_lvd1689m'"):
        assert part in message
    assert 'http' not in message


def test_other_errors(tmp_path):
    with pytest.raises(ValueError, match=r"DINOv3ConvNextConfig has no \['depth'\]"):
        DINOv3ConvNeXt(dict(depth=[1, 1, 1, 1]))
    with pytest.raises(PretrainedModelError, match=r"DINOv3ConvNeXt\(model=...\): './nowhere'"):
        DINOv3ConvNeXt('./nowhere')
    path = tmp_path / 'other.safetensors'
    save_file(dict(weight=torch.ones(1)), path)
    with pytest.raises(PretrainedModelError, match="not in timm's layout. Give the folder"):
        DINOv3ConvNeXt(str(path))


@pytest.mark.parametrize('autocast', [False, True])
def test_a_frozen_encoder_keeps_no_graph_and_no_activation(autocast):
    backbone = DINOv3ConvNeXt(dict(TINY), frozen=True).train()
    kept = []
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    with (torch.autocast('cpu', torch.bfloat16, enabled=autocast),
          torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x)):
        maps = backbone(images)
        trained = torch.nn.Conv2d(maps[0].shape[1], 4, 1)(maps[0])
    assert not any(x.requires_grad for x in maps) and trained.requires_grad
    # What the trained layer behind it needs: its input and its weight, and casts of them.
    assert 0 < len(kept) <= 4
    trained.float().sum().backward()
    assert images.grad is None and all(x.grad is None for x in backbone.parameters())
