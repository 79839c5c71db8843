"""Expectation alignment for inference, with everything folded that a vocabulary fixes.

The embedding that alignment reads is linear in the last hidden map X of its branch: a 1x1
convolution, then batch normalisation with running statistics, F = A X + b. So A can be moved to the
tokens, U = A^T T and u0 = <b, T>, once per vocabulary (:class:`~.token_table.TokenTable`); the
D-wide map F is never computed:

    scores = <mean X, U> + u0;  pi = softmax(scores / tau)
    EAM = <X, sum_l pi U> + sum_l pi u0                       (Eqs 1-4)

Nor need the maps be computed for what is linear in them. Logits, a factor c and a bias d of the
level away, are the same product with other constants, c <X, sum_l pi U> + sum_l pi (c u0 + d). So
alignment gives the factors of the product, :class:`FoldedMaps`, and who reads them says which of
the two it wants.

Means, scores and weights are in float32 whatever the type of the maps; they are small.

Axes: S levels, B images, K prompts, L tokens of the longest prompt, C width of X.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from .dense_expectation import dense_expectation, pooled_maps
from .token_table import Reading, TokenTable


class FoldedMaps(Sequence):
    """The alignment maps of a batch, per level (B, K, H_s, W_s), computed when they are asked for.

    Attributes:
        token_weights: (B, S, K, L) weights pi, float32.
    """

    def __init__(
        self, hidden: Sequence[Tensor], table: TokenTable, found: Tensor, token_weights: Tensor
    ) -> None:
        """Keep the factors; ``found`` are the shares of tokens, of a dense table expected rows."""
        self._hidden, self._table, self._found = hidden, table, found
        self.token_weights = token_weights

    def __len__(self) -> int:
        return len(self._hidden)

    def __getitem__(self, level):
        return tuple(self)[level]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._read(self._table.maps))

    def logits(self) -> tuple[Tensor, ...]:
        """Logits, per level (B, K, H_s, W_s), of a table that has a reading for them."""
        if self._table.logits is None:
            raise ValueError('the table has no reading for logits: TokenTable.with_logits')
        return self._read(self._table.logits)

    def of_table(self, table: TokenTable, tau: float = 1.0) -> 'FoldedMaps':
        """The maps of another vocabulary on the same hidden maps."""
        return folded_alignment(self._hidden, table, tau)

    def _read(self, reading: Reading) -> tuple[Tensor, ...]:
        found = []
        with _chosen_types(self._hidden[0]):
            prompts, shifts = self._expectation(reading)
            for x, own, shift, factor in zip(
                    self._hidden, prompts, shifts, reading.factors, strict=True):
                images, _, height, width = x.shape
                # The factor comes with the product, so that the result is written once.
                found.append(torch.baddbmm(shift, own, x.flatten(2), alpha=factor).view(
                    images, -1, height, width))
        return tuple(found)

    def _expectation(self, reading: Reading) -> tuple[Iterable[Tensor], Iterable[Tensor]]:
        """Per level the expected keys (B, K, C) and shifts (B or 1, K, 1), in the maps' type."""
        table, found, dtype = self._table, self._found, self._hidden[0].dtype
        width = table.keys.shape[2]
        if table.dense and not table.single:
            place = width + reading.place
            return found[..., :width].unbind(0), found[..., place:place + 1].unbind(0)
        values = table.values_in(dtype)
        if table.single:  # nothing to weigh
            keys = values[..., :width][:, None].expand(-1, len(self.token_weights), -1, -1)
            return keys.unbind(0), reading.shifts.to(dtype)[:, None].unbind(0)
        shifts = (found * reading.shifts).sum(dim=3)  # d without tokens
        bags = table.rows if len(found) == 1 else table.rows.repeat(len(found), 1)
        # A weighted sum of rows picked by index builds no (K, L, C) tensor. A generator: prompts
        # are made level by level, which keeps the peak of memory near that of the result.
        own = (F.embedding_bag(bags, rows, mode='sum',
                               per_sample_weights=pi.flatten(0, 1).to(dtype)
                               ).view(*pi.shape[:2], -1)
               for rows, pi in zip(values, self.token_weights.unbind(1), strict=True))
        return own, shifts[..., None].to(dtype).unbind(1)


def folded_alignment(
    hidden: Sequence[Tensor], table: TokenTable, tau: float = 1.0
) -> FoldedMaps:
    """Alignment of hidden maps with a vocabulary.

    Args:
        hidden: X of every level, (B, C, H_s, W_s).
        table: of the vocabulary, see :func:`fold_tokens`.
        tau: softmax temperature, > 0.
    """
    with _chosen_types(hidden[0]):
        if table.single:
            weights = found = table.offsets.new_ones(1).expand(
                len(hidden[0]), *table.offsets.shape)
        elif table.dense:
            weights, found = dense_expectation(hidden, table, tau)
        else:
            weights, found = _indexed_weights(hidden, table, tau)
    return FoldedMaps(hidden, table, found, weights)


def _chosen_types(hidden: Tensor) -> AbstractContextManager:
    """Autocast off: types are chosen here; it would convert the table once an image."""
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def _indexed_weights(
    hidden: Sequence[Tensor], table: TokenTable, tau: float
) -> tuple[Tensor, Tensor]:
    """By rows picked from the keys, so that absent tokens are never read: pi (B, S, K, L), twice.

    Of a prompt without tokens the first has zeros, the second shares that sum to one.
    """
    pooled = pooled_maps(hidden, table.keys.dtype)
    # With the keys in front, a large table is read twice as fast.
    scores = torch.bmm(table.keys, pooled.mT).index_select(1, table.rows.view(-1))
    scores = scores.view(*table.offsets.shape, -1).permute(3, 0, 1, 2) + table.offsets
    if tau != 1:
        scores = scores / tau
    # Over a short last axis torch takes ten times as long as over any other one.
    shares = scores.transpose(2, 3).softmax(dim=2).transpose(2, 3).contiguous()
    return shares if table.complete else shares * table.masks, shares
