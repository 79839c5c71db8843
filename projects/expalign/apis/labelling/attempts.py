"""Tasks that several processes try, one after another, where nobody but the disk remembers.

An engine that gives a task to another process after a death says nothing of the first. So a try
leaves files: that it began and, once there was a death, which image it is at. Part files are named
after task and try, so what was written is found without looking through a folder.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from expalign.utils import finished_file

from .part_files import read_part
from .units import Task

FOLDER = '.tries'  # in that of the parts


class Attempt:
    """One try of a task.

    Args:
        parts: folder of the parts.
        task: what is tried.
        run: tells this run from earlier ones.

    Attributes:
        number: tries before this one.
        result: what a try that came to its end has left; None where there is none.
        name: of the parts of this try.
    """

    def __init__(self, parts: Path, task: Task, run: str) -> None:
        what = repr((task.unit, sorted(task.only or ()), sorted(task.skip)))
        key = hashlib.sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:24]
        self._parts, self._files = parts, parts / FOLDER
        self._base = f'{run}-{key}'
        self._end = self._files / f'{self._base}.end'
        self.result: dict[str, Any] | None = None
        if self._end.exists():
            self.result = json.loads(self._end.read_text(encoding='utf-8'))
            return
        self._files.mkdir(exist_ok=True)
        self.number = 0
        while (self._files / f'{self._base}-{self.number}').exists():
            self.number += 1
        self.name = f'{self._base}-{self.number}'
        self._at = open(self._files / self.name, 'ab', buffering=0)  # noqa: SIM115

    def written(self) -> set[str]:
        """Images that earlier tries have written rows of."""
        return {line.row['image'] for path in self._earlier_parts() for line in read_part(path)
                if line.row is not None and 'image' in line.row}

    def _earlier_parts(self) -> Iterator[Path]:
        for attempt in range(self.number):
            part = 0
            while (path := self._parts / f'{self._base}-{attempt}-{part:06d}.jsonl').exists():
                yield path
                part += 1

    def victims(self) -> set[str]:
        """The images that earlier tries were at when they ended."""
        last = set()
        for attempt in range(self.number):
            file = self._files / f'{self._base}-{attempt}'
            lines = file.read_text(encoding='utf-8').splitlines()
            last |= {json.loads(lines[-1])} if lines else set()
        return last

    def at(self, key: str) -> None:
        """Note which image is next; it survives the process."""
        self._at.write(json.dumps(key).encode() + b'\n')

    def finish(self, result: dict[str, Any]) -> None:
        """The task is done, and all its rows are on the disk."""
        self._at.close()
        with finished_file(self._end) as temporary:
            temporary.write_text(json.dumps(result), encoding='utf-8')
