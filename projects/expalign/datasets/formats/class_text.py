"""Names with synonyms in YOLO-World's form: a JSON list of lists, one for each class."""

from collections.abc import Sequence

from expalign.datasets.phrases import plain
from expalign.structures.prompts import is_unicode

from .text_file import read_json


def read_class_text(path: str, classes: Sequence[str] | None = None) -> list[str | list[str]]:
    """The prompts of each class: a name, or a list of a name and its synonyms.

    Args:
        path: JSON ``[[name, synonym, ...], ...]``; a bare string stands for a list of one.
        classes: the class names that the entries belong to, in this order.

    Raises:
        ValueError: the file is not in this form, has another number of entries than there are
            classes, or has the name of a class at another place than its own.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise ValueError(f"file '{path}' must be a JSON list of lists of names, one list a class")
    entries = [_names(entry, f"file '{path}', entry {i}") for i, entry in enumerate(content)]
    if classes is not None:
        _check_classes(entries, classes, path)
    return [entry[0] if len(entry) == 1 else entry for entry in entries]


def _names(entry: object, where: str) -> list[str]:
    names = [entry] if isinstance(entry, str) else entry
    if not isinstance(names, list) or not names or not all(
            isinstance(name, str) and name.strip() and is_unicode(name) for name in names):
        raise ValueError(f'{where} must be a list of names that are not empty, got {entry!r}')
    return list(dict.fromkeys(' '.join(name.split()) for name in names))


def _check_classes(entries: list[list[str]], classes: Sequence[str], path: str) -> None:
    if len(entries) != len(classes):
        raise ValueError(f"file '{path}' has names for {len(entries)} classes, the data set has "
                         f'{len(classes)}: entry i must belong to class i')
    places = {}
    for index, entry in enumerate(entries):
        for name in entry:
            places.setdefault(plain(name), []).append(index)
    for index, name in enumerate(classes):
        found = places.get(plain(name), [index])
        if index not in found:
            raise ValueError(
                f"file '{path}' has the name of class {index}, {name!r}, in entry {found[0]}: "
                "entry i must belong to class i, in the order of the data set's classes")
