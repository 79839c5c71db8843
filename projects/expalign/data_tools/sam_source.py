"""Boxes that want a mask, and the way of masks back into a copy of the file they came from.

Both layouts give the same thing: images in the file's order, each with a list of slots; a slot is
one box. The order is the same on every reading, so the position of an image and of a slot is what
results are filed under.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expalign.datasets.formats.fields import flag
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.datasets.formats.record import image_size, is_usable_box, xyxy
from expalign.datasets.formats.text_file import read_json_lines
from expalign.structures.instance_polygons import MIN_COORDINATES
from expalign.utils.progress import progress
from expalign.utils.tally import Tally

from .coco_stream import field, stream
from .coco_writer import coco_writer
from .file_names import check_inside
from .grouping import images_with_annotations
from .odvg_writer import odvg_writer

FindMask = Callable[[int, int], dict | None]


@dataclass
class BoxedImage:
    """One image of a source.

    Args:
        index: position in the source.
        file_name: path below the folder of images.
        size: (height, width) by the annotations.
        boxes: (n, 4) xyxy, cut at the image's border.
        slots: (n,) position of each box among all of the image; boxes without an area, of crowds,
            and with a mask already are not in it.
    """

    index: int
    file_name: str
    size: tuple[int, int]
    boxes: np.ndarray
    slots: list[int]


def is_odvg(path: str | Path) -> bool:
    """Whether a file is JSON lines, by its name."""
    return Path(path).suffix in ('.jsonl', '.odvg')


def boxed_images(path: str | Path, tally: Tally,
                 allow_outside: bool = False) -> Iterator[BoxedImage]:
    """All images of an ODVG or COCO file.

    Raises:
        ValueError: the file is not in its format, or a file name leads out of the folder of images
            and that is not allowed.
    """
    problems = AnnotationProblems(str(path))
    read = _odvg_items if is_odvg(path) else _coco_items
    for index, (file_name, size, items) in enumerate(read(path, tally)):
        check_inside(file_name, path, allow_outside)
        boxes, slots = [], []
        for slot, (bbox, done) in enumerate(items):
            if done:
                tally.note('boxes that have a mask already, or are of a crowd')
            elif is_usable_box(bbox, size, problems, f"image '{file_name}'"):
                boxes.append(bbox)
                slots.append(slot)
        array = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        array[:, ::2] = array[:, ::2].clip(0, size[1])
        array[:, 1::2] = array[:, 1::2].clip(0, size[0])
        yield BoxedImage(index, file_name, size, array, slots)
    tally.note_left_out(problems.counts)


def has_segmentation(annotation: dict) -> bool:
    """Whether a COCO annotation has a mask: a polygon of three points, or an encoding."""
    segmentation = annotation.get('segmentation')
    if isinstance(segmentation, dict):
        return bool(segmentation.get('counts'))
    return isinstance(segmentation, list) and any(
        isinstance(p, list) and len(p) >= MIN_COORDINATES for p in segmentation)


def _coco_items(path: str | Path, tally: Tally) -> Iterator[tuple]:
    fields = ('bbox', 'iscrowd', 'segmentation')
    for image, annotations in images_with_annotations(path, tally, annotation_fields=fields):
        items = [(xyxy(a.get('bbox')), flag(a.get('iscrowd')) != 0 or has_segmentation(a))
                 for a in annotations]
        where = f"annotation file '{path}', image {image['id']!r}"
        yield field(image, 'file_name', path, 'image'), image_size(image, where), items


def _odvg_items(path: str | Path, tally: Tally) -> Iterator[tuple]:
    for number, line in read_json_lines(str(path)):
        tally.note('images read')
        where = f"annotation file '{path}', line {number}"
        try:
            slots = list(_odvg_slots(line))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f'{where} is no ODVG record: {type(error).__name__}: {error}'
                             ) from error
        yield field(line, 'filename', path, 'line'), image_size(line, where), slots


def _odvg_slots(record: dict) -> Iterator[tuple[list, bool]]:
    if 'detection' in record:
        for item in record['detection']['instances']:
            yield item['bbox'], flag(item.get('iscrowd')) != 0 or bool(_known_mask(item))
        return
    for region in record['grounding']['regions']:
        crowd = flag(region.get('iscrowd')) != 0
        if region['bbox'] and isinstance(region['bbox'][0], list):
            masks = _known_mask(region) or [None] * len(region['bbox'])
            yield from ((box, crowd or bool(mask))
                       for box, mask in zip(region['bbox'], masks, strict=True))
        else:
            yield region['bbox'], crowd or bool(_known_mask(region))


def _known_mask(item: dict) -> object:
    return item.get('mask') or item.get('segmentation')


def write_with_masks(source: str | Path, output: str | Path, find_mask: FindMask) -> None:
    """Copy ``source`` with masks added.

    Args:
        source: ODVG or COCO file.
        output: file to write, of the same kind.
        find_mask: encoded mask of (image index, slot), or None.
    """
    write = _write_odvg if is_odvg(source) else _write_coco
    write(source, output, find_mask)


def _write_coco(source: str | Path, output: str | Path, find_mask: FindMask) -> None:
    with coco_writer(output, stream(source, 'categories')) as writer:
        for index, (image, annotations) in enumerate(images_with_annotations(source, Tally())):
            writer.add_image(image)
            for slot, annotation in enumerate(annotations):
                mask = find_mask(index, slot)
                writer.add_annotation(annotation if mask is None else
                                      {**annotation, 'segmentation': mask})


def _write_odvg(source: str | Path, output: str | Path, find_mask: FindMask) -> None:
    with odvg_writer(output) as writer:
        for index, (_, record) in enumerate(progress(read_json_lines(str(source)), 'write')):
            slot = 0
            if 'detection' in record:
                for slot, item in enumerate(record['detection']['instances']):
                    mask = find_mask(index, slot)
                    item.update({} if mask is None else {'mask': mask})
            else:
                for region in record['grounding']['regions']:
                    slot = _fill_region(region, index, slot, find_mask)
            writer.add(record)


def _fill_region(region: dict, index: int, slot: int, find_mask: FindMask) -> int:
    """Add masks to a region whose first box is slot ``slot``; returns the next region's slot."""
    several = bool(region['bbox']) and isinstance(region['bbox'][0], list)
    count = len(region['bbox']) if several else 1
    known = _known_mask(region) if several else [_known_mask(region)]
    masks = [find_mask(index, slot + i) or (known[i] if known else None) for i in range(count)]
    if any(masks):
        region.pop('segmentation', None)
        region['mask'] = masks if several else masks[0]
    return slot + count
