"""A prompt without the words around its name: 'a photo of the horses' is 'horse'."""

import re
from collections.abc import Callable

_PHOTO = r'(?:photo|photograph|picture|image)'
_ARTICLE = r'(?:an?|the|some|any|this|that|these|those)\s+'
# What stands around a name and says nothing of it; each with the name as its group.
_FRAMES = tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in (
    rf'(?:{_ARTICLE})?{_PHOTO}\s+of\s+(.*\S)', r'there\s+(?:is|are)\s+(.*\S)',
    rf'(.*\S)\s+in\s+(?:the|this)\s+(?:{_PHOTO}|scene)'))
_WITH_ARTICLE = re.compile(rf'{_ARTICLE}(?=\S)', re.IGNORECASE)


def without_frame(text: str) -> str:
    """A prompt without the sentence around it and the article in front of it.

    What is within a phrase stays: 'there is a cat on a mat' is 'cat on a mat'.
    """
    while found := next(filter(None, (frame.fullmatch(text) for frame in _FRAMES)), None):
        text = found[1]
    return _WITH_ARTICLE.sub('', text, count=1) if _WITH_ARTICLE.match(text) else text


def bare_prompt(text: str, is_word: Callable[[str], bool]) -> str:
    """:func:`without_frame` with the last word in the singular, where that is a word.

    It is for names. A phrase, of more than ``LONGEST`` words or with one of ``INNER`` in it, stays
    as it is: there an article changes little and belongs to the sentence that the encoder reads.

    Args:
        text: a prompt.
        is_word: whether letters are a word that a text encoder knows as one.
    """
    from .name_keys import singulars  # which has the frames from here
    bare = ' '.join(without_frame(text.strip()).split())
    words = bare.lower().split()
    if len(words) > LONGEST or INNER.intersection(words):
        return text
    before, blank, last = bare.rpartition(' ')
    if not last.isalpha() or last.lower() in PAIRS:
        return bare
    single = next((word for word in singulars(last.lower()) if is_word(word)), None)
    return bare if single is None else before + blank + single


LONGEST = 3
INNER = frozenset((
    'a', 'an', 'and', 'are', 'at', 'by', 'for', 'from', 'in', 'is', 'of', 'on', 'or', 'that', 'the',
    'to', 'under', 'with', 'without'))
# Words that have no singular, or one that means something else.
PAIRS = frozenset((
    'binoculars', 'chess', 'chips', 'crisps', 'dice', 'fries', 'gas', 'goggles', 'headphones',
    'jeans', 'lens', 'leggings', 'overalls', 'pajamas', 'pants', 'pliers', 'pyjamas', 'scales',
    'scissors', 'series', 'shears', 'skis', 'species', 'stairs', 'sunglasses', 'tennis', 'tights',
    'tongs', 'trousers', 'tweezers'))
