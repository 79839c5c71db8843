"""The skeleton of files in COCO's layout: lists of objects, ids, and who belongs to whom.

COCO, LVIS, Objects365, MDETR's grounding files and the ``instances.json`` of referring data share
it. What makes a file unusable goes to :meth:`AnnotationProblems.refuse`, which raises in training
and testing, and is only counted by ``check_dataset``.
"""

from collections import defaultdict
from collections.abc import Sequence

from expalign.structures.prompts import is_unicode
from expalign.utils.shown import shown

from .fields import identifier, number
from .problems import AnnotationProblems
from .record import NOT_UNICODE_NAME, BadEntry, image_size, size_of_image

NO_IMAGE = 'annotation of an image that the file does not have'
COCO_LISTS = ('images', 'annotations', 'categories')


def check_layout(content: object, path: str, lists: Sequence[str] = COCO_LISTS,
                 name: str = 'COCO') -> None:
    """Raise ``ValueError`` if ``content``, read from ``path``, is no object of lists of objects."""
    where = f"annotation file '{path}' is not in {name} format"
    if not isinstance(content, dict):
        raise ValueError(f'{where}: it holds a {type(content).__name__}')
    missing = [key for key in lists if key not in content]
    if missing:
        raise ValueError(f'{where}: it has no {", ".join(missing)}')
    for key in lists:
        if not isinstance(content[key], list):
            raise ValueError(
                f'{where}: {key!r} must be a list of objects, got {shown(content[key])}')
        for index, entry in enumerate(content[key]):
            if not isinstance(entry, dict):
                raise ValueError(
                    f'{where}: {key}[{index}] must be an object, got {shown(entry)}')


def by_id(entries: Sequence[dict], what: str, problems: AnnotationProblems) -> dict:
    """Entries by their ``id``, in their order; an entry without a usable id is refused.

    Args:
        entries: of ``images``, ``annotations`` or ``categories``; their ids become plain ints.
        what: their name in messages.
        problems: takes what is not used.
    """
    found = {}
    for index, entry in enumerate(entries):
        key = identifier(entry.get('id'))
        if key is None:
            problems.refuse(f"{what} without an 'id' that is a number or text",
                            f'{what} number {index}', f' (got {shown(entry.get("id"))})')
        elif key in found:
            problems.refuse(f'{what} ids that occur twice', f'{what} {shown(key)}')
        else:
            entry['id'] = key
            found[key] = entry
    return found


def sortable_by_id(entries: Sequence[dict], what: str, problems: AnnotationProblems) -> dict:
    """:func:`by_id` of entries whose ids COCO's and LVIS's evaluators sort."""
    found = by_id(entries, what, problems)
    one_of_each = list({isinstance(key, str): key for key in found}.values())
    if len(one_of_each) > 1:
        problems.refuse(f'{what} ids of which some are numbers and some text: write all in one way',
                        f'{what} {shown(one_of_each[0])} and {what} {shown(one_of_each[1])}')
    return found


def complete_size(image: dict, where: str) -> None:
    """Make ``height`` and ``width`` of an entry of ``images`` whole numbers, in place.

    Raises:
        ValueError: they are none; the message starts with ``where``.
    """
    image['height'], image['width'] = image_size(image, where)


def named_categories(content: dict, problems: AnnotationProblems) -> dict[int | str, dict]:
    """The categories by id, each with a text as ``name``; numbers become text."""
    categories = sortable_by_id(content['categories'], 'category', problems)
    for key, category in list(categories.items()):
        name = category.get('name')
        if number(name) is not None and not isinstance(name, str):
            problems.repaired('category name that is a number, read as text',
                              f'category {shown(key)}')
            category['name'] = str(name)
        elif not isinstance(name, str):
            problems.refuse("category without a 'name'", f'category {shown(key)}',
                            f' (got {shown(name)})')
            del categories[key]
        elif not is_unicode(name):
            problems.refuse(NOT_UNICODE_NAME, f'category {shown(key)}', f' ({shown(name)})')
            del categories[key]
    return categories


def annotations_by_image(content: dict, images: dict[int | str, dict],
                         problems: AnnotationProblems) -> dict[int | str, list[dict]]:
    """The annotations of each image; those of no listed image are refused."""
    grouped = defaultdict(list)
    for annotation in content['annotations']:
        key = identifier(annotation.get('image_id'))
        if key in images:
            annotation['image_id'] = key
            grouped[key].append(annotation)
        else:
            problems.refuse(
                NO_IMAGE,
                f'annotation {shown(annotation.get("id"))}',
                f' (image {shown(annotation.get("image_id"))})')
    return grouped


def checked_image(image: dict, problems: AnnotationProblems) -> dict | None:
    """A copy of an entry of ``images`` with ``height`` and ``width`` as numbers.

    None where it has no size or file name, which is refused.
    """
    where = f'image {shown(image.get("id"))}'
    if not isinstance(image.get('file_name'), str):
        problems.refuse("'file_name' must be a string", where,
                        f', got {shown(image.get("file_name"))}')
        return None
    try:
        height, width = size_of_image(image)
    except BadEntry as error:
        problems.refuse(error.kind, where, error.detail)
        return None
    return dict(image, height=height, width=width)
