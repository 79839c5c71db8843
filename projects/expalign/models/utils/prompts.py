"""What a user's text means: from strings and lists to the prompts of an image."""

import warnings
from collections.abc import Sequence


def parse_prompts(text: str | Sequence[str], custom_entities: bool = False) -> list[str]:
    """The prompts that a text stands for, stripped of outer white space.

    A list or tuple is the prompts themselves. A string is split at '.' when ``custom_entities``
    is True (empty parts, such as the one behind a closing full stop, do not count) and is one
    prompt otherwise.

    Args:
        text: list of K prompts, or a string.
        custom_entities: whether '.' separates prompts in a string.

    Raises:
        TypeError: ``text`` is neither a string nor a sequence of strings.
        ValueError: there is no prompt, or a prompt is only white space.
    """
    if isinstance(text, str):
        prompts = text.split('.') if custom_entities else [text]
        if custom_entities:
            prompts = [prompt for prompt in prompts if prompt.strip()]
    elif isinstance(text, Sequence):
        prompts = list(text)
    else:
        raise TypeError(f'prompts must be a string or a list of strings, got {type(text).__name__}')
    if not prompts:
        raise ValueError(f'no prompt in {text!r}: give at least one, e.g. "cat . dog" or ["cat"]')
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise TypeError(
                f'prompt {index} is {prompt!r} of type {type(prompt).__name__}, not a string')
        if not prompt.strip():
            raise ValueError(
                f'prompt {index} of {list(prompts)!r} is only white space: remove it or write a '
                'phrase that names what to find')
    return [prompt.strip() for prompt in prompts]


_warned_duplicates: set[str] = set()


def first_occurrences(prompts: Sequence[str]) -> list[int]:
    """For every prompt the index of the first equal one.

    Duplicates stay in the list, so that labels keep their meaning, but only the first of them
    is scored; a warning says so, once for each set of duplicated prompts.
    """
    first: dict[str, int] = {}
    indices = [first.setdefault(prompt, index) for index, prompt in enumerate(prompts)]
    if len(first) < len(prompts):
        repeated = sorted({prompts[i] for k, i in enumerate(indices) if i != k})
        message = f'duplicate prompts are scored once, under their first index: {repeated}'
        if message not in _warned_duplicates:
            _warned_duplicates.add(message)
            warnings.warn(message, stacklevel=2)
    return indices
