"""The first records of a large annotation file, in a time that does not grow with the file."""

import time
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import ijson

RECORDS = 2000  # of each list
SECONDS = 4.0  # for each list


class _OutOfTime(Exception):
    """The list was not reached in time."""


class _Timed:
    """A file whose reading ends in :class:`_OutOfTime`."""

    def __init__(self, file: BinaryIO, seconds: float) -> None:
        self._file, self._end = file, time.monotonic() + seconds

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._end:
            raise _OutOfTime
        return self._file.read(size)


def head_of(path: str | Path, key: str) -> list[Any]:
    """The first records of the list ``key`` of a JSON object; fewer where time is over.

    Raises:
        ValueError: the file is no JSON.
    """
    records: list[Any] = []
    with open(path, 'rb') as file:
        try:
            timed = _Timed(file, SECONDS)
            # One by one: those that were read stay when the time is over.
            for record in islice(ijson.items(timed, f'{key}.item', use_float=True), RECORDS):
                records.append(record)
        except _OutOfTime:
            pass
        except ijson.JSONError as error:
            raise ValueError(f"'{path}' is not valid JSON ({error})") from error
    return records
