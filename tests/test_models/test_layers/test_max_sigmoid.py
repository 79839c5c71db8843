"""The max-sigmoid gate against its formula written out with loops."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from expalign.models.layers.max_sigmoid import (
    PROMPT_CHUNK,
    MaxSigmoidGate,
    best_match,
    masked_token_mean,
)
from expalign.models.layers.max_sigmoid_csp import MaxSigmoidCSPLayer


def make_gate(**kwargs):
    torch.manual_seed(0)
    gate = MaxSigmoidGate(8, guide_channels=6, num_heads=2, **kwargs).eval()
    with torch.no_grad():
        gate.bias.copy_(torch.tensor([0.3, -0.7]))
        if gate.scale is not None:
            gate.scale.copy_(torch.tensor([1.5, 0.5]).view(1, 2, 1, 1))
    return gate


def make_inputs(batch=2, prompts=3, size=(3, 4)):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 8, *size, generator=generator)
    return x, torch.randn(batch, prompts, 6, generator=generator), torch.ones(
        batch, prompts, dtype=torch.bool)


def literal(gate, x, guides, masks):
    """The gate cell by cell, head by head, prompt by prompt."""
    embedded, values = gate.embed_conv(x), gate.value_conv(x)
    out = torch.zeros_like(values)
    c, v = embedded.shape[1] // 2, values.shape[1] // 2
    for b in range(x.shape[0]):
        prompts = [
            gate.guide_proj.weight @ guide + gate.guide_proj.bias
            for guide, there in zip(guides[b], masks[b], strict=True) if there]
        for head in range(2):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    cell = embedded[b, head * c:(head + 1) * c, i, j]
                    best = max(float(cell @ p[head * c:(head + 1) * c]) for p in prompts)
                    weight = 1 / (1 + math.exp(-(best / math.sqrt(c) + float(gate.bias[head]))))
                    if gate.scale is not None:
                        weight *= float(gate.scale[0, head])
                    rows = slice(head * v, (head + 1) * v)
                    out[b, rows, i, j] = values[b, rows, i, j] * weight
    return out


@pytest.mark.parametrize('kwargs', [
    {}, dict(with_scale=True), dict(embed_channels=12), dict(embed_channels=4, with_scale=True)])
@torch.no_grad()
def test_equals_the_formula(kwargs):
    gate = make_gate(**kwargs)
    x, guides, masks = make_inputs()
    masks[0, 1] = False
    torch.testing.assert_close(
        gate(x, guides, masks), literal(gate, x, guides, masks), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_padded_prompts_change_nothing():
    gate = make_gate()
    x, guides, masks = make_inputs()
    padding = 1e3 * torch.randn(2, 4, 6)  # would win every maximum
    padded = gate(x, torch.cat([guides, padding], 1), torch.cat([masks, masks.new_zeros(2, 4)], 1))
    torch.testing.assert_close(padded, gate(x, guides, masks))


@torch.no_grad()
def test_shared_prompts_broadcast():
    gate = make_gate()
    x, guides, masks = make_inputs()
    shared = gate(x, guides[:1], masks[:1])
    torch.testing.assert_close(shared, gate(x, guides[:1].expand(2, -1, -1), masks))


def test_no_prompt_at_all_closes_the_gate_without_nan():
    gate = make_gate().train()
    x, guides, masks = make_inputs()
    masks[1] = False
    x.requires_grad_()
    out = gate(x, guides, masks)
    assert out[1].abs().max() == 0 and out[0].abs().max() > 0
    out.sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in gate.parameters())


@torch.no_grad()
def test_half_precision_stays_close():
    gate = make_gate()
    x, guides, masks = make_inputs()
    masks[1] = False
    with torch.autocast('cpu', torch.bfloat16):
        half = gate(x, guides, masks)
    torch.testing.assert_close(half.float(), gate(x, guides, masks), rtol=0.05, atol=0.05)


@pytest.mark.parametrize('prompts', [1, 80, 1203])
@torch.no_grad()
def test_any_number_of_prompts_in_bounded_memory(prompts):
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(2, 3, 4, 35, generator=generator)  # (B, M, c, N)
    guides = torch.randn(1, prompts, 3, 4, generator=generator)
    masks = torch.rand(1, prompts, generator=generator) < 0.7
    masks[0, 0] = True
    sizes = []

    class LargestTensor(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            sizes.extend(x.numel() for x in [out] if isinstance(x, torch.Tensor))
            return out

    with LargestTensor():
        result = best_match(cells, guides, masks)
    assert max(sizes) <= max(cells.numel(), 2 * 3 * min(prompts, PROMPT_CHUNK) * 35)
    scores = torch.einsum('bmcn,kmc->bmkn', cells, guides[0])[:, :, masks[0]]
    torch.testing.assert_close(result, scores.amax(2))


def test_gradients_do_not_depend_on_the_chunks():
    generator = torch.Generator().manual_seed(0)
    cells = torch.randn(2, 3, 4, 5, generator=generator)
    guides = torch.randn(2, 10, 3, 4, generator=generator)
    masks = torch.ones(2, 10, dtype=torch.bool)
    gradients = []
    for chunk in (3, 10):
        inputs = [cells.clone().requires_grad_(), guides.clone().requires_grad_()]
        best_match(*inputs, masks, chunk=chunk).square().sum().backward()
        gradients.append([x.grad for x in inputs])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_guide_is_the_mean_of_the_real_tokens():
    feats = torch.tensor([[
        [[2.0, 4.0], [4.0, 0.0], [9.0, 9.0]],
        [[5.0, 1.0], [7.0, 7.0], [8.0, 8.0]],
        [[3.0, 3.0], [3.0, 3.0], [3.0, 3.0]]]])  # (1, 3, 3, 2)
    masks = torch.tensor([[[True, True, False], [True, False, False], [False, False, False]]])
    guides, guide_masks = masked_token_mean(feats, masks)
    assert guides.tolist() == [[[3.0, 2.0], [5.0, 1.0], [0.0, 0.0]]]
    assert guide_masks.tolist() == [[True, True, False]]


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match='3 heads do not divide 8 channels and 8 embedding'):
        MaxSigmoidGate(8, guide_channels=6, num_heads=3)


@torch.no_grad()
def test_csp_layer_joins_the_gate_to_the_parts():
    torch.manual_seed(0)
    layer = MaxSigmoidCSPLayer(10, 64, guide_channels=6, num_blocks=2, add_identity=False).eval()
    assert layer.gate.num_heads == 1  # 32 channels, 32 a head
    assert layer.final_conv.conv.in_channels == 5 * 32
    x, guides, masks = torch.randn(1, 10, 4, 4), torch.randn(1, 3, 6), torch.ones(1, 3) > 0
    first, second = layer.main_conv(x).split(32, 1)
    third = layer.blocks[0](second)
    fourth = layer.blocks[1](third)
    parts = [first, second, third, fourth, layer.gate(fourth, guides, masks)]
    torch.testing.assert_close(layer(x, guides, masks), layer.final_conv(torch.cat(parts, 1)))


@pytest.mark.parametrize('width, heads', [(128, 2), (256, 4), (512, 8), (576, 9), (320, 5)])
def test_csp_layer_has_32_channels_a_head(width, heads):
    layer = MaxSigmoidCSPLayer(8, width, guide_channels=6)
    assert layer.gate.num_heads == heads
