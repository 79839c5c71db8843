"""Folded alignment equals the plain form, whatever the layout of memory and of prompts."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from expalign.models.layers import expectation_alignment, fold_tokens, folded_alignment

IMAGES, PROMPTS, TOKENS, WIDTH, HIDDEN = 2, 5, 4, 12, 7


def embedding(dtype=torch.float64):
    """A 1x1 convolution and a norm with statistics of its own, in evaluation mode."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(HIDDEN, WIDTH, 1), nn.BatchNorm2d(WIDTH, eps=0.001)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return conv.to(dtype), norm.to(dtype).eval()


def tokens(count=TOKENS, dtype=torch.float64):
    """Tokens and masks; one prompt has one token, and tokens are not always the first ones."""
    feats = F.normalize(torch.randn(PROMPTS, count, WIDTH, dtype=dtype), dim=-1)
    masks = torch.rand(PROMPTS, count) > 0.3
    masks[:, 0] = True
    masks[1, 1:] = False
    return feats, masks


@torch.no_grad()
@pytest.mark.parametrize('tau', [1.0, 0.1])
@pytest.mark.parametrize('count', [TOKENS, 1])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_equals_the_plain_form(layout, count, tau):
    conv, norm = embedding()
    feats, masks = tokens(count)
    hidden = torch.randn(IMAGES, HIDDEN, 6, 9, dtype=torch.float64).to(memory_format=layout)
    plain, plain_weights = expectation_alignment(
        norm(conv(hidden)), feats[None], masks[None], tau)
    folded, weights = folded_alignment(hidden, fold_tokens(conv, norm, feats, masks), tau)
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-10)
    torch.testing.assert_close(weights, plain_weights, rtol=0, atol=1e-10)


def test_a_table_holds_real_tokens_only_and_no_graph():
    conv, norm = embedding()
    feats, masks = tokens()
    feats[~masks] = torch.nan  # must not be read
    table = fold_tokens(conv, norm, feats.requires_grad_(), masks)
    assert table.keys.shape == (int(masks.sum()), HIDDEN)
    assert table.keys.isfinite().all() and not table.keys.requires_grad
    assert table.rows[1].tolist() == [int(masks[0].sum()), 0, 0, 0]


@torch.no_grad()
def test_single_precision_is_near_double():
    conv, norm = embedding(torch.float32)
    feats, masks = tokens(dtype=torch.float32)
    hidden = torch.randn(IMAGES, HIDDEN, 6, 9)
    folded, _ = folded_alignment(hidden, fold_tokens(conv, norm, feats, masks))
    exact, _ = expectation_alignment(
        norm.double()(conv.double()(hidden.double())), feats[None].double(), masks[None])
    assert (folded - exact).abs().max() < 1e-5 * exact.abs().max()


@torch.no_grad()
@pytest.mark.parametrize('tau', [1.0, 1e-3])
def test_a_prompt_without_tokens_has_a_zero_map(tau):
    conv, norm = embedding()
    feats, masks = tokens()
    masks[3] = False
    hidden = torch.randn(IMAGES, HIDDEN, 6, 9, dtype=torch.float64)
    folded, weights = folded_alignment(hidden, fold_tokens(conv, norm, feats, masks), tau)
    assert not folded[:, 3].any() and not weights[:, 3].any()
    plain, _ = expectation_alignment(norm(conv(hidden)), feats[None], masks[None], tau)
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_within_its_rounding(dtype):
    conv, norm = embedding(torch.float32)
    feats, masks = tokens(dtype=torch.float32)
    hidden = torch.randn(IMAGES, HIDDEN, 6, 9).to(dtype)
    table = fold_tokens(conv, norm, feats, masks)
    exact, _ = folded_alignment(hidden.float(), table)
    folded, weights = folded_alignment(hidden, table)
    assert folded.dtype == dtype and weights.dtype == torch.float32
    assert (folded - exact).abs().max() < 4 * torch.finfo(dtype).eps * exact.abs().max()
