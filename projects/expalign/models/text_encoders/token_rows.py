"""Tokens of many prompts in one tensor on a device, from which batches are gathered.

Axes: N prompts, L tokens of the longest of them, D token width, T tokens of several prompts.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from expalign.models.utils.own_lock import OwnLock
from expalign.models.utils.upload import upload

FIRST_ROWS = 1024


class TokenRows:
    """A table of tokens that grows; each prompt owns rows anywhere in it.

    Only new prompts are copied, and a batch is one gather. Row 0 is zero and belongs to none.
    Copies and pickles of a table are empty.

    Attributes:
        lock: to be held from the look-up of prompts until their tokens are gathered.
    """

    def __init__(self) -> None:
        self.lock = OwnLock()
        self.clear()

    def __reduce__(self):
        return TokenRows, ()

    def clear(self) -> None:
        """Forget every prompt, and give the memory back."""
        self._table: Tensor | None = None
        self._free: list[int] = []

    def add(self, tokens: Tensor, lengths: Sequence[int]) -> list[np.ndarray]:
        """Keep the tokens (T, D) of prompts of so many tokens each; the rows of every prompt."""
        missing = len(tokens) - len(self._free)
        if self._table is None or missing > 0:
            self._grow(tokens, max(missing, 0))
        rows = np.array(self._free[-len(tokens):], dtype=np.int64)
        del self._free[-len(tokens):]
        self._table.index_copy_(0, upload(rows, tokens.device), tokens)
        return np.split(rows, np.cumsum(lengths)[:-1])

    def free(self, rows: np.ndarray) -> None:
        """Give the rows of a prompt to others."""
        self._free += rows.tolist()

    def gather(self, rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """The tokens of N prompts; see :func:`gather_rows`."""
        return gather_rows(self._table, rows)

    def _grow(self, like: Tensor, missing: int) -> None:
        old = 0 if self._table is None else len(self._table)
        size = max(2 * old, old + missing, FIRST_ROWS) + (old == 0)
        table = like.new_zeros((size, like.shape[1]))
        if old:
            table[:old] = self._table
        self._table = table
        self._free = [*range(size - 1, max(old, 1) - 1, -1), *self._free]


def gather_rows(table: Tensor, rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Tokens (N, L, D), zero where masked, and masks (N, L) bool of N prompts.

    Args:
        table: (R, D), whose row 0 is zero.
        rows: of every prompt, in the table; never 0.
    """
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    index = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    index[np.arange(index.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    index = upload(index, table.device)
    return torch.nn.functional.embedding(index, table), index > 0
