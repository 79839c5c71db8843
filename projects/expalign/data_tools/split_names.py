"""Which part of a data set a folder or file is for, by its name."""

import re
from pathlib import Path, PurePath

SPLITS = {
    'train': {'train', 'training', 'trn', 'trainval', 'trainset'},
    'val': {'val', 'valid', 'validation', 'dev', 'eval', 'valset'},
    'test': {'test', 'testing', 'tst', 'testset'}}
# What stands beside the word in names of folders.
PLAIN = {'', 'set', 'data', 'images', 'image', 'img', 'imgs', 'labels', 'label', 'annotations',
         'annotation', 'ann', 'anns', 'xml', 'json', 'csv', 'split', 'boxes', 'bbox', 'zip'}


def split_word(name: str) -> str | None:
    """``'train'``, ``'val'`` or ``'test'`` where the name is that of a part in any usual form."""
    words = set(re.split(r'[^a-z]+', name.lower()))
    found = [split for split, known in SPLITS.items() if words & known]
    return found[0] if len(found) == 1 else None


def split_of_file(path: Path, root: Path) -> str | None:
    """The part that a file of a whole part belongs to: by its own name, then by its folders'."""
    return split_word(path.stem) or split_of_folder(path, root)


def split_of_folder(path: Path, root: Path) -> str | None:
    """The part that a file of one image belongs to, by the names of its folders below ``root``.

    A folder counts only where its name says nothing else: 'test tubes' is no test split.
    """
    known = PLAIN.union(*SPLITS.values())
    for part in reversed(PurePath(path).relative_to(root).parts[:-1]):
        if set(re.split(r'[^a-z]+', part.lower())) <= known and split_word(part):
            return split_word(part)
    return None


def grouped_files(splits: dict[str | None, list[tuple[Path, object]]]) -> dict[str, list]:
    """:func:`grouped` of files that each hold a whole part, in front of what is in them.

    Raises:
        ValueError: beside a file for training there is one whose name says no part: it may well be
            all of the data, validation included.
    """
    if None in splits and 'train' in splits:
        other, train = splits[None][0][0], splits['train'][0][0]
        raise ValueError(f"'{other}' is for no part by its name, beside '{train}': give one file, "
                         'or leave one for each of train, val and test')
    return grouped(splits)


def grouped(splits: dict[str | None, list]) -> dict[str, list]:
    """The parts in their order; what belongs to none is for training, and so is a lone part."""
    named = {split: list(splits.get(split, ())) for split in SPLITS}
    named['train'] = [*splits.get(None, ()), *named['train']]
    found = {split: items for split, items in named.items() if items}
    return {'train': next(iter(found.values()))} if len(found) == 1 else found
