"""Pascal VOC: an XML file an image, of any tool that writes them.

Besides the folders of the challenge (``Annotations``, ``JPEGImages``, ``ImageSets``), XML files
beside their images are read, also in folders for each split.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from expalign.limits import LIST_BYTES, LimitExceeded
from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .coordinates import number_of, rotated_extent, whole_of
from .label_files import image_folder, label_files
from .labelled import BadLabel, LabelledImage, LabelledObject, LabelSource
from .plain_text import read_text
from .split_names import grouped, split_of_folder
from .xml_file import child_text, children, root_of

ROOT = 'annotation'
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
LISTS = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
CHALLENGE = 'The VOC20'  # how <database> begins in the challenge's own files
FLAGS = ('difficult', 'truncated', 'occluded')


def read_voc(source: str | Path, images: str | Path | None = None,
             only: Iterable[Path] | None = None) -> LabelSource:
    """Find the XML files of a data set.

    Args:
        source: the data set's folder, or a folder of XML files.
        images: folder of the images; by default ``source``, or the one above where it has no image.
        only: the files that may be read; by default all below ``source``.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: there is no XML file of VOC's.
    """
    root, files = label_files(source, ('.xml',), only)
    if Path(source).is_file():
        raise ValueError(f"'{source}' is a file: Pascal VOC is a folder of XML files, one an image")
    roots = {path: root_of(path) for path in files}
    # Those that are no XML at all are a fault of the data set, not files of another kind.
    files = [path for path in files if roots[path] in (ROOT, None)]
    if ROOT not in roots.values():
        raise ValueError(f"'{source}' has no XML file whose root is <{ROOT}>, as Pascal VOC has")
    notes: list[str] = []
    splits = grouped(_splits(root, files, notes))
    return LabelSource('Pascal VOC', image_folder(root, images), {
        split: partial(_read_split, files=members) for split, members in splits.items()},
        files, {split: len(members) for split, members in splits.items()}, notes=notes)


def _splits(root: Path, files: list[Path], notes: list[str]) -> dict[str | None, list[Path]]:
    """By the lists in ``ImageSets``, where there are some; else by the names of folders."""
    splits: dict[str | None, list[Path]] = {}
    lists = {folder: _lists(folder) for folder in {path.parent.parent for path in files}}
    unlisted = 0
    for path in files:
        known = lists[path.parent.parent]
        if not known:
            splits.setdefault(split_of_folder(path, root), []).append(path)
            continue
        parts = [split for split, stems in known.items() if path.stem in stems]
        unlisted += not parts
        for split in parts[:1]:
            splits.setdefault(split, []).append(path)
    if unlisted:
        notes.append(f'{unlisted} annotation files are in no list of ImageSets (train, val, test) '
                     'and are left out')
    return splits


def _lists(folder: Path) -> dict[str, set[str]]:
    """The stems of each split's images, as ``ImageSets`` has them."""
    place = next((p for p in (folder / 'ImageSets' / 'Main', folder / 'ImageSets')
                  if p.is_dir() and any(p.glob('*.txt'))), None)
    if place is None:
        return {}
    lists = {}
    for split, names in LISTS.items():
        path = next((place / f'{name}.txt' for name in names if (place / f'{name}.txt').is_file()),
                    None)
        if path is None and split == 'train' and (place / 'trainval.txt').is_file():
            path = place / 'trainval.txt'
        if path is not None:
            words = [line.split() for line in read_text(path, LIST_BYTES).splitlines()]
            # The lists of one class have a second column: -1 where an image has none of it.
            lists[split] = {w for line in words if line for w in (line[0], Path(line[0]).stem)}
    return lists


def _read_split(tally: Tally, files: list[Path]) -> Iterator[LabelledImage | BadLabel]:
    for path in files:
        try:
            yield read_voc_file(path, tally)
        except LimitExceeded:
            raise
        except (BadLabel, OSError) as error:
            yield BadLabel(f"'{path}': {error}")


def read_voc_file(path: Path, tally: Tally) -> LabelledImage:
    """One file.

    Raises:
        BadLabel: it is no VOC file.
        LimitExceeded: it is larger or deeper than the limits allow.
    """
    image = LabelledImage(str(path), path.parent, [path.stem])
    challenge, folder, objects = False, '', []
    for element, line in children(path, ROOT):
        if element.tag in ('filename', 'path') and (element.text or '').strip():
            image.names.append(element.text.strip())
        elif element.tag == 'folder' and (element.text or '').strip():
            folder = element.text.strip() + '/'
        elif element.tag == 'size':
            image.size = _size(element)
        elif element.tag == 'source':
            challenge = child_text(element, 'database').startswith(CHALLENGE)
        elif element.tag == 'segmented' and (element.text or '').strip() == '1':
            tally.note('images whose masks in SegmentationObject are not read', path)
        elif element.tag == 'object':
            objects.append((element, line))
    image.names = [folder + image.names[0], *image.names[1:3]]
    for element, line in objects:
        try:
            image.objects.append(_object(element, challenge, str(path), tally))
        except BadLabel as error:
            image.problems.append(f'line {line}: {error}')
    if challenge:
        tally.note("files of the challenge itself, whose pixels count from 1: read so")
    return image


def _size(element: Element) -> tuple[int, int] | None:
    width, height = (whole_of(child_text(element, tag)) for tag in ('width', 'height'))
    return (width, height) if width and height and min(width, height) > 0 else None


def _object(element: Element, challenge: bool, where: str, tally: Tally) -> LabelledObject:
    name = child_text(element, 'name')
    obj = LabelledObject(name, attributes={
        flag: 1 for flag in FLAGS if child_text(element, flag).lower() in ('1', 'true', 'yes')})
    for flag in obj.attributes:
        tally.note(f'objects marked {flag}: kept', where)
    if element.find('part') is not None:
        tally.note('parts of objects left out', where, len(element.findall('part')))
    outline = element.find('polygon')
    if outline is not None:
        obj.polygons = [_polygon(outline)]
    box, rotated = element.find('bndbox'), element.find('robndbox')
    if box is not None:
        obj.box = _box(box, challenge)
    elif rotated is not None:
        obj.box, obj.attributes['rotation'] = _rotated(rotated)
        tally.note('rotated boxes: the upright box around them is taken', where)
    elif outline is None:
        raise BadLabel(f'the object {shown(name)} has no <bndbox>')
    return obj


def _box(element: Element, challenge: bool) -> tuple[float, float, float, float]:
    left, top, right, bottom = (_value(element, tag) for tag in CORNERS)
    return (left - challenge, top - challenge, right, bottom)


def _value(element: Element, tag: str) -> float:
    text = child_text(element, tag)
    value = number_of(text)
    if value is None:
        raise BadLabel(f'<{tag}> of <{element.tag}> must be a number, got {shown(text)}')
    return value


def _rotated(element: Element) -> tuple[tuple[float, float, float, float], float]:
    x, y, width, height, angle = (_value(element, tag) for tag in ('cx', 'cy', 'w', 'h', 'angle'))
    return rotated_extent(x, y, width, height, angle), angle


def _polygon(element: Element) -> list[float]:
    """Points as ``<pt><x><y>`` (LabelMe's web tool) or ``<x1><y1><x2>...`` (Roboflow)."""
    points = element.findall('pt')
    if points:
        return [_value(point, tag) for point in points for tag in ('x', 'y')]
    count = sum(child.tag[:1] == 'x' for child in element)
    return [_value(element, f'{axis}{i}') for i in range(1, count + 1) for axis in 'xy']
