"""Which annotations of a COCO file can be used, and the record of an image."""

from collections.abc import Collection, Mapping, Sequence

from expalign.utils.shown import shown

from .coco_layout import checked_image
from .fields import flag, identifier, number
from .problems import AnnotationProblems
from .record import (
    NEGATIVE_BOX,
    NOT_A_BOX,
    instance,
    is_box,
    is_usable_box,
    xyxy,
)

NO_FLAG = "'iscrowd' is neither 0 nor 1"
NO_AREA = "'area' that is no number above 0: width x height of the box"
NO_CATEGORY = "the category id is not in 'categories'"
NO_PROMPT = 'annotation of a class that is no prompt'
IGNORED = "annotation marked 'ignore'"


def complete_annotation(annotation: dict, where: str) -> None:
    """Give an annotation ``area`` and ``iscrowd`` as numbers.

    Without an area above 0 it is width x height of the box; without ``iscrowd`` it is no crowd.

    Raises:
        ValueError: the box is not four finite numbers with a width and height of 0 or more, or
            ``iscrowd`` is no flag; the message starts with ``where``.
    """
    fault = annotation_fault(annotation)
    if fault is not None:
        raise ValueError(f"{where}: {fault} (bbox {shown(annotation.get('bbox'))}, iscrowd "
                         f'{shown(annotation.get("iscrowd"))})')
    box = annotation['bbox']
    area = number(annotation.get('area'))
    annotation['area'] = area if area is not None and area > 0 else box[2] * box[3]
    annotation['iscrowd'] = flag(annotation.get('iscrowd'))


def annotation_fault(annotation: dict) -> str | None:
    """Why an annotation cannot be completed, or None."""
    if not is_box(xyxy(annotation.get('bbox'))):  # the sum may be too large for a number
        return NOT_A_BOX
    if min(annotation['bbox'][2:]) < 0:
        return NEGATIVE_BOX
    return NO_FLAG if flag(annotation.get('iscrowd')) is None else None


def usable_annotation(annotation: dict, image: dict, category_ids: Collection[int | str],
                      problems: AnnotationProblems) -> dict | None:
    """A completed copy of an annotation that can be used, or None.

    Args:
        annotation: the entry of ``annotations``.
        image: its entry of ``images``, with ``height`` and ``width``.
        category_ids: of the file's ``categories``.
        problems: takes what is not used.
    """
    where = place_of(annotation, image)
    category = identifier(annotation.get('category_id'))
    if category not in category_ids:
        problems.bad(NO_CATEGORY,
                     f"{where} ({shown(annotation.get('category_id'))})")
        return None
    if flag(annotation.get('ignore')) != 0:
        problems.aside(annotation, IGNORED)
        return None
    completed = usable_object(annotation, image, problems)
    return None if completed is None else dict(completed, category_id=category)


def usable_object(annotation: dict, image: dict, problems: AnnotationProblems) -> dict | None:
    """:func:`usable_annotation` of formats whose objects have no category."""
    where, fault = place_of(annotation, image), annotation_fault(annotation)
    if fault is not None:
        problems.bad(fault, where)
        return None
    size = image['height'], image['width']
    if not is_usable_box(xyxy(annotation['bbox']), size, problems, where):
        return None
    if annotation.get('area') is not None and not (number(annotation['area']) or 0) > 0:
        problems.repaired(NO_AREA, where)
    completed = dict(annotation)
    complete_annotation(completed, where)
    return completed


def place_of(annotation: dict, image: dict) -> str:
    """An annotation in messages."""
    return f"image '{image['file_name']}', annotation {shown(annotation.get('id'))}"


def parse_image(image: dict, annotations: Sequence[dict], labels: Mapping[int | str, int],
                categories: Mapping[int | str, str], problems: AnnotationProblems) -> dict | None:
    """The detection record of one image, see :mod:`expalign.datasets.formats.record`.

    None where ``problems`` takes the refusal of the image entry.

    Args:
        image: the entry of ``images``.
        annotations: its entries of ``annotations``.
        labels: the label of each category that is used, by its id.
        categories: names of the file's categories, by id.
        problems: takes what is not used.

    Raises:
        ValueError: the entry has no size or file name.
    """
    raw_image, image = image, checked_image(image, problems)
    if image is None:
        return None
    problems.entry(raw_image)
    instances = []
    for raw in annotations:
        annotation = usable_annotation(raw, image, categories, problems)
        if annotation is None:
            continue
        if annotation['category_id'] not in labels:
            problems.aside(raw, NO_PROMPT, categories[annotation['category_id']])
        else:
            problems.used(raw)
            instances.append(instance(
                xyxy(annotation['bbox']), labels[annotation['category_id']],
                annotation.get('segmentation'), annotation['iscrowd']))
    return dict(
        file_name=image['file_name'], height=image['height'], width=image['width'],
        img_id=image['id'], text_kind='detection', instances=instances)
