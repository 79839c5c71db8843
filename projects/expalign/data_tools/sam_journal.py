"""What a run of mask generation has finished, kept so that no kill loses or repeats an image.

One folder holds ``settings.json`` and one file of JSON lines a process. A line is one finished
image with a checksum, written in one go and flushed. A kill can leave half a line at the end, a
power cut zeros or garbage: a line that is not whole does not count, and its image is done anew.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from expalign.utils import finished_file
from expalign.utils.file_lock import lock_file

CHECKSUM = 'crc32'


class JournalError(RuntimeError):
    """The journal belongs to another run, or another process writes it."""


def check_settings(folder: str | Path, settings: dict) -> None:
    """Write the settings of a run on its first start; later starts must have the same.

    Raises:
        JournalError: the folder holds results of other settings, or its settings are damaged.
    """
    path = Path(folder) / 'settings.json'
    if not path.exists():
        with finished_file(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding='utf-8')
    # Read back also what was just written: another process may have been as fast.
    try:
        known = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(known, dict):
            raise ValueError('it holds no object')
    except ValueError as error:
        raise JournalError(f"'{path}' is damaged ({error}), so that nobody knows what the results "
                           'beside it belong to: give another --work-dir') from error
    listed = ', '.join(f'{key}: {known.get(key)!r} then, {settings.get(key)!r} now'
                       for key in sorted({*known, *settings})
                       if known.get(key) != settings.get(key))
    if listed:
        raise JournalError(f"'{folder}' holds results of other settings ({listed}): go on with "
                           'those, or give another --work-dir')


class Journal:
    """The file of one process, locked while it is open."""

    def __init__(self, folder: str | Path, name: str) -> None:
        self.path = Path(folder) / f'{name}.jsonl'
        self._file = open(self.path, 'a+b')  # noqa: SIM115  (open as long as the object)
        try:
            lock_file(self._file, wait=False)
        except BlockingIOError:
            self._file.close()
            raise JournalError(f"another process is writing '{self.path}': wait for it, or give "
                               'this one another --shard') from None
        self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        self._file.seek(0)
        size = 0
        for line in self._file:
            size += len(line) if line.endswith(b'\n') else 0
        self._file.truncate(size)

    def add(self, entry: dict) -> None:
        """Append one finished image."""
        line = _dump({**entry, CHECKSUM: zlib.crc32(_dump(entry))})
        self._file.write(line + b'\n')
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Place(NamedTuple):
    """Where the line of an image is."""

    path: Path
    offset: int
    size: int


def _dump(entry: dict) -> bytes:
    return json.dumps(entry, separators=(',', ':')).encode()


def _load(line: bytes) -> dict | None:
    """An entry, or None where the line is not the one that was written."""
    try:
        entry = json.loads(line)
        checksum = entry.pop(CHECKSUM)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return entry if checksum == zlib.crc32(_dump(entry)) and 'index' in entry else None


class Results:
    """Finished images of all processes by their index, read as they are asked for.

    Memory holds the place of each image's line, not its masks.

    Attributes:
        repeated: images that two processes did: with shards of different N at once.
        damaged: lines that are not whole; their images are not finished.
    """

    def __init__(self, folder: str | Path) -> None:
        self._places: dict[int, Place] = {}
        self.repeated = self.damaged = 0
        for path in sorted(Path(folder).glob('*.jsonl')):
            self._read_journal(path)
        self._last: dict = {'index': None}

    def _read_journal(self, path: Path) -> None:
        offset = 0
        with open(path, 'rb') as file:
            for line in file:
                if line.endswith(b'\n'):  # else torn by a kill, or just being written
                    self._read_line(line, Place(path, offset, len(line)))
                offset += len(line)

    def _read_line(self, line: bytes, place: Place) -> None:
        entry, zeros = _load(line), line.rfind(b'\0')
        if entry is None:
            self.damaged += 1
            if zeros >= 0:  # behind zeros that swallowed the end of a line is the next one
                place = Place(place.path, place.offset + zeros + 1, place.size - zeros - 1)
                entry = _load(line[zeros + 1:])
        if entry is not None:
            self.repeated += entry['index'] in self._places
            self._places[entry['index']] = place

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __iter__(self) -> Iterator[dict]:
        """Every image's entry, once."""
        return map(self._read, self._places)

    def _read(self, index: int) -> dict:
        place = self._places[index]
        with open(place.path, 'rb') as file:
            file.seek(place.offset)
            entry = _load(file.read(place.size))
        if entry is None:
            raise JournalError(f"'{place.path}' changed while it was read: run the command again")
        return entry

    def entry(self, index: int) -> dict | None:
        """What was finished of an image, or None."""
        if self._last['index'] != index:
            if index not in self._places:
                return None
            self._last = self._read(index)
        return self._last

    def find_mask(self, index: int, slot: int) -> dict | None:
        """The encoded mask of one box, or None where it was rejected or not asked for."""
        entry = self.entry(index)
        return None if entry is None else entry['masks'].get(str(slot))
