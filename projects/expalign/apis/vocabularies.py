"""Vocabularies by name: the classes of well-known data sets, as prompts."""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache

# Name of the vocabulary -> mmdet's data set whose metainfo lists the classes.
SOURCES = {'coco': 'CocoDataset', 'o365': 'Objects365V1Dataset', 'lvis': 'LVISV1Dataset'}
# What the data sets are called elsewhere, for suggestions.
_OTHER_NAMES = {'objects365': 'o365', 'object365': 'o365', 'obj365': 'o365', 'mscoco': 'coco',
                'coco2017': 'coco', 'coco80': 'coco', 'lvis1203': 'lvis', 'lvisv1': 'lvis'}
_CLOSE = 0.7  # of difflib's ratio: one letter of four that is wrong, or two in the wrong order


@cache
def named_vocabulary(name: str) -> tuple[str, ...]:
    """The prompts of a vocabulary, in the order of the data set's classes.

    ``'coco'`` has 80, ``'o365'`` (version 1) 365 and ``'lvis'`` (version 1) 1,203. Names are the
    data set's own without outer white space and with spaces for underscores; what LVIS writes in
    brackets stays, because it tells classes apart: 'bow (weapon)', 'bow (decorative ribbons)'.

    Raises:
        ValueError: there is no vocabulary of this name.
        ImportError: mmdet, which has the names, is not installed.
    """
    if name not in SOURCES:
        near = near_vocabulary(name)
        suggestion = f'; did you mean {near}?' if near else ''
        raise ValueError(f'no vocabulary named {name!r}: there are {", ".join(sorted(SOURCES))}'
                         f'{suggestion}')
    try:
        from mmdet import datasets
    except ImportError as error:
        raise ImportError(f'the names of {name} are read from mmdet, which cannot be imported '
                          f'({error}): write them to a .txt file, one a line') from error
    classes: Sequence[str] = getattr(datasets, SOURCES[name]).METAINFO['classes']
    return tuple(text.replace('_', ' ').strip() for text in classes)


def near_vocabulary(text: str) -> str | None:
    """The vocabulary that a text may have been meant to name, spelled another way; or None."""
    word = ''.join(letter for letter in text.lower() if letter.isalnum())
    known = {name: name for name in SOURCES} | _OTHER_NAMES
    close = get_close_matches(word, known, n=1, cutoff=_CLOSE)
    return known[close[0]] if close else None
