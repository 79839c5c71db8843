"""Which annotations of a COCO file can be used, and the record of an image."""

from collections.abc import Collection, Mapping, Sequence

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
