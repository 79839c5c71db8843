"""A prompt without the words around its name: 'a photo of the horses' is 'horse'."""

from collections.abc import Callable

from .name_keys import singulars
from .prompt_frame import without_frame

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


def bare_prompt(text: str, is_word: Callable[[str], bool]) -> str:
    """:func:`without_frame` with the last word in the singular, where that is a word.

    It is for names. A phrase, of more than ``LONGEST`` words or with one of ``INNER`` in it, stays
    as it is: there an article changes little and belongs to the sentence that the encoder reads.

    Args:
        text: a prompt.
        is_word: whether letters are a word that a text encoder knows as one.
    """
    bare = ' '.join(without_frame(text.strip()).split())
    words = bare.lower().split()
    if len(words) > LONGEST or INNER.intersection(words):
        return text
    before, blank, last = bare.rpartition(' ')
    if not last.isalpha() or last.lower() in PAIRS:
        return bare
    single = next((word for word in singulars(last.lower()) if is_word(word)), None)
    return bare if single is None else before + blank + single
