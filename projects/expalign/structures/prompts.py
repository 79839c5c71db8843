"""What a user's text means: from strings and lists to the prompts of an image."""

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from .prompt_set import PromptSet
from .prompt_split import split_prompts
from .token_prompt import TokenPrompt

MAX_LISTED = 8
EVERYTHING = '*'  # as the only prompt: all names that a model has a table of


def parse_prompts(text: str | Sequence[str], custom_entities: bool = True) -> list[str]:
    """The prompts that a text stands for, stripped of outer white space.

    A list or tuple is the prompts themselves, and so are arrays and what else has an order. A
    string is a list of prompts, see :func:`split_prompts`; with ``custom_entities=False`` it is
    one prompt, as for mmdet's functions, whose default that is.

    Prompts may bring their tokens (:class:`~.token_prompt.TokenPrompt`): alone, or in the list, or
    as a :class:`~.prompt_set.PromptSet` in it. In such a list a word that is the name of one of
    them means that one.

    Args:
        text: list of K prompts, or a string.
        custom_entities: whether a string is split.

    Raises:
        TypeError: ``text`` is neither a string nor a sequence of strings.
        ValueError: there is no prompt, a prompt is only white space or no valid Unicode, or two of
            one name bring different tokens.
    """
    if isinstance(text, TokenPrompt):
        return [text]
    if isinstance(text, str):
        prompts = split_prompts(text) if custom_entities else [text]
    elif isinstance(text, Iterable) and not isinstance(
            text, bytes | bytearray | Mapping | set | frozenset):
        prompts = flattened(text)
    else:
        raise TypeError(f'prompts must be a string or a list of strings, got {type(text).__name__}')
    if not prompts:
        raise ValueError(f'no prompt in {text!r}: give at least one, e.g. "cat, dog" or ["cat"]')
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise TypeError(
                f'prompt {index} is {prompt!r} of type {type(prompt).__name__}, not a string')
        if not is_unicode(prompt):
            raise ValueError(f'prompt {index}, {prompt!r}, has characters that are no valid '
                             'Unicode: was it typed or stored in another encoding than UTF-8?')
        if not prompt.strip():
            raise ValueError(
                f'prompt {index} of {list(prompts)!r} is only white space: remove it or write a '
                'phrase that names what to find')
    return _words_as_tokens([
        prompt if isinstance(prompt, TokenPrompt) else prompt.strip() for prompt in prompts])


def flattened(prompts: Iterable[Any]) -> list[Any]:
    """A list of prompts, with the members of every :class:`~.prompt_set.PromptSet` in its place."""
    found: list[Any] = []
    for entry in prompts:
        found += entry if isinstance(entry, PromptSet) else [entry]
    return found


def _words_as_tokens(prompts: list[str]) -> list[str]:
    """The prompts, with tokens in place of a word where a prompt of this name brings them."""
    given: dict[str, TokenPrompt] = {}
    for prompt in prompts:
        if isinstance(prompt, TokenPrompt) and (
                given.setdefault(prompt_key(prompt), prompt) != prompt):
            raise ValueError(f'two prompts named {str(prompt)!r} bring different tokens (case and '
                             'white space do not count): give one of them another name')
    if not given:
        return prompts
    return [given.get(prompt_key(prompt), prompt) for prompt in prompts]


def asks_everything(prompts: str | Sequence[str]) -> bool:
    """Whether prompts stand for all names that a model knows: ``'*'`` alone."""
    only = [prompts] if isinstance(prompts, str) else prompts
    return (len(only) == 1 and isinstance(only[0], str) and not isinstance(only[0], TokenPrompt)
            and only[0].strip() == EVERYTHING)


def check_everything(prompts: Sequence[str]) -> list[str]:
    """A user's prompts, which are returned.

    Raises:
        ValueError: ``'*'``, which stands for everything, among others.
    """
    if len(prompts) > 1 and EVERYTHING in prompts:
        raise ValueError(f'{EVERYTHING!r} stands for everything that the model knows, and goes '
                         'with no other prompt: give it alone, or leave it out')
    return list(prompts)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8.

    JSON's escapes can spell half of a character, and a terminal's bytes of another encoding come as
    such halves; no tokenizer reads them.
    """
    try:
        text.encode('utf-8')
    except UnicodeEncodeError:
        return False
    return True


def prompt_key(prompt: str) -> str:
    """What is the same for spellings of one prompt: case and white space do not count."""
    return _key_of_name(str(prompt))  # tokens that a prompt brings are not kept here


@lru_cache(maxsize=20_000)
def _key_of_name(prompt: str) -> str:
    return ' '.join(unicodedata.normalize('NFC', prompt).casefold().split())


def key_of_sample(sample: Any) -> Callable[[str], str]:
    """How the prompts of a data sample, or of the dictionary made of it, are compared.

    A user's prompts are equal up to case and white space: those that come with
    ``custom_entities``, as inference functions and inferencers give them, and the vocabulary of a
    model. A data set's are its classes, each one its own: ODinW's boggleBoards has 'q' and 'Q'.
    """
    user = 'custom_entities' in sample or 'text' not in sample
    return prompt_key if user else str


def distinct_prompts(prompts: Sequence[str]) -> list[str]:
    """Each prompt once, in its first spelling."""
    first: dict[str, str] = {}
    for prompt in prompts:
        first.setdefault(prompt_key(prompt), prompt)
    return list(first.values())


def describe_prompts(prompts: Sequence[str]) -> str:
    """How a text was understood, in one line: ``3 prompts: a pizza | a bottle | a person``."""
    if asks_everything(prompts):
        return 'everything: the names that the model knows'
    listed = ' | '.join(prompts[:MAX_LISTED])
    more = f' | ... and {len(prompts) - MAX_LISTED} more' if len(prompts) > MAX_LISTED else ''
    return f'{len(prompts)} prompt{"s" if len(prompts) > 1 else ""}: {listed}{more}'


_warned_duplicates: set[str] = set()


def first_occurrences(
    prompts: Sequence[str], key: Callable[[str], str] = prompt_key
) -> list[int]:
    """For every prompt the index of the first equal one.

    Duplicates stay in the list, so that labels keep their meaning, but only the first of them
    is scored; a warning says so, once for each set of duplicated prompts.

    Args:
        prompts: K prompts.
        key: prompts of one key are equal; by default case and white space do not count.
    """
    first: dict[str, int] = {}
    indices = [first.setdefault(key(prompt), index) for index, prompt in enumerate(prompts)]
    if len(first) < len(prompts):
        repeated = sorted({prompts[i] for k, i in enumerate(indices) if i != k})
        message = f'duplicate prompts are scored once, under their first index: {repeated}'
        if message not in _warned_duplicates:
            _warned_duplicates.add(message)
            warnings.warn(message, stacklevel=2)
    return indices
