"""What a run of mask generation has finished, kept so that no kill loses or repeats an image.

One folder holds ``settings.json`` and one file of JSON lines a process. A line is one finished
image, written in one go and flushed. A kill can leave half a line at the end: it is cut off when
the file is opened again, and its image is done anew.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from expalign.utils import finished_file


class JournalError(RuntimeError):
    """The journal belongs to another run, or another process writes it."""


def check_settings(folder: str | Path, settings: dict) -> None:
    """Write the settings of a run on its first start; later starts must have the same.

    Raises:
        JournalError: the folder holds results of other settings.
    """
    path = Path(folder) / 'settings.json'
    if not path.exists():
        with finished_file(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding='utf-8')
        return
    known = json.loads(path.read_text(encoding='utf-8'))
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
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        self._file.write(json.dumps(entry, separators=(',', ':')).encode() + b'\n')
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(self, *_) -> None:
        self.close()


def entries(folder: str | Path) -> Iterator[tuple[dict, Path, int]]:
    """All finished images of all processes: (entry, file, offset in it)."""
    for path in sorted(Path(folder).glob('*.jsonl')):
        offset = 0
        with open(path, 'rb') as file:
            for line in file:
                if not line.endswith(b'\n'):
                    break  # torn by a kill, or just being written
                yield json.loads(line), path, offset
                offset += len(line)


class Results:
    """Masks by (image, slot), read from the journals as they are asked for.

    Memory holds the place of each image's line, not its masks.
    """

    def __init__(self, folder: str | Path) -> None:
        self._places: dict[int, tuple[Path, int]] = {}
        self.repeated = 0  # images that two processes did: with shards of different N at once
        for entry, path, offset in entries(folder):
            self.repeated += entry['index'] in self._places
            self._places[entry['index']] = path, offset
        self._entry: dict = {'index': None}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __iter__(self) -> Iterator[dict]:
        """Every image's entry, once."""
        return map(self._read, self._places)

    def _read(self, index: int) -> dict:
        path, offset = self._places[index]
        with open(path, 'rb') as file:
            file.seek(offset)
            return json.loads(file.readline())

    def find_mask(self, index: int, slot: int) -> dict | None:
        """The encoded mask of one box, or None where it was rejected or not asked for."""
        if self._entry['index'] != index:
            if index not in self._places:
                return None
            self._entry = self._read(index)
        return self._entry['masks'].get(str(slot))
