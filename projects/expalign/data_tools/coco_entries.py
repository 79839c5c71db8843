"""Categories and ids of streamed COCO files, read as training reads them."""

from pathlib import Path

from expalign.datasets.formats.coco_layout import named_categories
from expalign.datasets.formats.fields import identifier
from expalign.datasets.formats.problems import AnnotationProblems
from expalign.utils.shown import shown

from .coco_stream import field, stream

LARGEST = 2**63 - 1  # the largest number that the streaming reader takes


def read_categories(path: str | Path) -> dict[int | str, str]:
    """Names by category id, in the file's order, without surrounding white space.

    Raises:
        ValueError: there are none, an id occurs twice or is none, or a name is no text.
    """
    content = {'categories': list(stream(path, 'categories'))}
    if not content['categories']:
        raise ValueError(f"{path} has no 'categories': it is not in COCO's layout")
    named = named_categories(content, AnnotationProblems(str(path)))
    return {number: category['name'].strip() for number, category in named.items()}


def record_id(record: dict, key: str, path: str | Path, what: str) -> int | str:
    """The id that ``record`` has as ``key``, as training reads it: '7' and 7.0 are ids, too.

    Raises:
        ValueError: it has none that is a number or text.
    """
    found = identifier(field(record, key, path, what))
    if found is None or isinstance(found, int) and abs(found) > LARGEST:
        raise ValueError(f"{path}: the '{key}' of {what} {shown(record.get('id'))} must be a "
                         f'number or text, got {shown(record[key])}')
    return found
