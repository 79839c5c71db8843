"""Which annotations of a COCO file can be used, and the record of an image."""

import math
from collections.abc import Collection, Mapping, Sequence
from numbers import Real

from .problems import AnnotationProblems
from .record import image_size, instance, is_usable_box, xyxy


def checked_image(image: dict, image_id: object, source: str) -> dict:
    """A copy of an entry of ``images`` with ``height`` and ``width`` as numbers.

    Raises:
        ValueError: it has no size or file name; the message has ``source``, the file.
    """
    where = f"annotation file '{source}', image {image_id!r}"
    height, width = image_size(image, where)
    if not isinstance(image.get('file_name'), str):
        raise ValueError(f"{where}: 'file_name' must be a string, got {image.get('file_name')!r}")
    return dict(image, height=height, width=width)


def complete_annotation(annotation: dict, where: str) -> None:
    """Give an annotation ``area`` and ``iscrowd`` as numbers where they are absent, null or text.

    Without an area above 0 it is width x height of the box; without ``iscrowd`` it is no crowd.

    Raises:
        ValueError: the box is not four finite numbers with a width and height of 0 or more, or
            one of the two is something else; the message starts with ``where``.
    """
    box = annotation.get('bbox')
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(
            isinstance(x, Real) and math.isfinite(x) for x in box) or min(box[2:]) < 0:
        raise ValueError(f"{where}: 'bbox' must be x, y, width and height as finite numbers, got "
                         f'{box!r}')
    for key, default in (('area', box[2] * box[3]), ('iscrowd', 0)):
        value = annotation.get(key)
        try:
            number = default if value is None else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0 or (key == 'iscrowd' and number not in (0, 1)):
            raise ValueError(f'{where}: {key!r} must be a number'
                             f"{', 0 or 1' if key == 'iscrowd' else ''}, got {value!r}")
        annotation[key] = (number or default) if key == 'area' else int(number)


def usable_annotations(image: dict, annotations: Sequence[dict], category_ids: Collection[int],
                       problems: AnnotationProblems) -> list[dict]:
    """The annotations of an image that can be used, each with an ``area``.

    Args:
        image: the entry of ``images``, with ``height`` and ``width``.
        annotations: its entries of ``annotations``.
        category_ids: of the file's ``categories``.
        problems: takes what is not used.
    """
    usable = []
    for annotation in annotations:
        where = f"image '{image['file_name']}', annotation {annotation.get('id')!r}"
        box = annotation.get('bbox')
        if annotation.get('category_id') not in category_ids:
            problems.bad("the category id is not in 'categories'",
                         f"{where} ({annotation.get('category_id')!r})")
        elif annotation.get('ignore', False):
            problems.dropped("annotation marked 'ignore'")
        elif is_usable_box(xyxy(box), (image['height'], image['width']), problems, where):
            annotation.setdefault('area', box[2] * box[3])
            if annotation['area'] > 0:
                usable.append(annotation)
            else:
                problems.dropped("annotation with an 'area' of 0")
    return usable


def parse_image(image: dict, annotations: Sequence[dict], labels: Mapping[int, int],
                category_ids: Collection[int], problems: AnnotationProblems) -> dict:
    """The detection record of one image, see :mod:`expalign.datasets.formats.record`.

    Args:
        labels: the label of each category that is used, by its id.
        image, annotations, category_ids, problems: see :func:`usable_annotations`.

    Raises:
        ValueError: the entry has no size or file name.
    """
    image = checked_image(image, image.get('id'), problems.source)
    return dict(
        file_name=image['file_name'], height=image['height'], width=image['width'],
        img_id=image['id'], text_kind='detection', instances=[
            instance(xyxy(a['bbox']), labels[a['category_id']], a.get('segmentation'),
                     a.get('iscrowd', 0))
            for a in usable_annotations(image, annotations, category_ids, problems)
            if a['category_id'] in labels])
