"""labelme: a JSON file an image, with shapes."""

import base64
import binascii
import io
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2

from expalign.datasets.formats.text_file import read_json
from expalign.limits import LimitExceeded
from expalign.utils.image_files import decode, read_head
from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .coordinates import ellipse, number_of, whole_of
from .json_kinds import LABELME, json_kind
from .label_files import image_folder, label_files
from .labelled import BadLabel, LabelledImage, LabelledObject, LabelSource
from .labelled_fit import extent
from .mask_crop import encoding_of_crop
from .split_names import grouped, split_of_folder

NO_AREA = {'line', 'linestrip', 'point', 'points'}
PLACEHOLDERS = {'__ignore__', '_background_'}  # in labelme's own example of a list of labels


def read_labelme(source: str | Path, images: str | Path | None = None,
                 only: Iterable[Path] | None = None) -> LabelSource:
    """Find the JSON files of a data set.

    Args:
        source: a folder with JSON files at any depth, or one of them.
        images: folder of the images; by default ``source``, or the one above where it
            has no image.
        only: the files that may be read; by default all below ``source``.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: there is no JSON file of labelme's.
    """
    root, files = label_files(source, ('.json',), only)
    if not files:
        raise ValueError(f"'{source}' has no JSON file: labelme writes one beside each image")
    splits: dict[str | None, list[Path]] = {}
    for path in files:
        splits.setdefault(split_of_folder(path, root), []).append(path)
    return LabelSource(LABELME, image_folder(root, images), {
        split: partial(_read_split, files=members) for split, members in grouped(splits).items()},
        files, {split: len(members) for split, members in grouped(splits).items()})


def _read_split(tally: Tally, files: list[Path]) -> Iterator[LabelledImage | BadLabel]:
    for path in files:
        try:
            content = read_json(str(path), what='annotation file')
            if json_kind(content) == LABELME:
                yield _image(content, path, tally)
            else:
                tally.note("JSON files left out: without 'shapes', so not labelme's", path)
        except LimitExceeded:
            raise
        except BadLabel as error:
            yield BadLabel(f"'{path}': {error}")
        except ValueError as error:
            yield BadLabel(str(error))


def _image(content: dict, path: Path, tally: Tally) -> LabelledImage:
    width, height = whole_of(content.get('imageWidth')), whole_of(content.get('imageHeight'))
    size = (width, height) if width and height and min(width, height) > 0 else None
    name = content.get('imagePath')
    names = [name] if isinstance(name, str) and name.strip() else []
    image = LabelledImage(str(path), path.parent, [*names, path.stem], size)
    image.content = _embedded(content.get('imageData'))
    groups: dict[tuple, LabelledObject] = {}
    for number, shape in enumerate(content['shapes'], 1):
        try:
            obj = _shape(shape, size, str(path), tally)
        except (BadLabel, OSError) as error:
            image.problems.append(f'shape {number}: {error}')
            continue
        if obj is None:
            continue
        group = shape.get('group_id')
        first = None if group is None else groups.setdefault((obj.name, str(group)), obj)
        if first is None or first is obj:
            image.objects.append(obj)
        else:
            tally.note('shapes joined with another of their group and label', path)
            _join(first, obj)
    return image


def _embedded(data: object) -> bytes | None:
    """The image file in ``imageData``; None if there is none."""
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data) or None
    except (binascii.Error, ValueError):
        return None


def _shape(shape: object, size: tuple[int, int] | None, where: str, tally: Tally
           ) -> LabelledObject | None:
    if not isinstance(shape, dict):
        raise BadLabel(f'must be an object, got {shown(shape)}')
    kind = shape.get('shape_type') or 'polygon'  # versions before 3.6 have polygons alone
    kind = kind if isinstance(kind, str) else shown(kind)
    label = shape.get('label')
    name = str(label) if isinstance(label, int | float) else label
    if not isinstance(name, str) or not name.strip():
        raise BadLabel("has no 'label'")
    if name in PLACEHOLDERS:
        tally.note(f'shapes left out: of the label {name}', where)
        return None
    if kind in NO_AREA:
        tally.note(f'shapes left out: a {kind} has no area', where)
        return None
    obj, points = LabelledObject(name, attributes=_attributes(shape)), _points(shape)
    if kind == 'rectangle' and len(points) >= 2:
        obj.box = _around(points)
    elif kind == 'mask' and len(points) == 2:
        obj.box = _around(points)
        obj.encoding = _mask(shape.get('mask'), obj.box, size)
    elif kind == 'circle' and len(points) == 2:
        (x, y), edge = points
        radius = math.hypot(edge[0] - x, edge[1] - y)
        obj.box = x - radius, y - radius, x + radius, y + radius
        obj.polygons = [ellipse(x, y, radius, radius)]
    elif kind in ('polygon', 'oriented_rectangle') and len(points) >= 3:
        obj.polygons = [[v for point in points for v in point]]
        if kind == 'oriented_rectangle':
            tally.note('rotated boxes: the upright box around them is taken', where)
            obj.box, obj.polygons = extent(obj), []
    elif kind == 'polygon':
        tally.note('shapes left out: an outline of less than three points', where)
        return None
    elif kind not in ('rectangle', 'mask', 'circle', 'oriented_rectangle'):
        tally.note(f'shapes left out: of the unknown kind {shown(kind)}', where)
        return None
    else:
        raise BadLabel(f'a {shown(kind)} does not have {len(points)} points')
    return obj


def _attributes(shape: dict) -> dict:
    flags = shape.get('flags')
    kept = {key: value for key, value in flags.items() if value} if isinstance(flags, dict) else {}
    text = shape.get('description')
    return kept | ({'description': text} if isinstance(text, str) and text else {})


def _points(shape: dict) -> list[tuple[float, float]]:
    points = shape.get('points')
    if not isinstance(points, list):
        raise BadLabel(f"'points' must be a list of (x, y), got {shown(points)}")
    pairs = []
    for point in points:
        pair = [number_of(v) for v in point] if isinstance(point, list) else []
        if len(pair) != 2 or None in pair:
            raise BadLabel(f"'points' must be a list of (x, y), got {shown(point)}")
        pairs.append((pair[0], pair[1]))
    return pairs


def _around(points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """The box around points, which were clicked in any order."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _mask(data: object, box: tuple[float, float, float, float], size: tuple[int, int] | None
          ) -> dict:
    """A COCO encoding of a mask shape: a PNG image of what lies in the box."""
    content = _embedded(data)
    head = None if content is None else read_head(io.BytesIO(content))
    if head is None:
        raise BadLabel("the 'mask' of a mask must be a PNG image in base64")
    if size is None:
        raise BadLabel("a mask needs 'imageWidth' and 'imageHeight'")
    if head.width > size[0] or head.height > size[1]:  # before it takes memory
        raise BadLabel('a mask is larger than its image')
    pixels = decode(content, cv2.IMREAD_GRAYSCALE)
    left, top = round(box[0]), round(box[1])
    # The corners may be half a pixel over the border.
    return encoding_of_crop(pixels[:size[1] - top, :size[0] - left] > 0, left, top, size)


def _join(first: LabelledObject, other: LabelledObject) -> None:
    """Make one object of two shapes of a group: as labelme's own converter does."""
    boxes = extent(first), extent(other)
    if first.encoding is None and other.encoding is None and first.polygons and other.polygons:
        first.polygons += other.polygons
    else:
        first.polygons, first.encoding = [], None
    first.box = (min(b[0] for b in boxes), min(b[1] for b in boxes),
                 max(b[2] for b in boxes), max(b[3] for b in boxes))
