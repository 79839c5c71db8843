"""Expectation alignment for inference, with everything folded that a vocabulary fixes.

The embedding that alignment reads is linear in the last hidden map X of its branch: a 1x1
convolution, then batch normalisation with running statistics, F = A X + b. So A can be moved to the
tokens, U = A^T T and u0 = <b, T>, once per vocabulary; the D-wide map F is never computed. Nor is
the map of Eqs 1-4 (:func:`~.expectation_alignment.expectation_alignment`): what the head does to
it, a factor c and a bias d of the level, is part of the product that gives the logits:

    scores = <mean X, U> + u0;  pi = softmax(scores / tau)
    logits = c EAM + d = c <X, sum_l pi U> + sum_l pi (c u0 + d)

A table has one of two forms. On a CPU it holds the real tokens alone and prompts pick theirs by
index: least memory is read. On a GPU every prompt has L places, and all levels share one product
for the scores and one for the expected keys: fewest operations, whose number is what counts there.
Means, scores and weights are in float32 whatever the type of the maps; they are small.

Axes: S levels, B images, K prompts, L tokens of the longest prompt, R rows of keys, C width of X,
D embedding width.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# A row of values is a key, the shift of its token, and zeros up to a multiple of 16 bytes.
SHIFT_COLUMNS = 8


class TokenTable(NamedTuple):
    """The tokens of a vocabulary in the coordinates of the levels' hidden maps.

    Attributes:
        keys: (S, R, C), U of the tokens, prompt by prompt: the real ones, or in the dense form
            K * L with zeros where there is none.
        offsets: (S, K, L), u0; the lowest finite number where there is no token, so that the
            softmax gives it no weight, and 0 in the first place of a prompt that has none.
        shifts: (S, K, L), c u0 + d; d where there is no token.
        rows: (K, L) int, where a token lies among the R keys of a level; 0 where there is none.
        masks: (K, L) bool, True at real tokens.
        factors: S numbers c.
        complete: whether every prompt has a token.
        values: what the expected keys are made of: ``keys``, or in the dense form (S, K * L,
            C + 8), keys with the shifts behind them.
        copies: ``values`` in the types of maps that were asked for, see :meth:`values_in`.
        columns: (S, K * L, 1), the offsets.
        dense: whether every prompt has L rows of keys.
        single: whether every prompt has one token and no place for more.
    """

    keys: Tensor
    offsets: Tensor
    shifts: Tensor
    rows: Tensor
    masks: Tensor
    factors: tuple[float, ...]
    complete: bool
    values: Tensor
    copies: dict[torch.dtype, Tensor]
    columns: Tensor
    dense: bool
    single: bool

    def values_in(self, dtype: torch.dtype) -> Tensor:
        """``values`` in the type of the maps; converted once, not once an image."""
        if dtype == self.values.dtype:
            return self.values
        if dtype not in self.copies:
            self.copies[dtype] = self.values.to(dtype)
        return self.copies[dtype]


def embedding_map(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A (D, C) and b (D) of a 1x1 convolution followed by a norm with running statistics."""
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = (conv.bias - norm.running_mean) * factor + norm.bias
    return conv.weight[:, :, 0, 0] * factor[:, None], offset


@torch.no_grad()
def fold_tokens(
    embeddings: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]], txt_feats: Tensor, txt_masks: Tensor,
    logit_terms: Sequence[tuple[float, float]], dense: bool | None = None,
) -> TokenTable:
    """Tokens in the coordinates of the maps that the embeddings read.

    Args:
        embeddings: per level a 1x1 convolution from C to D channels, with bias, and the
            normalisation after it; its running statistics are used.
        txt_feats: (K, L, D) tokens.
        txt_masks: (K, L) bool, True at real tokens.
        logit_terms: per level c, by which the logits multiply the maps, and d, which they add.
        dense: the form of the table; None: that of the device.
    """
    dense = txt_feats.is_cuda if dense is None else dense
    with torch.autocast(txt_feats.device.type, enabled=False):
        maps, constants = (
            torch.stack(x) for x in zip(*(embedding_map(*one) for one in embeddings), strict=True))
        tokens = txt_feats[txt_masks].to(maps.dtype)  # (R, D)
        u0 = constants @ tokens.T  # (S, R)
        factors, biases = (u0.new_tensor(x)[:, None] for x in zip(*logit_terms, strict=True))
        offsets = u0.new_zeros(len(u0), *txt_masks.shape)
        offsets[:, txt_masks] = u0
        absent = ~txt_masks
        absent[:, 0] &= txt_masks.any(1)
        offsets.masked_fill_(absent, torch.finfo(offsets.dtype).min)
        shifts = biases[:, :, None].repeat(1, *txt_masks.shape)
        shifts[:, txt_masks] += factors * u0
        rows = (txt_masks.flatten().cumsum(0) - 1).view_as(txt_masks).masked_fill(~txt_masks, 0)
        keys = values = tokens @ maps
        if dense:
            values = keys.new_zeros(*shifts.shape, keys.shape[2] + SHIFT_COLUMNS)
            values[:, txt_masks, :-SHIFT_COLUMNS] = keys
            values[..., -SHIFT_COLUMNS] = shifts
            values = values.flatten(1, 2)
            keys = values[..., :-SHIFT_COLUMNS]
        complete = bool(txt_masks.any(1).all())
        return TokenTable(
            keys, offsets, shifts, rows, txt_masks, tuple(c for c, _ in logit_terms), complete,
            values, {}, offsets.flatten(1)[..., None], dense, complete and txt_masks.shape[1] == 1)


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
    device = hidden[0].device.type
    if torch.is_autocast_enabled(device):
        # The types are chosen here; autocast would convert the table once an image.
        with torch.autocast(device, enabled=False):
            return folded_alignment(hidden, table, tau)
    if table.dense and not table.single:
        prompts, shifts, weights = _dense_expectation(hidden, table, tau)
    elif table.single:
        prompts, shifts, weights = _only_keys(hidden, table)
    else:
        prompts, shifts, weights = _indexed_expectation(hidden, table, tau)
    logits = []
    for x, own, shift, factor in zip(hidden, prompts, shifts, table.factors, strict=True):
        images, _, height, width = x.shape
        # The factor comes with the product, so that logits are written once.
        logits.append(torch.baddbmm(shift, own, x.flatten(2), alpha=factor).view(
            images, -1, height, width))
    return tuple(logits), weights.unbind(1)


