"""Reading of JSON in COCO's layout one record at a time.

The layout is one object with lists ``images``, ``annotations`` and ``categories``, in any order.
Each list is a pass over the file, so memory does not grow with the file. COCO, LVIS, Objects365 and
MDETR's grounding files are all of this kind.
"""

from collections.abc import Iterator
from pathlib import Path

import ijson

from expalign.utils.file_kinds import describe_file, special_kind
from expalign.utils.progress import file_with_progress

from .depth_guard import DepthGuard


def stream(path: str | Path, key: str, title: str | None = None) -> Iterator[dict]:
    """Yield the records of the list ``key``, showing progress under ``title`` or the file's name.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is a pipe or device, not JSON, cut short, too deep, or a record is not an
            object.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"annotation file '{path}' does not exist")
    kind = special_kind(path)
    if kind is not None:
        raise ValueError(f"annotation file '{path}' is {kind}")
    try:
        with file_with_progress(path, f'{title or path.name}: {key}') as file:
            guarded = DepthGuard(file, f"annotation file '{path}'")
            for index, record in enumerate(ijson.items(guarded, f'{key}.item', use_float=True)):
                if not isinstance(record, dict):
                    raise ValueError(
                        f"{path}: {key}[{index}] is a {type(record).__name__}, not an object: the "
                        "file is not in COCO's layout")
                yield record
    except ijson.JSONError as error:
        what = describe_file(path)
        claim = 'the file may be cut short; fetch or write it again'
        raise ValueError(f'{path} is not valid JSON ({_first_line(error)}): ' + (
            claim if what == 'a JSON file' else f'it is {what}')) from error
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not valid JSON: a text in it is not UTF-8 ({error}): convert '
                         "it, for example with 'iconv -f latin1 -t utf-8'") from error


def _first_line(error: ijson.JSONError) -> str:
    detail = error.args[0] if error.args else ''
    text = detail.decode('utf-8', 'replace') if isinstance(detail, bytes) else str(detail)
    return text.strip().splitlines()[0] if text.strip() else 'it ends too early'


def field(record: dict, key: str, path: str | Path, what: str):
    """``record[key]``, or a ``ValueError`` that names the file and the record."""
    try:
        return record[key]
    except KeyError:
        raise ValueError(
            f"{path}: {what} {str(record.get('id'))[:80]} has no '{key}', which COCO's layout "
            'requires') from None
