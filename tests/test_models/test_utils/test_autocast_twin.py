"""A frozen encoder runs wholly in autocast's type, of weights that are converted once."""

from copy import deepcopy

import pytest
import torch

from expalign.models.backbones import DINOv3ConvNeXt
from expalign.models.utils import freeze
from expalign.models.utils.autocast_twin import AutocastTwin

SMALL = dict(hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1], layer_scale_init_value=0.1)


@pytest.fixture
def backbone(monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr(
        freeze, 'twin_applies', lambda images: torch.is_autocast_enabled('cpu'))
    torch.manual_seed(0)
    return DINOv3ConvNeXt(SMALL)


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def half(backbone, images):
    with torch.autocast('cpu', torch.bfloat16):
        return backbone(images)


def test_maps_are_those_of_float32_up_to_rounding(backbone, images):
    for found, expected in zip(half(backbone, images), backbone(images), strict=True):
        assert found.dtype == torch.bfloat16 and expected.dtype == torch.float32
        assert not found.requires_grad
        scale = expected.max() - expected.min()
        assert (found.float() - expected).abs().max() < 0.03 * scale


def test_weights_are_converted_once_and_follow_the_network(backbone, images):
    before = half(backbone, images)[0]
    twin = backbone._twin._twin
    half(backbone, images)
    assert backbone._twin._twin is twin
    state = {name: 2 * value for name, value in backbone.state_dict().items()}
    backbone.load_state_dict(state)
    after = half(backbone, images)[0]
    assert backbone._twin._twin is not twin and not torch.equal(after, before)
    with torch.autocast('cpu', torch.bfloat16):
        again = AutocastTwin()(backbone.model, images).feature_maps[0]
    assert torch.equal(again, after)


def test_it_is_no_part_of_the_model(backbone, images):
    names, count = set(backbone.state_dict()), len(list(backbone.parameters()))
    half(backbone, images)
    assert set(backbone.state_dict()) == names and len(list(backbone.parameters())) == count
    assert deepcopy(backbone)._twin._twin is None
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}


def test_made_in_inference_mode_and_used_in_training(backbone, images):
    with torch.inference_mode():
        half(backbone, images)
    maps = half(backbone, images)[0]
    weight = torch.ones(1, requires_grad=True)
    (maps.float() * weight).sum().backward()
    assert weight.grad.item() == pytest.approx(maps.float().sum().item(), rel=1e-3)


def test_a_trained_encoder_is_left_to_autocast(backbone, images):
    trained = DINOv3ConvNeXt(SMALL, frozen=False)
    half(trained, images)
    assert trained._twin._twin is None
