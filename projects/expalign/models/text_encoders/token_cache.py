"""Bounded memory of encoded prompts."""

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor

from ..utils.own_lock import OwnLock


class CacheInfo(NamedTuple):
    """Counts since the encoder was built: prompts found, prompts encoded, prompts held, limit."""

    hits: int
    misses: int
    size: int
    max_size: int


class TokenCache:
    """Least-recently-used map from a prompt to its tokens, for several threads.

    Copies and pickles of a cache are empty: copies of a model (moving averages, published
    checkpoints) must not carry thousands of tensors that can be computed again.

    Args:
        max_size: Number of prompts it holds; 0 keeps nothing.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.hits = 0
        self.misses = 0
        self._tokens: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = OwnLock()

    def __reduce__(self):
        return TokenCache, (self.max_size,)

    def get(self, prompt: str) -> Tensor | None:
        """Return the (L, D) tokens of a prompt, or None; either way it is counted."""
        with self._lock:
            tokens = self._tokens.get(prompt)
            if tokens is None:
                self.misses += 1
            else:
                self.hits += 1
                self._tokens.move_to_end(prompt)
            return tokens

    def put(self, prompt: str, tokens: Tensor) -> None:
        """Keep the tokens of a prompt; the longest unused prompt goes when there is no room."""
        with self._lock:
            self._tokens[prompt] = tokens
            if len(self._tokens) > self.max_size:
                self._tokens.popitem(last=False)

    def clear(self) -> None:
        """Forget every prompt; the counts go on."""
        with self._lock:
            self._tokens.clear()

    def info(self) -> CacheInfo:
        """Return the counts."""
        return CacheInfo(self.hits, self.misses, len(self._tokens), self.max_size)
