"""Expectation alignment for inference, with everything folded that a vocabulary fixes.

The embedding that alignment reads is linear in the last hidden map X of its branch: a 1x1
convolution, then batch normalisation with running statistics, F = A X + b. So A can be moved to the
tokens, U = A^T T and u0 = <b, T>, once per vocabulary; the D-wide map F is never computed:

    scores = <mean X, U> + u0;  pi = softmax(scores / tau)
    EAM = <X, sum_l pi U> + sum_l pi u0

the same map as Eqs 1-4 (:func:`~.expectation_alignment.expectation_alignment`).

Axes: B images, K prompts, L tokens of the longest prompt, R real tokens of all prompts, C width of
X, D embedding width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TokenTable(NamedTuple):
    """The tokens of a vocabulary in the coordinates of one level's hidden map.

    Attributes:
        keys: (R, C), U of the real tokens, prompt by prompt.
        offsets: (K, L), u0; the lowest finite number where there is no token, so that the softmax
            gives it no weight, and 0 in a prompt that has none.
        rows: (K, L) int, where a token lies in ``keys``; 0 where there is none.
        masks: (K, L) bool, True at real tokens.
    """

    keys: Tensor
    offsets: Tensor
    rows: Tensor
    masks: Tensor


def embedding_map(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A (D, C) and b (D) of a 1x1 convolution followed by a norm with running statistics."""
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = (conv.bias - norm.running_mean) * factor + norm.bias
    return conv.weight[:, :, 0, 0] * factor[:, None], offset


@torch.no_grad()
def fold_tokens(
    conv: nn.Conv2d, norm: nn.BatchNorm2d, txt_feats: Tensor, txt_masks: Tensor
) -> TokenTable:
    """Tokens in the coordinates of the map that ``conv`` reads.

    Args:
        conv: 1x1 convolution from C to D channels, with bias.
        norm: the normalisation after it; its running statistics are used.
        txt_feats: (K, L, D) tokens.
        txt_masks: (K, L) bool, True at real tokens.
    """
    with torch.autocast(txt_feats.device.type, enabled=False):
        weight, offset = embedding_map(conv, norm)
        tokens = txt_feats[txt_masks].to(weight.dtype)  # (R, D)
        rows = (txt_masks.flatten().cumsum(0) - 1).view_as(txt_masks).masked_fill(~txt_masks, 0)
        offsets = tokens.new_zeros(txt_masks.shape)
        offsets[txt_masks] = tokens @ offset
        absent = ~txt_masks & txt_masks.any(1, keepdim=True)
        offsets.masked_fill_(absent, torch.finfo(offsets.dtype).min)
        return TokenTable(tokens @ weight, offsets, rows, txt_masks)


def folded_alignment(
    hidden: Tensor, table: TokenTable, tau: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Expectation alignment maps from hidden maps.

    Args:
        hidden: (B, C, H, W), X.
        table: of the vocabulary, see :func:`fold_tokens`.
        tau: softmax temperature, > 0.

    Returns:
        eam: (B, K, H, W) alignment maps.
        token_weights: (B, K, L) weights pi.
    """
    cells = _cells(hidden)  # (B, C, N)
    keys = table.keys.to(cells.dtype)
    if table.masks.shape[1] == 1 and len(keys) == len(table.masks):
        # One token a prompt: nothing to weigh.
        weights = keys.new_ones(len(hidden), len(keys), 1)
        prompts, bias = keys.expand(len(hidden), -1, -1), table.offsets.T
    else:
        # On maps of this size the number of operations counts: what a vocabulary fixes is in the
        # table, padding included.
        scores = (cells.mean(dim=2) @ keys.T)[:, table.rows] + table.offsets  # (B, K, L)
        weights = (scores / tau if tau != 1 else scores).softmax(dim=2) * table.masks
        prompts = _expected_keys(keys, weights, table.rows)
        bias = (weights * table.offsets).sum(dim=2)
    eam = torch.baddbmm(bias[:, :, None].to(cells.dtype), prompts, cells)
    return eam.unflatten(2, hidden.shape[2:]), weights


def _expected_keys(keys: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    """Sums of every prompt's keys (B, K, C) by its weights (B, K, L)."""
    # A weighted sum of rows picked by index, which builds no (K, L, C) tensor.
    bags = rows if len(weights) == 1 else rows.repeat(len(weights), 1)
    prompts = F.embedding_bag(
        bags, keys, mode='sum', per_sample_weights=weights.flatten(0, 1).to(keys.dtype))
    return prompts.view(*weights.shape[:2], -1)


def _cells(hidden: Tensor) -> Tensor:
    """(B, C, H, W) as (B, C, N), a view whether channels come first or last in memory."""
    if hidden.is_contiguous():
        return hidden.flatten(2)
    return hidden.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)
