"""Label files in YOLO's layout: where they are, and their rows as COCO annotations."""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from expalign.limits import LABEL_BYTES
from expalign.utils.links import is_link
from expalign.utils.tally import Tally

from .plain_text import read_text
from .yolo_images import files_below
from .yolo_layout import YoloLayout, YoloSplit
from .yolo_names import describe_numbers

BOX_VALUES = 4  # x centre, y centre, width, height, as shares of the image's sides
MIN_POLYGON_VALUES = 6
TOLERANCE = 1e-3  # rounding when labels were written
NO_LABELS = ('classes.txt',)


def label_file(image: Path, images: str = 'images', labels: str = 'labels') -> Path:
    """The label file of an image: the last folder ``images`` of its path becomes ``labels``."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == images:
            parts[index] = labels
            break
    return Path(*parts).with_suffix('.txt')


def _behind_links(image: Path) -> Path:
    return label_file(Path(os.path.realpath(image)))


def _beside(image: Path) -> Path:
    return image.with_suffix('.txt')


LABEL_PLACES = (label_file, partial(label_file, images='Images', labels='Labels'),
                partial(label_file, images='JPEGImages'),  # darknet on Pascal VOC
                _behind_links, _beside)


def label_place(files: Sequence[Path]) -> Callable[[Path], Path]:
    """What gives the label file of each image of a split.

    That is :func:`label_file`; if no image has one there, other names of the two folders, the same
    behind links, or beside the image.
    """
    for place in LABEL_PLACES:
        if any(place(file).is_file() for file in files):
            return place
    return label_file


def note_unused(layout: YoloLayout) -> None:
    """Count label files of which no split has the image, and images that share a label file."""
    places = {split: label_place(part.files) for split, part in layout.splits.items()}
    used, unused = set(), set()
    for split, part in layout.splits.items():
        labels = {places[split](file) for file in part.files}
        shared = len(part.files) - len(labels)
        if shared:
            layout.tallies[split].note('images that share the label file of another', count=shared)
        used |= labels
    for split, part in layout.splits.items():
        for file in _label_files(part, places[split]):
            if file not in used and file not in unused:
                unused.add(file)
                layout.tallies[split].note('label files without an image', file)


def _label_files(split: YoloSplit, place: Callable[[Path], Path]) -> list[Path]:
    """The label files of the folders of a split's images."""
    found = [file for root in split.roots for file in files_below(place(root / 'any').parent)]
    if not split.roots:
        folders = sorted({place(file).parent for file in split.files})
        found = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    return [file for file in found if file.suffix == '.txt' and file.name not in NO_LABELS
            and not file.name.startswith('.')]


class LabelReader:
    """Reads label files and keeps account of what they have.

    Args:
        layout: names and keypoints of the data set.
        tally: gets what is read and left out.
        max_bad: rows that are not YOLO's which are left out and counted; one more is an error.
    """

    def __init__(self, layout: YoloLayout, tally: Tally, max_bad: int = 0) -> None:
        self.names, self.keypoints = layout.names, layout.keypoints
        self.tally, self.max_bad = tally, max_bad
        self.files = self.bad = 0

    def annotations(self, path: Path, size: tuple[int, int]) -> list[dict]:
        """The annotations of one label file, without rows that occur twice.

        Args:
            path: the label file, which need not exist.
            size: (width, height) of the image in pixels.

        Raises:
            ValueError: the file is no text or a broken link, or a row is not YOLO's, and more than
                ``max_bad`` are not; the message has the file and the line.
        """
        if not path.exists():
            if is_link(path):
                raise ValueError(f"'{path}' is a link to a file that does not exist")
            self.tally.note('images without a label file', path)
            return []
        self.files += 1
        rows = [(number, row) for number, row in enumerate(
            read_text(path, LABEL_BYTES).splitlines(), 1) if row.strip()]
        if not rows:
            self.tally.note('images with an empty label file')
        annotations, seen = [], set()
        for number, row in rows:
            where = f'{path}, line {number}'
            parsed = self._parse(row, where)
            if parsed is None:
                continue
            if parsed in seen:
                self.tally.note('labels left out: the same row twice', where)
                continue
            seen.add(parsed)
            annotation = _annotation(*parsed, size)
            if annotation is None:
                self.tally.note('labels left out: no area', where)
                continue
            if 'segmentation' in annotation:
                self.tally.note('annotations with a polygon')
            annotations.append(annotation)
        return annotations

    def _parse(self, row: str, where: str) -> tuple[int, tuple[float, ...]] | None:
        """Class and values of a row; None where it is bad and that is allowed."""
        try:
            number, values = parse_row(row, self.names, self.keypoints)
        except ValueError as error:
            self.bad += 1
            if self.bad > self.max_bad:
                raise ValueError(f'{where}: {error} (--max-bad N leaves out up to N such rows)'
                                 ) from None
            self.tally.note('labels left out: not in YOLO layout', f'{where}: {error}')
            return None
        if self.keypoints and len(values) > BOX_VALUES:
            self.tally.note('labels whose keypoints are left out')
            values = values[:BOX_VALUES]
        return number, tuple(values)


