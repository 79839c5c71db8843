"""Bounded memory of encoded prompts."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from expalign.models.utils.own_lock import OwnLock


class CacheInfo(NamedTuple):
    """Counts since the encoder was built: prompts found, prompts encoded, prompts held, limit."""

    hits: int
    misses: int
    size: int
    max_size: int


class TokenCache:
    """Least-recently-used map from a prompt to where its tokens are, for several threads.

    Copies and pickles of a cache are empty: copies of a model (moving averages, published
    checkpoints) must not carry thousands of tensors that can be computed again.

    Args:
        max_size: Number of prompts it holds; 0 keeps nothing.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.hits = 0
        self.misses = 0
        self._rows: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = OwnLock()

    def __reduce__(self):
        return TokenCache, (self.max_size,)

    def get(self, prompts: Sequence[str]) -> dict[str, np.ndarray | None]:
        """Return the rows of distinct prompts' tokens, or None; either way they are counted."""
        with self._lock:
            found = {prompt: self._rows.get(prompt) for prompt in prompts}
            hits = [prompt for prompt, rows in found.items() if rows is not None]
            for prompt in hits:
                self._rows.move_to_end(prompt)
            self.hits += len(hits)
            self.misses += len(found) - len(hits)
            return found

    def put(self, prompt: str, rows: np.ndarray) -> np.ndarray | None:
        """Keep the rows of a prompt; return those of the longest unused one if it had to go."""
        with self._lock:
            self._rows[prompt] = rows
            return self._rows.popitem(last=False)[1] if len(self._rows) > self.max_size else None

    def clear(self) -> None:
        """Forget every prompt; the counts go on."""
        with self._lock:
            self._rows.clear()

    def info(self) -> CacheInfo:
        """Return the counts."""
        return CacheInfo(self.hits, self.misses, len(self._rows), self.max_size)
