"""Reading of JSON and JSON-lines files with errors that name the file and the place in it."""

import json
from collections.abc import Iterator

from mmengine.fileio import get_local_path


def read_json(path: str, backend_args: dict | None = None) -> object:
    """The content of a JSON file.

    Raises:
        ValueError: it is not JSON, or not UTF-8; the message has the place.
    """
    with get_local_path(path, backend_args=backend_args) as local, open(local, 'rb') as file:
        return parse_json(file.read(), f"file '{path}'")


def read_json_lines(path: str, backend_args: dict | None = None) -> Iterator[tuple[int, dict]]:
    """The objects of a JSON-lines file, one after the other, with their line numbers from 1.

    Empty lines are passed over.

    Raises:
        ValueError: a line is not UTF-8, not JSON or no object; the message has its number.
    """
    with get_local_path(path, backend_args=backend_args) as local, open(local, 'rb') as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                where = f"file '{path}', line {number}"
                record = parse_json(line, where)
                if not isinstance(record, dict):
                    raise ValueError(f'{where}: a record must be an object, got {line[:40]!r}')
                yield number, record


def parse_json(content: bytes, where: str) -> object:
    """JSON from bytes; ``where`` starts the message of a ``ValueError``."""
    try:
        return json.loads(content.decode('utf-8-sig'))
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{where}: byte {error.start} is not UTF-8 ({content[error.start]:#04x}): convert the '
            "file, for example with 'iconv -f latin1 -t utf-8'") from error
    except json.JSONDecodeError as error:
        raise ValueError(f'{where}: not JSON: {error}') from error