# What the products with the maps take: per level prompts (B, K, C) and shifts (B or 1, K, 1); and
# the weights pi (B, S, K, L).
Expectation = tuple[Iterable[Tensor], Iterable[Tensor], Tensor]


def _pooled(hidden: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Means of the hidden maps, (S, B, C)."""
    return torch.stack([x.mean((2, 3), dtype=dtype) for x in hidden])


def _only_keys(hidden: Sequence[Tensor], table: TokenTable) -> Expectation:
    """Of prompts of one token each: nothing to weigh."""
    images, dtype = len(hidden[0]), hidden[0].dtype
    values = table.values_in(dtype)[..., :table.keys.shape[2]]  # (S, K, C)
    weights = table.shifts.new_ones(1).expand(images, *table.shifts.shape)
    return (values[:, None].expand(-1, images, -1, -1).unbind(0),
            table.shifts.to(dtype)[:, None].unbind(0), weights)


def _dense_expectation(
    hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> Expectation:
    """By one product for the scores, one softmax, and one product for keys and shifts.

    Args:
        hidden: X of every level.
        table: in the dense form.
        tau: softmax temperature.
    """
    keys, dtype = table.keys, hidden[0].dtype
    levels, prompts, tokens = table.shifts.shape
    scores = torch.baddbmm(
        table.columns, keys, _pooled(hidden, keys.dtype).mT, beta=1 / tau, alpha=1 / tau)
    weights = scores.view(levels * prompts, tokens, -1).softmax(1)
    expected = torch.bmm(
        weights.mT if dtype == keys.dtype else weights.mT.to(dtype),
        table.values_in(dtype).view(levels * prompts, tokens, -1))
    expected = expected.view(levels, prompts, -1, table.values.shape[2]).transpose(1, 2)
    weights = weights.view(levels, prompts, tokens, -1).permute(3, 0, 1, 2)
    if not table.complete:
        weights = weights * table.masks
    width = keys.shape[2]
    return expected[..., :width].unbind(0), expected[..., width:width + 1].unbind(0), weights


def _indexed_expectation(
    hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> Expectation:
    """By rows that are picked from the keys, so that absent tokens are never read.

    Args:
        hidden: X of every level.
        table: of the vocabulary.
        tau: softmax temperature.
    """
    pooled, dtype = _pooled(hidden, table.keys.dtype), hidden[0].dtype
    # With the keys in front, a large table is read twice as fast.
    scores = torch.bmm(table.keys, pooled.mT).index_select(1, table.rows.view(-1))
    scores = scores.view(*table.shifts.shape, -1).permute(3, 0, 1, 2) + table.offsets
    if tau != 1:
        scores = scores / tau
    # Over a short last axis torch takes ten times as long as over any other one.
    weights = scores.transpose(2, 3).softmax(dim=2).transpose(2, 3).contiguous()  # (B, S, K, L)
    shifts = (weights * table.shifts).sum(dim=3)  # d without tokens
    if not table.complete:
        weights = weights * table.masks
    bags = table.rows if len(weights) == 1 else table.rows.repeat(len(weights), 1)
    # A weighted sum of rows picked by index builds no (K, L, C) tensor. A generator: prompts are
    # made level by level, which keeps the peak of memory near that of the logits.
    prompts = (F.embedding_bag(bags, keys, mode='sum',
                               per_sample_weights=pi.flatten(0, 1).to(dtype)
                               ).view(*pi.shape[:2], -1)
               for keys, pi in zip(table.values_in(dtype), weights.unbind(1), strict=True))
    return prompts, shifts[..., None].to(dtype).unbind(1), weights
