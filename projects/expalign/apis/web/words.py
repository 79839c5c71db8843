"""What a visitor's words mean, how they were understood, and what may have been meant."""

import warnings
from collections.abc import Iterable
from difflib import get_close_matches

from expalign.apis.vocabularies import SOURCES, named_vocabulary, near_vocabulary
from expalign.structures.prompts import (
    check_everything,
    distinct_prompts,
    parse_prompts,
    prompt_key,
)

from . import limits
from .requests import Refused

EXAMPLE = 'Write what to search for, for example: a cat, a red chair'
ARTICLES = ('a ', 'an ', 'the ')
CLOSE = 0.79  # of difflib's ratio: a wrong letter of five
LETTERS = 5  # shorter words are near to too many others
MAX_HINTS = 5


def read_prompts(text: str) -> tuple[list[str], list[str]]:
    """The prompts of a text, each once, and notes on how it was read.

    Raises:
        Refused: there is none, or too many, one is too long, or all together are.
    """
    size, limit = len(text.encode(errors='surrogatepass')), limits.TEXT_BYTES.value
    if size > limit:
        raise Refused(400, f'The prompts have {size:,} bytes; {limit:,} are the limit')
    prompts: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter('always')
            prompts = distinct_prompts(parse_prompts(text))
        check_everything(prompts)
    except ValueError as error:
        raise Refused(400, str(error) if prompts else EXAMPLE) from error
    number, letters = limits.PROMPTS.value, limits.PROMPT_LETTERS.value
    longest = max(map(len, prompts))
    if len(prompts) > number or longest > letters:
        raise Refused(400, f'{len(prompts)} prompts, the longest of {longest} letters: the limits '
                           f'are {number} and {letters}')
    return prompts, [str(note.message) for note in notes]


def hints(prompts: list[str], missed: Iterable[str]) -> list[dict[str, str]]:
    """What may have been meant: a vocabulary by one word, known names by misspelled ones.

    Args:
        prompts: all of a search.
        missed: those of which nothing was found.

    Returns:
        ``prompt`` with ``vocabulary`` or ``better``, another spelling; a few at most.
    """
    if len(prompts) == 1 and (near := near_vocabulary(prompts[0])) is not None:
        return [dict(prompt=prompts[0], vocabulary=near)]
    known = {prompt_key(name): name for source in SOURCES for name in named_vocabulary(source)}
    found = []
    for prompt in missed:
        article = next((word for word in ARTICLES if prompt.lower().startswith(word)), '')
        name = prompt_key(prompt[len(article):])
        strange = len(name) >= LETTERS and name not in known
        close = get_close_matches(name, known, n=1, cutoff=CLOSE) if strange else []
        if close:
            found.append(dict(prompt=prompt, better=_article(article, close[0]) + close[0]))
        if len(found) == MAX_HINTS:
            break
    return found


def _article(article: str, name: str) -> str:
    if article.lower() not in ('a ', 'an '):
        return article
    return 'an ' if name[0] in 'aeiou' else 'a '
