"""Folded logits equal the plain form, whatever the layout of memory and of prompts."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from expalign.models.layers import expectation_alignment, fold_tokens, folded_alignment

IMAGES, PROMPTS, TOKENS, WIDTH, HIDDEN = 2, 5, 4, 12, 7
SIZES = (6, 9), (3, 5)  # of the maps of two levels
TERMS = (1.3, -9.5), (0.7, 2.0)  # their factors and biases


def embeddings(dtype=torch.float64):
    """Per level a 1x1 convolution and a norm with statistics of its own, in evaluation mode."""
    torch.manual_seed(0)
    found = []
    for _ in SIZES:
        conv, norm = nn.Conv2d(HIDDEN, WIDTH, 1), nn.BatchNorm2d(WIDTH, eps=0.001)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        found.append((conv.to(dtype), norm.to(dtype).eval()))
    return found


def tokens(count=TOKENS, dtype=torch.float64):
    """Tokens and masks; one prompt has one token, and tokens are not always the first ones."""
    feats = F.normalize(torch.randn(PROMPTS, count, WIDTH, dtype=dtype), dim=-1)
    masks = torch.rand(PROMPTS, count) > 0.3
    masks[:, 0] = True
    masks[1, 1:] = False
    return feats, masks


def hidden_maps(dtype=torch.float64, images=IMAGES):
    return [torch.randn(images, HIDDEN, *size, dtype=dtype) for size in SIZES]


def plain_form(levels, hidden, feats, masks, tau=1.0):
    """Alignment maps and token weights of every level."""
    return zip(*(expectation_alignment(norm(conv(x)), feats[None], masks[None], tau)
                 for (conv, norm), x in zip(levels, hidden, strict=True)), strict=True)


def fold(levels, feats, masks, dense=None, terms=TERMS):
    """The table, with the terms of a head."""
    return fold_tokens(levels, feats, masks, dense).with_logits(terms)


def folded(hidden, table, tau=1.0):
    """Logits and token weights of every level."""
    maps = folded_alignment(hidden, table, tau)
    return maps.logits(), maps.token_weights.unbind(1)


def assert_equal_logits(logits, eams):
    for one, eam, (factor, bias) in zip(logits, eams, TERMS, strict=True):
        torch.testing.assert_close(one, eam * factor + bias, rtol=0, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize('dense', [False, True])
@pytest.mark.parametrize('images', [1, IMAGES])
@pytest.mark.parametrize('tau', [1.0, 0.1])
@pytest.mark.parametrize('count', [TOKENS, 1])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_equals_the_plain_form(layout, count, tau, images, dense):
    levels = embeddings()
    feats, masks = tokens(count)
    hidden = [x.to(memory_format=layout) for x in hidden_maps(images=images)]
    eams, plain_weights = plain_form(levels, hidden, feats, masks, tau)
    table = fold(levels, feats, masks, dense)
    maps = folded_alignment(hidden, table, tau)
    weights = maps.token_weights.unbind(1)
    assert table.dense == dense
    assert_equal_logits(maps.logits(), eams)
    assert len(maps) == len(eams) and torch.equal(maps[1], list(maps)[1])
    for a, b in zip(maps, eams, strict=True):  # read after the logits, which leave them alone
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    for a, b in zip(weights, plain_weights, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_a_table_holds_real_tokens_only_and_no_graph():
    feats, masks = tokens()
    feats[~masks] = torch.nan  # must not be read
    table = fold_tokens(embeddings(), feats.requires_grad_(), masks)
    assert table.keys.shape == (2, int(masks.sum()), HIDDEN)
    assert table.keys.isfinite().all() and not table.keys.requires_grad
    assert table.rows[1].tolist() == [int(masks[0].sum()), 0, 0, 0]


@torch.no_grad()
def test_single_precision_is_near_double():
    levels = embeddings(torch.float32)
    feats, masks = tokens(dtype=torch.float32)
    hidden = hidden_maps(torch.float32)
    logits, _ = folded(hidden, fold(levels, feats, masks))
    exact, _ = plain_form(
        [(conv.double(), norm.double()) for conv, norm in levels],
        [x.double() for x in hidden], feats.double(), masks)
    for one, eam, (factor, bias) in zip(logits, exact, TERMS, strict=True):
        assert (one - (eam * factor + bias)).abs().max() < 1e-5 * eam.abs().max()


@torch.no_grad()
@pytest.mark.parametrize('dense', [False, True])
@pytest.mark.parametrize('tau', [1.0, 1e-3])
@pytest.mark.parametrize('count', [TOKENS, 1])
def test_a_prompt_without_tokens_has_the_bias_alone(count, tau, dense):
    levels = embeddings()
    feats, masks = tokens(count)
    masks[3] = False
    hidden = hidden_maps()
    table = fold(levels, feats, masks, dense)
    logits, weights = folded(hidden, table, tau)
    assert all((one[:, 3] == 0).all() for one in folded_alignment(hidden, table, tau))
    for one, own, (_, bias) in zip(logits, weights, TERMS, strict=True):
        assert (one[:, 3] == bias).all() and not own[:, 3].any()
    eams, _ = plain_form(levels, hidden, feats, masks, tau)
    assert_equal_logits(logits, eams)


@torch.no_grad()
@pytest.mark.parametrize('dense', [False, True])
@pytest.mark.parametrize('terms', [((1.0, 0.0), (1.0, 0.0)), TERMS])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_within_its_rounding(dtype, terms, dense):
    feats, masks = tokens(dtype=torch.float32)
    hidden = [x.to(dtype) for x in hidden_maps(torch.float32)]
    table = fold(embeddings(torch.float32), feats, masks, dense, terms)
    exact, _ = folded([x.float() for x in hidden], table)
    logits, weights = folded(hidden, table)
    for one, own, right in zip(logits, weights, exact, strict=True):
        assert one.dtype == dtype and own.dtype == torch.float32
        assert (one - right).abs().max() < 4 * torch.finfo(dtype).eps * right.abs().max()


@torch.no_grad()
def test_autocast_changes_no_result_and_converts_the_table_once():
    feats, masks = tokens(dtype=torch.float32)
    hidden = [x.bfloat16() for x in hidden_maps(torch.float32)]
    table = fold(embeddings(torch.float32), feats, masks, dense=True)
    plain, _ = folded(hidden, table)
    kept = table.values_in(torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        logits, weights = folded(hidden, table)
    assert all(map(torch.equal, logits, plain)) and weights[0].dtype == torch.float32
    assert table.values_in(torch.bfloat16) is kept


class Operations(TorchDispatchMode):
    """Counts operations that run on a device: views are left out."""

    VIEWS = {'view', '_unsafe_view', 'transpose', 'permute', 'slice', 'unbind', 'expand', 't',
             'unsqueeze', 'select', 'detach', 'alias'}

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name not in self.VIEWS:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@torch.no_grad()
@pytest.mark.parametrize(('images', 'count', 'dtype', 'most'), [
    (1, TOKENS, torch.float32, 10), (3, TOKENS, torch.float32, 10), (3, TOKENS, torch.bfloat16, 11),
    (3, 1, torch.float32, 4)])
def test_levels_share_every_small_operation(images, count, dtype, most):
    """Three means, put together; scores; softmax; expected keys; three products with bias."""
    levels = embeddings(torch.float32)
    levels, terms = [*levels, levels[0]], [*TERMS, TERMS[0]]
    feats, masks = tokens(count, dtype=torch.float32)
    hidden = [torch.randn(images, HIDDEN, 8, 8).to(dtype) for _ in levels]
    table = fold(levels, feats, masks, True, terms)
    folded(hidden, table)
    with Operations() as counted:
        folded(hidden, table)
    assert counted.names.count('baddbmm') == 3 + (count > 1)
    assert len(counted.names) <= most, counted.names


def test_logits_need_a_reading():
    feats, masks = tokens()
    maps = folded_alignment(hidden_maps(), fold_tokens(embeddings(), feats, masks))
    with pytest.raises(ValueError, match='has no reading for logits'):
        maps.logits()
