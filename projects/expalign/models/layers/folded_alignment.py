"""Expectation alignment for inference, with everything folded that a vocabulary fixes.

The embedding that alignment reads is linear in the last hidden map X of its branch: a 1x1
convolution, then batch normalisation with running statistics, F = A X + b. So A can be moved to the
tokens, U = A^T T and u0 = <b, T>, once per vocabulary; the D-wide map F is never computed. Nor is
the map of Eqs 1-4 (:func:`~.expectation_alignment.expectation_alignment`): what the head does to
it, a factor c and a bias d of the level, is part of the product that gives the logits:

    scores = <mean X, U> + u0;  pi = softmax(scores / tau)
    logits = c EAM + d = c <X, sum_l pi U> + sum_l pi (c u0 + d)

Axes: S levels, B images, K prompts, L tokens of the longest prompt, R real tokens of all prompts,
C width of X, D embedding width.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TokenTable(NamedTuple):
    """The tokens of a vocabulary in the coordinates of the levels' hidden maps.

    Attributes:
        keys: (S, R, C), U of the real tokens, prompt by prompt.
        offsets: (S, K, L), u0; the lowest finite number where there is no token, so that the
            softmax gives it no weight, and 0 in a prompt that has none.
        shifts: (S, K, L), c u0 + d; d where there is no token.
        rows: (K, L) int, where a token lies among the R keys of a level; 0 where there is none.
        masks: (K, L) bool, True at real tokens.
        factors: S numbers c.
    """

    keys: Tensor
    offsets: Tensor
    shifts: Tensor
    rows: Tensor
    masks: Tensor
    factors: tuple[float, ...]


def embedding_map(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A (D, C) and b (D) of a 1x1 convolution followed by a norm with running statistics."""
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = (conv.bias - norm.running_mean) * factor + norm.bias
    return conv.weight[:, :, 0, 0] * factor[:, None], offset


@torch.no_grad()
def fold_tokens(
    embeddings: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]], txt_feats: Tensor, txt_masks: Tensor,
    logit_terms: Sequence[tuple[float, float]],
) -> TokenTable:
    """Tokens in the coordinates of the maps that the embeddings read.

    Args:
        embeddings: per level a 1x1 convolution from C to D channels, with bias, and the
            normalisation after it; its running statistics are used.
        txt_feats: (K, L, D) tokens.
        txt_masks: (K, L) bool, True at real tokens.
        logit_terms: per level c, by which the logits multiply the maps, and d, which they add.
    """
    with torch.autocast(txt_feats.device.type, enabled=False):
        maps, constants = (
            torch.stack(x) for x in zip(*(embedding_map(*one) for one in embeddings), strict=True))
        tokens = txt_feats[txt_masks].to(maps.dtype)  # (R, D)
        u0 = constants @ tokens.T  # (S, R)
        factors, biases = (u0.new_tensor(x)[:, None] for x in zip(*logit_terms, strict=True))
        offsets = u0.new_zeros(len(u0), *txt_masks.shape)
        offsets[:, txt_masks] = u0
        absent = ~txt_masks & txt_masks.any(1, keepdim=True)
        offsets.masked_fill_(absent, torch.finfo(offsets.dtype).min)
        shifts = biases[:, :, None].repeat(1, *txt_masks.shape)
        shifts[:, txt_masks] += factors * u0
        rows = (txt_masks.flatten().cumsum(0) - 1).view_as(txt_masks).masked_fill(~txt_masks, 0)
        return TokenTable(
            tokens @ maps, offsets, shifts, rows, txt_masks, tuple(c for c, _ in logit_terms))


def folded_alignment(
    hidden: Sequence[Tensor], table: TokenTable, tau: float = 1.0
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Class logits from hidden maps.

    Args:
        hidden: X of every level, (B, C, H_s, W_s).
        table: of the vocabulary, see :func:`fold_tokens`.
        tau: softmax temperature, > 0.

    Returns:
        logits: per level (B, K, H_s, W_s), factor and bias of the table included.
        token_weights: per level (B, K, L) weights pi.
    """
    cells = [_cells(x) for x in hidden]  # S times (B, C, N)
    keys = table.keys.to(cells[0].dtype)
    if table.masks.shape[1] == 1 and keys.shape[1] == len(table.masks):
        # One token a prompt: nothing to weigh.
        prompts = [own.expand(len(cells[0]), -1, -1) for own in keys]  # S times (B, K, C)
        weights = keys.new_ones(len(cells[0]), *table.shifts.shape)
        shifts = table.shifts[None, ..., 0]
    else:
        pooled = torch.stack([x.mean(dim=2) for x in cells])  # (S, B, C)
        weights, shifts = _token_weights(pooled, keys, table, tau)
        prompts = [_expected_keys(own, pi, table.rows)
                   for own, pi in zip(keys, weights.unbind(1), strict=True)]
    shifts = shifts[..., None].to(keys.dtype)  # (B or 1, S, K, 1)
    logits = []
    for level, (x, own) in enumerate(zip(cells, hidden, strict=True)):
        # The factor comes with the product, so that logits are written once. Prompts are given
        # back level by level, which keeps the peak of memory near that of the logits.
        product = torch.baddbmm(
            shifts[:, level], prompts.pop(0), x, alpha=table.factors[level])  # (B, K, N)
        logits.append(product.view(*product.shape[:2], *own.shape[2:]))
    return tuple(logits), weights.unbind(1)


def _token_weights(
    pooled: Tensor, keys: Tensor, table: TokenTable, tau: float
) -> tuple[Tensor, Tensor]:
    """Weights pi (B, S, K, L) and the sums of the shifts by them (B, S, K).

    The tensors are small and the number of operations counts: the levels share them, and what a
    vocabulary fixes is in the table, padding included.

    Args:
        pooled: (S, B, C), means of the hidden maps.
        keys: (S, R, C) of the table, in the type of the maps.
        table: of the vocabulary.
        tau: softmax temperature.
    """
    # With the keys in front, a large table is read twice as fast.
    scores = (keys @ pooled.mT).index_select(1, table.rows.view(-1))  # (S, K * L, B)
    scores = scores.view(*table.shifts.shape, -1).permute(3, 0, 1, 2) + table.offsets
    if tau != 1:
        scores = scores / tau
    # Over a short last axis torch takes ten times as long as over any other one.
    weights = scores.transpose(2, 3).softmax(dim=2).transpose(2, 3).contiguous()
    shifts = (weights * table.shifts).sum(dim=3)  # d where all weights are equal, without tokens
    return weights * table.masks, shifts


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
