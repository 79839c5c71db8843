"""YOLO's layout to COCO's: boxes, or polygons where the labels are outlines."""

import math
import os
import shutil
from pathlib import Path

from .coco_writer import coco_writer
from .image_size import image_size
from .outputs import progress
from .tally import Tally
from .yolo_layout import YoloLayout, label_file

BOX_VALUES = 4  # x centre, y centre, width, height, as shares of the image's sides
MIN_POLYGON_VALUES = 6
TOLERANCE = 1e-3  # rounding when labels were written
PLACES = ('link', 'copy', 'none')


def convert_yolo(layout: YoloLayout, output: str | Path, images: str = 'link') -> dict[str, Tally]:
    """Write ``output/annotations/SPLIT.json`` for every split, and ``output/SPLIT`` with images.

    Category ids are the YOLO numbers plus one. An image without a label file is a background
    image. A row of more than four numbers after the class is an outline; its box is the extent.

    Args:
        layout: what :func:`read_layout` found.
        output: folder to write.
        images: ``'link'``: ``output/SPLIT`` is a link to the folder of images; ``'copy'``: a copy
            of the images; ``'none'``: it is not made.

    Returns:
        What was read, written and left out, by split.

    Raises:
        FileExistsError: ``output/SPLIT`` exists and is something else.
        ValueError: a label that is not YOLO's; the message names the file and the line.
    """
    output = Path(output)
    tallies = {}
    for split, (folder, files) in layout.splits.items():
        _place_images(folder, files, output / split, images)
        tallies[split] = _convert_split(
            layout.names, folder, files, output / 'annotations' / f'{split}.json', split)
    return tallies


def _convert_split(names: dict[int, str], folder: Path, files: list[Path], path: Path,
                   split: str) -> Tally:
    tally = Tally()
    categories = [{'id': number + 1, 'name': name} for number, name in sorted(names.items())]
    with coco_writer(path, categories) as writer:
        for file in progress(files, split):
            try:
                width, height = image_size(file)
            except OSError:
                tally.note('images left out: missing or not readable', file)
                continue
            number = writer.num_images + 1
            name = file.relative_to(folder).as_posix()
            writer.add_image({'id': number, 'file_name': name, 'width': width, 'height': height})
            for annotation in _annotations(label_file(file), names, (width, height), tally):
                writer.add_annotation({**annotation, 'image_id': number})
        if not writer.num_images:
            raise ValueError(f'none of the {len(files)} images of {split!r} can be read, such as '
                             f"'{files[0]}'")
    tally.note('images written', count=writer.num_images)
    tally.note('annotations written', count=writer.num_annotations)
    if len(files) > 1 and not writer.num_annotations:
        raise ValueError(
            f"the {len(files)} images of {split!r} have no labels: they are expected in "
            f"'{label_file(files[0])}' for '{files[0]}'")
    return tally


def _annotations(path: Path, names: dict[int, str], size: tuple[int, int],
                 tally: Tally) -> list[dict]:
    """The annotations of one label file, without rows that occur twice."""
    if not path.is_file():
        tally.note('images without a label file', path)
        return []
    rows = [row for row in path.read_text(encoding='utf-8').splitlines() if row.strip()]
    if not rows:
        tally.note('images with an empty label file')
    annotations, seen = [], set()
    for index, row in enumerate(rows, 1):
        where = f'{path}, line {index}'
        number, values = _parse(row, names, where)
        if (number, *values) in seen:
            tally.note('labels left out: the same row twice', where)
            continue
        seen.add((number, *values))
        annotation = _annotation(number, values, size)
        if annotation is None:
            tally.note('labels left out: no area', where)
            continue
        tally.note('annotations with a polygon', count='segmentation' in annotation)
        annotations.append(annotation)
    return annotations


def _parse(row: str, names: dict[int, str], where: str) -> tuple[int, list[float]]:
    try:
        number, *values = map(float, row.split())
    except ValueError:
        raise ValueError(f'{where}: {row!r} is not a row of numbers') from None
    polygon = len(values) >= MIN_POLYGON_VALUES and len(values) % 2 == 0
    if len(values) != BOX_VALUES and not polygon:
        raise ValueError(f'{where}: {len(values) + 1} numbers; a row is the class and four numbers '
                         '(a box) or the class and three points or more (an outline)')
    if number not in names:
        raise ValueError(f'{where}: class {number:g} has no name; there are names for '
                         f'{min(names)} to {max(names)}')
    if not all(math.isfinite(v) and -TOLERANCE <= v <= 1 + TOLERANCE for v in values):
        raise ValueError(f'{where}: {row!r} has a value outside 0 to 1; YOLO labels are shares of '
                         "the image's width and height, not pixels")
    return int(number), values


def _annotation(number: int, values: list[float], size: tuple[int, int]) -> dict | None:
    """A COCO annotation, or None where the box has no area."""
    polygon = None
    width, height = size
    if len(values) == BOX_VALUES:
        x, y, w, h = values
        edges = [(x - w / 2) * width, (y - h / 2) * height,
                 (x + w / 2) * width, (y + h / 2) * height]
    else:
        polygon = [v * size[i % 2] for i, v in enumerate(values)]
        edges = [min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])]
    left, right = (min(max(v, 0.0), width) for v in edges[::2])
    top, bottom = (min(max(v, 0.0), height) for v in edges[1::2])
    if right <= left or bottom <= top:
        return None
    box = [round(v, 3) for v in (left, top, right - left, bottom - top)]
    annotation = {'category_id': number + 1, 'bbox': box, 'area': round(box[2] * box[3], 3),
                  'iscrowd': 0}
    if polygon is not None:
        annotation['area'] = round(_area(polygon), 3)
        annotation['segmentation'] = [[round(v, 3) for v in polygon]]
    return annotation


def _area(polygon: list[float]) -> float:
    """Area of a flat polygon (shoelace formula)."""
    xs, ys = polygon[::2], polygon[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def _place_images(folder: Path, files: list[Path], target: Path, how: str) -> None:
    if how == 'none' or target.resolve() == folder:
        return
    if target.is_symlink() or target.exists():
        raise FileExistsError(f"'{target}' exists: remove it, or give --images none")
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == 'link':
        os.symlink(folder, target, target_is_directory=True)
        return
    for file in progress(files, f'copy to {target.name}'):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
