"""Files in COCO's layout as they are found in a folder: which part each is, where its images are.

A file is used as it is. Only where its images have other names here (a path of another machine), or
the parts have different lists of categories, a copy with the right ones is written.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from expalign.datasets.class_names import clean_class_names, names_of_categories
from expalign.datasets.formats.coco_layout import check_layout, named_categories
from expalign.datasets.formats.fields import identifier
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.utils import finished_file
from expalign.utils.shown import shown

from .image_index import ImageIndex, SeveralImages
from .split_names import SPLITS, split_of_file, split_word

MAX_LISTED = 4  # files in a message


@dataclass
class CocoPart:
    """A part of a data set.

    Args:
        path: the annotation file.
        content: of the file.
        folder: of the images.
        names: new file names by the file's own, where they have to be others.
        missing: images of the file that are not there.
    """

    path: Path
    content: dict
    folder: Path
    names: dict[str, str]
    missing: int

    @property
    def used_ids(self) -> set:
        """Of the categories that have annotations."""
        return {identifier(a.get('category_id')) for a in self.content['annotations']}


def find_parts(contents: Mapping[Path, dict], root: Path, index: ImageIndex
               ) -> dict[str, CocoPart]:
    """The files of the data set by split, each with its images.

    Args:
        contents: of all files in COCO's layout below ``root``, by path.
        root: folder of the data set.
        index: its images.

    Raises:
        ValueError: a file is not in COCO's layout, several are for one split, none has a box, or
            none of a file's images is there.
    """
    files: dict[str | None, list[Path]] = {}
    for path, content in contents.items():
        check_layout(content, str(path))
        named_categories(content, AnnotationProblems(str(path)))  # refuses what training refuses
        if any('bbox' in annotation for annotation in content['annotations'][:100]):
            files.setdefault(split_of_file(path, root), []).append(path)
    if not files:
        raise ValueError(f"'{root}': no file in COCO's layout has a 'bbox' in its annotations")
    files = {split: _instances(paths) for split, paths in files.items()}
    files['train'] = [*files.pop(None, ()), *files.get('train', ())] or (
        files.pop(next(iter(files))) if len(files) == 1 else [])
    parts = {}
    for split in SPLITS:
        paths = files.get(split, [])
        if len(paths) > 1:
            listed = ', '.join(str(path.relative_to(root)) for path in paths[:MAX_LISTED])
            raise ValueError(
                f"'{root}' has {len(paths)} files in COCO's layout for {split!r} ({listed}): give "
                'one of them, or leave one in each of train, val and test')
        if paths:
            parts[split] = _part(paths[0], contents[paths[0]], split, index)
    if 'train' not in parts:
        raise ValueError(f"'{root}' has files in COCO's layout for {' and '.join(parts)}, and none "
                         'for training')
    return parts


def _instances(paths: list[Path]) -> list[Path]:
    """COCO's own folder has files of boxes, key points and captions side by side."""
    boxes = [path for path in paths if path.name.startswith('instances')]
    return boxes if len(boxes) == 1 else paths


def _part(path: Path, content: dict, split: str, index: ImageIndex) -> CocoPart:
    names = [image['file_name'] for image in content['images']
             if isinstance(image.get('file_name'), str)]
    if not names:
        raise ValueError(f"annotation file '{path}': it has annotations, and no image with a "
                         "'file_name'")
    folder, found = _folder(names, split, path, index)
    if found == len(names):
        return CocoPart(path, content, folder, {}, 0)
    places = {}
    for name in names:
        try:
            place = index.find(name, path.parent)
        except SeveralImages:
            place = None
        if place is not None:
            places[name] = place
    if not places:
        raise ValueError(f"annotation file '{path}': none of its {len(names)} images, such as "
                         f"{shown(names[0])}, is below '{index.root}' ({len(index.files)} images)")
    if len(places) == found:
        return CocoPart(path, content, folder, {}, len(names) - found)
    folder = Path(os.path.commonpath([place.parent for place in places.values()]))
    renamed = {name: place.relative_to(folder).as_posix() for name, place in places.items()}
    return CocoPart(path, content, folder, renamed, len(names) - len(places))


def _folder(names: list[str], split: str, path: Path, index: ImageIndex) -> tuple[Path, int]:
    """The folder below which most of the names are, and how many."""
    by_name: dict[str, list[str]] = {}
    for file in index.files:
        by_name.setdefault(file.name, []).append(file.as_posix())
    votes: Counter[str] = Counter()
    for name in names:
        plain = name.removeprefix('./')
        if plain and '..' not in plain.split('/') and not plain.startswith('/'):
            for file in by_name.get(plain.rpartition('/')[2], ()):
                if file.endswith(f'/{plain}'):
                    votes[file[:-len(plain) - 1]] += 1
    if not votes:
        return path.parent, 0

    def rank(folder: str) -> tuple:
        words = [split_word(part) for part in Path(folder).parts[-2:]]
        distance = len(Path(os.path.relpath(folder, path.parent)).parts)
        return votes[folder], split in words, -distance, folder

    best = max(votes, key=rank)
    return Path(best), votes[best]


def class_names(parts: Mapping[str, CocoPart]) -> tuple[str, ...]:
    """The classes of all parts: those of train first, in the order of the file.

    Raises:
        ValueError: there is none, or one has an empty name.
    """
    names: dict[str, None] = {}
    for part in parts.values():
        names |= dict.fromkeys(names_of_categories(part.content['categories'], part.used_ids))
    try:
        return clean_class_names(tuple(names))
    except ValueError as error:
        path = next(iter(parts.values())).path
        raise ValueError(f"annotation file '{path}', its categories: {error}") from error


def needs_copy(part: CocoPart, classes: tuple[str, ...]) -> bool:
    """Whether the file cannot be used as it is."""
    known = {category['name'].strip() for category in part.content['categories']}
    return bool(part.names) or not known.issuperset(classes)


def write_copy(part: CocoPart, classes: tuple[str, ...], path: Path) -> None:
    """The content with names of images that are right here, and with all categories."""
    content = dict(part.content)
    content['images'] = [image | {'file_name': part.names.get(
        image.get('file_name'), image.get('file_name'))} for image in content['images']]
    known = {category['name'].strip() for category in content['categories']}
    numbers = [identifier(c.get('id')) for c in content['categories']]
    as_text = any(isinstance(number, str) for number in numbers)
    next_number = 1 + max((n for n in map(_number, numbers) if n is not None), default=0)
    more = [{'id': str(i) if as_text else i, 'name': name} for i, name in enumerate(
        (name for name in classes if name not in known), next_number)]
    content['categories'] = [*content['categories'], *more]
    with finished_file(path) as temporary, open(temporary, 'w', encoding='utf-8') as file:
        json.dump(content, file)


def _number(value: int | str | None) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def counts(part: CocoPart) -> tuple[int, int, int]:
    """Numbers of images, boxes and outlines of a file, as it states them."""
    annotations = part.content['annotations']
    return (len(part.content['images']), len(annotations),
            sum(bool(annotation.get('segmentation')) for annotation in annotations))
