"""The tokens of a vocabulary in the coordinates of the hidden maps that they are aligned with.

A table has one of two forms. On a CPU it holds the real tokens alone and prompts pick theirs by
index: least memory is read. On a GPU every prompt has L places, and all levels share one product
for the scores and one for the expected keys: fewest operations, whose number is what counts there.

Axes: S levels, K prompts, L tokens of the longest prompt, R rows of keys, C width of the hidden
maps, D embedding width.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

# A row of values is a key, the constants of its token, and zeros up to a multiple of 16 bytes.
CONSTANTS = 8
OF_MAPS, OF_LOGITS = 0, 1  # their places among the constants


class Reading(NamedTuple):
    """What is read of a table: c EAM + d, with a factor and a bias for every level.

    Attributes:
        factors: S numbers c.
        shifts: (S, K, L), c u0 + d; d where there is no token.
        place: of the shifts among the constants behind the keys, in the dense form.
    """

    factors: tuple[float, ...]
    shifts: Tensor
    place: int


class TokenTable(NamedTuple):
    """The tokens of a vocabulary in the coordinates of the levels' hidden maps.

    Attributes:
        keys: (S, R, C), U of the tokens, prompt by prompt: the real ones, or in the dense form
            K * L with zeros where there is none.
        offsets: (S, K, L), u0; the lowest finite number where there is no token, so that the
            softmax gives it no weight, and 0 in the first place of a prompt that has none.
        rows: (K, L) int, where a token lies among the R keys of a level; 0 where there is none.
        masks: (K, L) bool, True at real tokens.
        complete: whether every prompt has a token.
        values: what the expected keys are made of: ``keys``, or in the dense form (S, K * L,
            C + 8), keys with the constants of the readings behind them.
        copies: ``values`` in the types of maps that were asked for, see :meth:`values_in`.
        columns: (S, K * L, 1), the offsets.
        dense: whether every prompt has L rows of keys.
        single: whether every prompt has one token and no place for more.
        maps: the reading that gives the alignment maps.
        logits: the one that gives a head's logits, see :meth:`with_logits`.
    """

    keys: Tensor
    offsets: Tensor
    rows: Tensor
    masks: Tensor
    complete: bool
    values: Tensor
    copies: dict[torch.dtype, Tensor]
    columns: Tensor
    dense: bool
    single: bool
    maps: Reading
    logits: Reading | None = None

    def values_in(self, dtype: torch.dtype) -> Tensor:
        """``values`` in the type of the maps; converted once, not once an image."""
        if dtype == self.values.dtype:
            return self.values
        if dtype not in self.copies:
            self.copies[dtype] = self.values.to(dtype)
        return self.copies[dtype]

    def with_logits(self, terms: Sequence[tuple[float, float]]) -> 'TokenTable':
        """The table with a reading for logits; for a table that nothing was read of yet.

        Args:
            terms: per level c, by which the logits multiply the maps, and d, which they add.
        """
        factors, biases = (self.offsets.new_tensor(x)[:, None, None]
                           for x in zip(*terms, strict=True))
        shifts = biases + factors * self.maps.shifts
        if self.dense:
            self.values[..., OF_LOGITS - CONSTANTS] = shifts.flatten(1)
        return self._replace(logits=Reading(tuple(c for c, _ in terms), shifts, OF_LOGITS))


def embedding_map(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A (D, C) and b (D) of a 1x1 convolution followed by a norm with running statistics.

    Raises:
        ValueError: the convolution has no bias, or the norm no statistics.
    """
    if conv.bias is None or norm.running_mean is None or norm.running_var is None:
        raise ValueError('folding needs a convolution with a bias and a norm with running '
                         'statistics')
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    offset = (conv.bias - norm.running_mean) * factor + norm.bias
    return conv.weight[:, :, 0, 0] * factor[:, None], offset


@torch.no_grad()
def fold_tokens(
    embeddings: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]], txt_feats: Tensor, txt_masks: Tensor,
    dense: bool | None = None,
) -> TokenTable:
    """Tokens in the coordinates of the maps that the embeddings read.

    Args:
        embeddings: per level a 1x1 convolution from C to D channels, with bias, and the
            normalisation after it; its running statistics are used.
        txt_feats: (K, L, D) tokens.
        txt_masks: (K, L) bool, True at real tokens.
        dense: the form of the table; None: that of the device.
    """
    dense = txt_feats.is_cuda if dense is None else dense
    with torch.autocast(txt_feats.device.type, enabled=False):
        weights, constants = (
            torch.stack(x) for x in zip(*(embedding_map(*one) for one in embeddings), strict=True))
        tokens = txt_feats[txt_masks].to(weights.dtype)  # (R, D)
        shifts = constants.new_zeros(len(constants), *txt_masks.shape)
        shifts[:, txt_masks] = constants @ tokens.T
        absent = ~txt_masks
        absent[:, 0] &= txt_masks.any(1)
        offsets = shifts.masked_fill(absent, torch.finfo(shifts.dtype).min)
        rows = (txt_masks.flatten().cumsum(0) - 1).view_as(txt_masks).masked_fill(~txt_masks, 0)
        keys = values = tokens @ weights
        if dense:
            values = keys.new_zeros(*shifts.shape, keys.shape[2] + CONSTANTS)
            values[:, txt_masks, :-CONSTANTS] = keys
            values[..., OF_MAPS - CONSTANTS] = shifts
            values = values.flatten(1, 2)
            keys = values[..., :-CONSTANTS]
        complete = bool(txt_masks.any(1).all())
        return TokenTable(
            keys, offsets, rows, txt_masks, complete, values, {}, offsets.flatten(1)[..., None],
            dense, complete and txt_masks.shape[1] == 1,
            Reading((1.0,) * len(shifts), shifts, OF_MAPS))
