"""Prompts with their tokens as one object that stands among other prompts."""

from collections.abc import Iterable

from .token_prompt import TokenPrompt


class PromptSet(tuple[TokenPrompt, ...]):
    """Prompts made of examples or trained, in order; a vocabulary like any other.

    It may stand wherever prompts do, alone or inside of a list beside words:
    ``expalign.detect(photo, ['cat', prompts])``.

    Args:
        prompts: K prompts.

    Raises:
        TypeError: one is a plain string, which has no tokens.
        ValueError: there is none.
    """

    def __new__(cls, prompts: Iterable[TokenPrompt]) -> 'PromptSet':
        """See the class."""
        self = super().__new__(cls, prompts)
        for prompt in self:
            if not isinstance(prompt, TokenPrompt):
                raise TypeError(f'{prompt!r} is a word: a set of prompts with tokens has no place '
                                'for it; put both in a list')
        if not self:
            raise ValueError('there is no prompt')
        return self

    @property
    def names(self) -> list[str]:
        """What results are labelled by."""
        return [str(prompt) for prompt in self]