def parse_row(row: str, names: dict[int, str], keypoints: int = 0) -> tuple[int, list[float]]:
    """A class number and the values behind it.

    Raises:
        ValueError: it is no row of YOLO's; the message has neither file nor line.
    """
    shown = row if len(row) <= 80 else f'{row[:80]}...'
    try:
        number, *values = (float(word) for word in row.split())
    except ValueError:
        raise ValueError(f'{shown!r} is not a row of numbers') from None
    if keypoints:
        known = len(values) in (BOX_VALUES, BOX_VALUES + keypoints)
        form = f'four numbers (a box), and for its keypoints {keypoints} more or none'
    else:
        known = len(values) == BOX_VALUES or (
            len(values) >= MIN_POLYGON_VALUES and len(values) % 2 == 0)
        form = 'four numbers (a box) or the class and three points or more (an outline)'
    if not known or '_' in row:
        raise ValueError(f'{len(values) + 1} numbers; a row is the class and {form}')
    if number not in names:
        raise ValueError(f'class {number:g} has no name; there are names for '
                         f'{describe_numbers(names)}')
    # Keypoints may lie outside and are not used.
    checked = values[:BOX_VALUES] if keypoints else values
    if not all(math.isfinite(v) and -TOLERANCE <= v <= 1 + TOLERANCE for v in checked):
        raise ValueError(f'{shown!r} has a value outside 0 to 1; YOLO labels are shares of the '
                         "image's width and height, not pixels")
    return int(number), values


def _annotation(number: int, values: Sequence[float], size: tuple[int, int]) -> dict | None:
    """A COCO annotation, or None where it has no area."""
    polygon = None
    width, height = size
    if len(values) == BOX_VALUES:
        x, y, w, h = values
        edges = [(x - w / 2) * width, (y - h / 2) * height,
                 (x + w / 2) * width, (y + h / 2) * height]
    else:
        polygon = [min(max(v, 0.0), 1.0) * size[i % 2] for i, v in enumerate(values)]
        edges = [min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])]
    left, right = (min(max(v, 0.0), width) for v in edges[::2])
    top, bottom = (min(max(v, 0.0), height) for v in edges[1::2])
    box = [round(v, 3) for v in (left, top, right - left, bottom - top)]
    area = box[2] * box[3] if polygon is None else polygon_area(polygon)
    if min(box[2], box[3]) <= 0 or round(area, 3) <= 0:
        return None
    annotation = {'category_id': number + 1, 'bbox': box, 'area': round(area, 3), 'iscrowd': 0}
    if polygon is not None:
        annotation['segmentation'] = [[round(v, 3) for v in polygon]]
    return annotation


def polygon_area(polygon: list[float]) -> float:
    """Area of a flat polygon (shoelace formula)."""
    xs, ys = polygon[::2], polygon[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2
