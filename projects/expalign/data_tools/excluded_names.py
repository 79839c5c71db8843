"""Names that a vocabulary of negatives must not have: those of evaluation sets, or a file's."""

from collections.abc import Iterable
from pathlib import Path

from expalign.datasets.formats.lvis_names import clean_lvis_names
from expalign.datasets.phrases import forms_of
from expalign.datasets.transforms.negative_vocabulary import load_phrases

from .coco_entries import read_categories

SETS = ('coco', 'lvis', 'objects365')


def names_of_set(source: str) -> list[str]:
    """The class names of a set of :data:`SETS`, or the names in a file.

    A file is a list of phrases (``.txt``, ``.json``, ``.npz``) or an annotation file with
    ``categories``.

    Raises:
        ValueError: neither a known set nor a file.
    """
    if source in SETS:
        from mmdet.datasets import CocoDataset, LVISV1Dataset, Objects365V1Dataset
        classes = {'coco': CocoDataset, 'lvis': LVISV1Dataset, 'objects365': Objects365V1Dataset}
        names = list(classes[source].METAINFO['classes'])
        return clean_lvis_names(names) if source == 'lvis' else names
    path = Path(source)
    if not path.is_file():
        raise ValueError(f'--exclude {source}: neither one of {", ".join(SETS)} nor a file')
    if path.suffix == '.json' and _starts_object(path):
        return list(read_categories(path).values())
    return load_phrases(path)


def _starts_object(path: Path) -> bool:
    with open(path, encoding='utf-8') as file:
        return file.read(64).lstrip().startswith('{')


def excluded_forms(sources: Iterable[str]) -> set[str]:
    """All forms of all names of some sets and files."""
    return forms_of(name for source in sources for name in names_of_set(source))
