"""Rows of labels on the disk: files of JSON lines that appear complete or not at all.

A row is one image: ``image`` (its key), then ``width``, ``height`` in pixels, upright, and
``detections`` as :func:`~expalign.structures.detection_formats.as_record` has them; or ``error``,
the reason why there are none. ``within`` names the archive that it is in. A row with ``archive``
alone says that this one, which only reading tells the content of, was read to its end.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from expalign.utils import finished_file

ROWS, SECONDS = 4096, 20.0  # after which a part is written


class PartWriter:
    """Writes the rows of one worker; what a kill loses is at most a part.

    Args:
        folder: of the parts.
        name: of the worker.
        rows: of a part at most.
        seconds: from its first row on.
    """

    def __init__(self, folder: str | Path, name: str, rows: int = ROWS,
                 seconds: float = SECONDS) -> None:
        self._folder, self._name, self._limits = Path(folder), name, (rows, seconds)
        self._lines: list[str] = []
        self._number, self._since = 0, 0.0

    def add(self, row: dict[str, Any]) -> bool:
        """Keep a row; whether it is time to :meth:`flush`."""
        if not self._lines:
            self._since = time.monotonic()
        self._lines.append(json.dumps(row, separators=(',', ':')))
        rows, seconds = self._limits
        return len(self._lines) >= rows or time.monotonic() - self._since >= seconds

    def flush(self) -> None:
        """Write what is kept.

        Raises:
            OSError: it cannot be written; it is still kept.
        """
        if self._lines:
            with finished_file(self._folder / f'{self._name}-{self._number:06d}.jsonl') as path:
                path.write_text('\n'.join(self._lines) + '\n', encoding='ascii')
            self._number += 1
            self._lines = []


def worker_name() -> str:
    """A name that no other worker of any machine has."""
    return f'{int(time.time()):010d}-{os.getpid()}-{secrets.token_hex(4)}'


class Line(NamedTuple):
    """Where a row is."""

    start: int
    size: int
    row: dict[str, Any] | None


def read_part(path: str | Path) -> Iterator[Line]:
    """The rows of a part; None for a line that is no row, as a disk may leave it."""
    start = 0
    with open(path, 'rb') as file:
        for line in file:
            yield Line(start, len(line), parse_row(line))
            start += len(line)


def parse_row(line: bytes) -> dict[str, Any] | None:
    """A row, or None where the line is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(row, dict) and isinstance(row.get('image', row.get('archive')), str)
    return row if known else None
