"""A prompt that brings its own tokens: made of examples or trained, and not of words."""

import hashlib
from typing import Any

import numpy as np


class TokenPrompt(str):
    """A name with the tokens that stand for it, wherever a prompt may stand.

    As a string it is its name, by which results are labelled. It is equal to prompts of the same
    name with the same tokens, and to no plain string: words and tokens of one name are two things.

    Args:
        name: what results are labelled by; outer white space does not count.
        tokens: (L, D), in the space of the text features that a model aligns images with.
        space: of which model's image side they are, see
            :func:`~expalign.models.prompt_fitting.space.prompt_space`; ``''`` where nobody knows.

    Attributes:
        tokens: (L, D) float32, not to be written to.
        space: see the argument.

    Raises:
        ValueError: the name is only white space, or the tokens are not such an array.
    """

    tokens: np.ndarray
    space: str
    _key: tuple[str, str]

    def __new__(cls, name: str, tokens: np.ndarray, space: str = '') -> 'TokenPrompt':
        """See the class."""
        self = super().__new__(cls, str(name).strip())
        if not str(self):
            raise ValueError('a prompt of tokens needs a name, by which results are labelled')
        tokens = np.array(tokens, dtype=np.float32)  # a copy
        if tokens.ndim != 2 or not tokens.size or not np.isfinite(tokens).all():
            raise ValueError(f'{str(self)!r}: its tokens must be finite numbers (L, D), got shape '
                             f'{tokens.shape}')
        tokens.flags.writeable = False
        self.tokens, self.space = tokens, space
        self._key = str(self), hashlib.sha256(
            repr(tokens.shape).encode() + tokens.tobytes()).hexdigest()
        return self

    @property
    def name(self) -> str:
        """The name as a plain string."""
        return str(self)

    def renamed(self, name: str) -> 'TokenPrompt':
        """The same tokens under another name."""
        return TokenPrompt(name, self.tokens, self.space)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenPrompt) and self._key == other._key

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenPrompt, (str(self), np.array(self.tokens), self.space)
