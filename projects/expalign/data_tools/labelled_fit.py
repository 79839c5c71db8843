"""From what an annotation says to pixels of the image: its size, and its objects inside of it."""

import io
import math
from pathlib import Path

import pycocotools.mask as coco_mask

from expalign.utils.image_files import read_head
from expalign.utils.tally import Tally

from .image_size import image_size
from .labelled import LabelledImage, LabelledObject
from .yolo_labels import polygon_area

BORDER = 1.0  # pixels over the border of an image that are rounding
OTHER_SIZE = 'images left out: of another size than annotated'


def fitted_size(image: LabelledImage, path: Path, tally: Tally
                ) -> tuple[tuple[int, int], tuple[float, float]] | None:
    """The (width, height) in which an image is to be loaded, and the scale of its annotation.

    Args:
        image: with the annotated size, if there is one.
        path: the image's file.
        tally: gets every case in which the two sizes differ.

    Returns:
        None where the annotation does not fit the image.

    Raises:
        OSError: the file is no image that training reads.
    """
    size, scale = image_size(path), (1.0, 1.0)
    annotated = image.size
    if image.shares:
        return size, size
    if annotated is None or min(annotated) <= 0:
        tally.note('sizes that the annotation does not have, taken from the image', image.where)
    elif annotated == size:
        pass
    elif annotated == _stored_size(path):
        # The loader turns an image only where the annotation is of the turned one.
        tally.note('images annotated as stored, before the turn that their EXIF data asks for',
                   image.where)
        size = annotated
    elif not image.objects or _inside(image, size) and (
            annotated == size[::-1] or not _inside(image, annotated)):
        tally.note('sizes that are wrong in the annotation, taken from the image', image.where)
    elif _inside(image, annotated) and _same_form(annotated, size):
        tally.note('images that were resized after they were annotated: boxes resized, too',
                   image.where)
        scale = size[0] / annotated[0], size[1] / annotated[1]
    else:
        tally.note(OTHER_SIZE, f'{image.where}: {annotated[0]} x {annotated[1]}, {path.name} is '
                   f'{size[0]} x {size[1]}')
        return None
    return size, scale


def _stored_size(path: Path) -> tuple[int, int] | None:
    with open(path, 'rb') as file:
        head = read_head(io.BufferedReader(file))
    return None if head is None else head.stored_size


def _same_form(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, up to a pixel of rounding."""
    return abs(first[0] * second[1] - first[1] * second[0]) <= max(*first, *second)


def _inside(image: LabelledImage, size: tuple[int, int]) -> bool:
    for obj in image.objects:
        left, top, right, bottom = extent(obj)
        if min(left, top) < -BORDER or right > size[0] + BORDER or bottom > size[1] + BORDER:
            return False
    return True


def extent(obj: LabelledObject) -> tuple[float, float, float, float]:
    """The box of an object: its own, or that of its outline or mask."""
    if obj.box is not None:
        return obj.box
    if obj.encoding is not None:
        x, y, width, height = coco_mask.toBbox(obj.encoding).tolist()
        return x, y, x + width, y + height
    xs = [x for polygon in obj.polygons for x in polygon[::2]]
    ys = [y for polygon in obj.polygons for y in polygon[1::2]]
    return (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 0.0, 0.0)


def coco_annotation(obj: LabelledObject, size: tuple[int, int], scale: tuple[float, float],
                    where: str, tally: Tally) -> dict | None:
    """COCO's ``bbox``, ``area``, ``segmentation``, ``iscrowd`` and ``attributes`` of an object.

    Args:
        obj: with finite numbers.
        size: (width, height) of the image.
        scale: of the annotation's numbers to pixels, in x and y.
        where: the image, for the tally.
        tally: gets what is cut or left out.

    Returns:
        None where there is nothing of it in the image.
    """
    corners = extent(obj)
    x_scale, y_scale = scale
    edges = [v * s for v, s in zip(corners, scale * 2, strict=True)]
    left, right = sorted((edges[0], edges[2]))
    top, bottom = sorted((edges[1], edges[3]))
    if (left, top) != (edges[0], edges[1]):
        tally.note('boxes whose corners were exchanged', where)
    if left >= size[0] or top >= size[1] or right <= 0 or bottom <= 0:
        tally.note('objects left out: outside of the image' if right > left and bottom > top
                   else 'objects left out: no area', where)
        return None
    if max(-left, -top, right - size[0], bottom - size[1]) > BORDER:
        tally.note('boxes cut at the border of the image', where)
    left, right = (min(max(v, 0.0), size[0]) for v in (left, right))
    top, bottom = (min(max(v, 0.0), size[1]) for v in (top, bottom))
    box = [round(v, 3) for v in (left, top, right - left, bottom - top)]
    polygons = [cut for polygon in obj.polygons
                if (cut := _cut(polygon, size, scale)) is not None]
    if len(polygons) < len(obj.polygons):
        tally.note('outlines left out: no area', where)
    area = sum(map(polygon_area, polygons)) or box[2] * box[3]
    if min(box[2], box[3]) <= 0 or (obj.polygons and not polygons and obj.box is None):
        tally.note('objects left out: no area', where)
        return None
    annotation = {'bbox': box, 'area': round(area, 3), 'iscrowd': int(obj.crowd)}
    if polygons:
        annotation['segmentation'] = polygons
    elif obj.encoding is not None and (x_scale, y_scale) == (1.0, 1.0):
        annotation.update(segmentation=obj.encoding, area=float(coco_mask.area(obj.encoding)))
    elif obj.encoding is not None:
        tally.note('masks left out: the image was resized (the box stays)', where)
    if obj.attributes:
        annotation['attributes'] = obj.attributes
    return annotation


def _cut(polygon: list[float], size: tuple[int, int], scale: tuple[float, float]
         ) -> list[float] | None:
    """An outline in pixels inside of the image; None where no area is left."""
    cut = [round(min(max(v * scale[i % 2], 0.0), size[i % 2]), 3) for i, v in enumerate(polygon)]
    return cut if len(cut) >= 6 and round(polygon_area(cut), 3) > 0 else None


def number_fault(obj: LabelledObject) -> str | None:
    """Why an object's numbers are no place in an image, or None."""
    numbers = [*(obj.box or ()), *(v for polygon in obj.polygons for v in polygon)]
    if not all(math.isfinite(v) for v in numbers):
        return 'has a coordinate that is no finite number'
    return None if numbers or obj.encoding else 'has neither a box nor an outline'
