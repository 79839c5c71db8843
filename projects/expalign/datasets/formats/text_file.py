"""Reading of JSON and JSON-lines files with errors that name the file and the place in it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from mmengine.fileio import get_local_path

from expalign.limits import ANNOTATION_BYTES, LimitExceeded
from expalign.utils.file_kinds import describe_content, special_kind


def read_json(path: str, backend_args: dict | None = None, what: str = 'file') -> object:
    """The content of a JSON file; ``what`` is its name in messages.

    Raises:
        ValueError: it is not JSON, not UTF-8, no regular file, or larger or deeper than the limits
            of :mod:`expalign.limits` allow; the message has the place.
    """
    with get_local_path(path, backend_args=backend_args) as local:
        where = f"{what} '{path}'"
        check_text_file(local, where)
        with open(local, 'rb') as file:
            return parse_json(file.read(), where, ' is ')


def check_text_file(local: str | Path, where: str) -> None:
    """Refuse what never ends or is too large before it is read; ``where`` starts the message.

    Raises:
        ValueError: it is no regular file.
        LimitExceeded: it has more bytes than the limit.
    """
    kind = special_kind(local)
    if kind is not None:
        raise ValueError(f'{where} is {kind}')
    ANNOTATION_BYTES.check(os.path.getsize(local), where)


def read_json_lines(path: str, backend_args: dict | None = None) -> Iterator[tuple[int, dict]]:
    """The objects of a JSON-lines file, one after the other, with their line numbers from 1.

    Empty lines are passed over.

    Raises:
        ValueError: a line is not UTF-8, not JSON or no object; the message has its number.
    """
    with get_local_path(path, backend_args=backend_args) as local:
        check_text_file(local, f"file '{path}'")
        with open(local, 'rb') as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    where = f"file '{path}', line {number}"
                    record = parse_json(line, where)
                    if not isinstance(record, dict):
                        raise ValueError(f'{where}: a record must be an object, got {line[:40]!r}')
                    yield number, record


def parse_json(content: bytes, where: str, joint: str = ': ') -> object:
    """JSON from bytes; ``where`` and ``joint`` start the message of a ``ValueError``."""
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        what = describe_content(content[:512], len(content))
        encoding = 'utf-16' if 'UTF-16' in what else 'latin1'
        raise ValueError(
            f'{where}: byte {error.start} is not UTF-8 ({content[error.start]:#04x}); it is {what}.'
            f" Convert text, for example with 'iconv -f {encoding} -t utf-8'") from error
    try:
        return json.loads(text)
    except RecursionError:
        raise LimitExceeded(
            f'{where}: lists and objects lie inside one another too deeply; no annotation file '
            'needs that') from None
    except ValueError as error:  # also of a number of more than 4,300 digits
        what = describe_content(content[:512], len(content))
        claim = '' if what == 'a JSON file' else f'; it is {what}'
        raise ValueError(f'{where}{joint}not JSON: {error}{claim}') from error
