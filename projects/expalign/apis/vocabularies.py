"""Vocabularies by name: the classes of well-known data sets, as prompts."""

from collections.abc import Sequence
from functools import cache

# Name of the vocabulary -> mmdet's data set whose metainfo lists the classes.
SOURCES = {'coco': 'CocoDataset', 'o365': 'Objects365V1Dataset', 'lvis': 'LVISV1Dataset'}


@cache
def named_vocabulary(name: str) -> tuple[str, ...]:
    """The prompts of a vocabulary, in the order of the data set's classes.

    ``'coco'`` has 80, ``'o365'`` (version 1) 365 and ``'lvis'`` (version 1) 1,203. Names are the
    data set's own without outer white space and with spaces for underscores; what LVIS writes in
    brackets stays, because it tells classes apart: 'bow (weapon)', 'bow (decorative ribbons)'.

    Raises:
        ValueError: there is no vocabulary of this name.
    """
    if name not in SOURCES:
        raise ValueError(f'no vocabulary named {name!r}: there are {", ".join(sorted(SOURCES))}')
    from mmdet import datasets
    classes: Sequence[str] = getattr(datasets, SOURCES[name]).METAINFO['classes']
    return tuple(text.replace('_', ' ').strip() for text in classes)
