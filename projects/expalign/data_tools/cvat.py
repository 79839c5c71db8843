"""CVAT for images 1.1: one XML file with all images."""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from expalign.utils.shown import shown
from expalign.utils.tally import Tally

from .coordinates import ellipse, number_of, rotated_extent, whole_of
from .label_files import image_folder, label_files
from .labelled import BadLabel, LabelledImage, LabelledObject, LabelSource
from .mask_crop import encoding_of_crop
from .split_names import grouped_files, split_of_file, split_word
from .xml_file import children, root_of

ROOT, CVAT = 'annotations', 'CVAT xml'
NO_AREA = {'points', 'polyline', 'tag', 'skeleton', 'cuboid'}


def read_cvat(source: str | Path, images: str | Path | None = None,
              only: Iterable[Path] | None = None) -> LabelSource:
    """Find the files of a data set: ``annotations.xml``, or one for each split.

    Args:
        source: a file, or a folder that has it at any depth.
        images: folder of the images; by default that of ``source``, or the one above
            where it has no image.
        only: the files that may be read; by default all below ``source``.

    Raises:
        FileNotFoundError: ``source`` does not exist.
        ValueError: there is no file of CVAT's, or it is one for videos.
    """
    root, files = label_files(source, ('.xml',), only)
    files = [path for path in files if root_of(path) == ROOT]
    if not files:
        raise ValueError(f"'{source}' has no XML file whose root is <{ROOT}>, as CVAT writes")
    splits: dict[str | None, list[tuple[Path, str | None]]] = {}
    names: list[str] = []
    for path in files:
        subsets = _overview(path, names)
        for subset in subsets or [None]:
            split = split_word(subset or '') or split_of_file(path, root)
            splits.setdefault(split, []).append((path, subset))
    return LabelSource(CVAT, image_folder(root, images), {
        split: partial(_read_split, parts=parts) for split, parts in grouped_files(splits).items()},
        files, names=names)


def _overview(path: Path, names: list[str]) -> list[str | None]:
    """The subsets that images of a file are of; adds the names of its labels."""
    subsets: dict[str | None, None] = {}
    try:
        for element, line in children(path, ROOT):
            if element.tag == 'meta':
                names += [text.strip() for label in element.iter('label')
                          if (text := label.findtext('name')) and text.strip()]
            elif element.tag == 'track':
                raise BadLabel(
                    f'line {line}: it is for videos (<track>). Export it as "CVAT for images 1.1", '
                    'which splits tracks into images')
            elif element.tag == 'image':
                subsets[element.get('subset') or None] = None
    except BadLabel as error:
        raise ValueError(f"annotation file '{path}': {error}") from None
    return list(subsets)


def _read_split(tally: Tally, parts: list[tuple[Path, str | None]]
                ) -> Iterator[LabelledImage | BadLabel]:
    for path, subset in parts:
        for element, line in children(path, ROOT):
            if element.tag == 'image' and (element.get('subset') or None) == subset:
                try:
                    yield _image(element, path, line, tally)
                except BadLabel as error:
                    yield BadLabel(f"'{path}', line {line}: {error}")


def _image(element: Element, path: Path, line: int, tally: Tally) -> LabelledImage:
    name = (element.get('name') or '').strip()
    if not name:
        raise BadLabel("an image without a 'name'")
    width, height = whole_of(element.get('width')), whole_of(element.get('height'))
    size = (width, height) if width and height and min(width, height) > 0 else None
    subset = element.get('subset')
    image = LabelledImage(f'{path}, line {line} ({shown(name)})', path.parent,
                          [f'{subset}/{name}' if subset else name], size)
    for number, shape in enumerate(element, 1):
        try:
            obj = _shape(shape, size, image.where, tally)
        except BadLabel as error:
            image.problems.append(f'shape {number} (<{shown(shape.tag)[1:-1]}>): {error}')
            continue
        image.objects += [] if obj is None else [obj]
    return image


def _shape(shape: Element, size: tuple[int, int] | None, where: str, tally: Tally
           ) -> LabelledObject | None:
    if shape.tag in NO_AREA:
        tally.note(f'shapes left out: <{shape.tag}> is no box and no outline', where)
        return None
    if shape.tag not in SHAPES:
        tally.note(f'shapes left out: of the unknown kind <{shown(shape.tag)[1:-1]}>', where)
        return None
    attributes = {key: value for key, value in shape.attrib.items()
                  if key in ('occluded', 'outside') and value == '1'}
    if attributes.pop('outside', None):
        tally.note("shapes left out: marked 'outside'", where)
        return None
    attributes |= {a.get('name', ''): (a.text or '').strip() for a in shape.iter('attribute')}
    obj = LabelledObject((shape.get('label') or '').strip(), attributes=attributes)
    SHAPES[shape.tag](obj, shape, size)
    angle = number_of(shape.get('rotation')) or 0.0
    if angle % 360 and obj.box is not None and not obj.polygons:
        left, top, right, bottom = obj.box
        obj.box = rotated_extent((left + right) / 2, (top + bottom) / 2, right - left,
                                 bottom - top, math.radians(angle))
        obj.attributes['rotation'] = angle
        tally.note('rotated boxes: the upright box around them is taken', where)
    return obj


def _numbers(shape: Element, *keys: str) -> list[float]:
    values = [number_of(shape.get(key)) for key in keys]
    if None in values:
        missing = [key for key, value in zip(keys, values, strict=True) if value is None]
        raise BadLabel(f'{", ".join(missing)} must be numbers, got '
                       f'{shown([shape.get(key) for key in missing])}')
    return values


def _box(obj: LabelledObject, shape: Element, size: tuple[int, int] | None) -> None:
    left, top, right, bottom = _numbers(shape, 'xtl', 'ytl', 'xbr', 'ybr')
    obj.box = left, top, right, bottom


def _ellipse(obj: LabelledObject, shape: Element, size: tuple[int, int] | None) -> None:
    x, y, x_radius, y_radius = _numbers(shape, 'cx', 'cy', 'rx', 'ry')
    angle = math.radians(number_of(shape.get('rotation')) or 0.0)
    obj.polygons = [ellipse(x, y, x_radius, y_radius, angle)]


def _polygon(obj: LabelledObject, shape: Element, size: tuple[int, int] | None) -> None:
    numbers = []
    for point in (shape.get('points') or '').split(';'):
        pair = [number_of(v) for v in point.split(',')]
        if len(pair) != 2 or None in pair:
            raise BadLabel(f"'points' must be x,y;x,y;..., got {shown(point)}")
        numbers += pair
    obj.polygons = [numbers]


def _mask(obj: LabelledObject, shape: Element, size: tuple[int, int] | None) -> None:
    """Runs along the rows of the mask's own box, background first."""
    if size is None:
        raise BadLabel("a mask needs the image's width and height")
    left, top, width, height = (whole_of(v) for v in _numbers(
        shape, 'left', 'top', 'width', 'height'))
    runs = [whole_of(v) for v in (shape.get('rle') or '').split(',')]
    if None in (left, top, width, height, *runs) or min(left, top, *runs) < 0:
        raise BadLabel("'rle', left, top, width and height must be whole numbers of 0 or more")
    if sum(runs) != width * height or left + width > size[0] or top + height > size[1]:
        raise BadLabel("the runs of 'rle' do not fill width x height inside of the image")
    values = np.arange(len(runs)) % 2 == 1
    obj.encoding = encoding_of_crop(np.repeat(values, runs).reshape(height, width), left, top, size)


SHAPES = {'box': _box, 'ellipse': _ellipse, 'polygon': _polygon, 'mask': _mask}
