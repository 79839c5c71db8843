"""A prompt without the words around its name: 'a photo of the horses' is 'horse'."""

from collections.abc import Callable

from .name_keys import singulars
from .prompt_frame import without_frame

LONGEST = 3
INNER = frozenset((
    'a', 'an', 'and', 'are', 'at', 'by', 'for', 'from', 'in', 'is', 'of', 'on', 'or', 'that', 'the',
    'to', 'under', 'with', 'without'))
# Of rare words: endings that are no plural's, and those of plurals with what they are without.
NO_ENDINGS = ('ss', 'us', 'is', 'as', 'os')
RARE_ENDINGS = (
    ('ches', 'ch'), ('shes', 'sh'), ('xes', 'x'), ('sses', 'ss'), ('ies', 'y'), ('s', ''))
SHORTEST_RARE = 5
# Words that have no singular, or one that means something else.
PAIRS = frozenset((
    'binoculars', 'chess', 'chips', 'crisps', 'dice', 'fries', 'gas', 'goggles', 'headphones',
    'jeans', 'lens', 'leggings', 'overalls', 'pajamas', 'pants', 'pliers', 'pyjamas', 'scales',
    'scissors', 'series', 'shears', 'skis', 'species', 'stairs', 'sunglasses', 'tennis', 'tights',
    'tongs', 'trousers', 'tweezers'))


def bare_prompt(text: str, is_word: Callable[[str], bool]) -> str:
    """:func:`without_frame` with the last word in the singular.

    That is a word that is known; or the word itself is not, and its ending tells.

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
    known = (word for word in singulars(last.lower()) if is_word(word))
    single = next(known, None) or (None if is_word(last.lower()) else rare_singular(last.lower()))
    return bare if single is None else before + blank + single


def rare_singular(word: str) -> str | None:
    """The singular of a word that is in no list, by its ending alone; None for what looks like one.
    """
    if len(word) < SHORTEST_RARE or word.endswith(NO_ENDINGS):
        return None
    return next((word.removesuffix(ending) + single for ending, single in RARE_ENDINGS
                 if word.endswith(ending)), None)
