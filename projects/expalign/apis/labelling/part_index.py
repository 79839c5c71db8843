"""Which images are done, and where their rows are: an index of the parts on the disk.

It is made of the parts at every start and thrown away at the end, so it can be neither wrong nor
lost. Memory does not grow with the number of images.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from expalign.utils import scratch_folder

from .part_files import parse_row, read_part

CLAIMED, DAMAGED, GOOD = -1, 0, 1
OPEN_PARTS = 64
TABLE = '''CREATE TABLE rows (
    key BLOB PRIMARY KEY, state INTEGER, part INTEGER, start INTEGER, size INTEGER) WITHOUT ROWID'''
ADD = '''INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
    state = excluded.state, part = excluded.part, start = excluded.start, size = excluded.size
    WHERE excluded.state > rows.state'''
ARCHIVES = 'CREATE TABLE archives (name BLOB PRIMARY KEY) WITHOUT ROWID'
CLAIM = '''INSERT INTO rows VALUES (?, -1, -1, 0, 0) ON CONFLICT (key) DO NOTHING'''
RECLAIM = 'UPDATE rows SET state = -1 WHERE key = ? AND state = 0'


class PartIndex:
    """The rows of a folder of parts by their images.

    Of two rows of one image the one with labels counts, else the first.

    Args:
        parts: the folder.
        base: SQLite's connection to an empty data base.
        again: whether images that could not be read are to be tried again.

    Attributes:
        repeated: rows of images that have another one.
        torn: lines that are no rows.
    """

    def __init__(self, parts: str | Path, base: sqlite3.Connection, again: bool = False) -> None:
        self._parts, self._base, self._again = Path(parts), base, again
        self._known: dict[str, int] = {}
        self.repeated = self.torn = 0
        base.execute(TABLE)
        base.execute(ARCHIVES)
        self.update()

    def update(self) -> None:
        """Take in parts that were written since."""
        for path in sorted(self._parts.glob('*.jsonl')):
            if path.name not in self._known and not path.name.startswith('.'):
                number = self._known[path.name] = len(self._known)
                self._base.executemany(ADD, self._entries(path, number))
        self._base.commit()

    def _entries(self, path: Path, number: int) -> Iterator[tuple]:
        for start, size, row in read_part(path):
            if row is None:
                self.torn += 1
                continue
            if 'archive' in row:
                self._base.execute(
                    'INSERT OR IGNORE INTO archives VALUES (?)', (_bytes(row['archive']),))
                continue
            key, state = _bytes(row['image']), DAMAGED if 'error' in row else GOOD
            known = self._base.execute('SELECT state FROM rows WHERE key = ?', (key,)).fetchone()
            self.repeated += known is not None and known[0] >= state
            yield key, state, number, start, size

    def counts(self) -> tuple[int, int]:
        """Images that have a row, and those of them that could not be read."""
        query = 'SELECT COUNT(*), COALESCE(SUM(state = 0), 0) FROM rows WHERE state >= 0'
        done, damaged = self._base.execute(query).fetchone()
        return done, damaged

    def claim(self, keys: Iterable[str]) -> list[str]:
        """Those of the images that nobody has done and nobody has claimed; they are claimed now.
        """
        free = []
        for key in keys:
            name = _bytes(key)
            is_free = self._base.execute(CLAIM, (name,)).rowcount
            if self._again and not is_free:
                is_free = self._base.execute(RECLAIM, (name,)).rowcount
            free += [key] if is_free else []
        return free

    def below(self, prefix: str) -> frozenset[str]:
        """Images that are done and whose keys begin so."""
        start = _bytes(prefix)
        found = self._base.execute(
            'SELECT key FROM rows WHERE key >= ? AND key < ? AND state >= ?',
            (start, start[:-1] + bytes([start[-1] + 1]), GOOD if self._again else DAMAGED))
        return frozenset(_text(key) for (key,) in found)

    def is_whole(self, archive: str) -> bool:
        """Whether an archive was read to its end, and need not be opened again."""
        return not self._again and self._base.execute(
            'SELECT 1 FROM archives WHERE name = ?', (_bytes(archive),)).fetchone() is not None

    def ends(self) -> tuple[str, str] | None:
        """The first and the last image of this machine, by path; None where there is none."""
        ends = self._base.execute(
            'SELECT MIN(key), MAX(key) FROM rows WHERE part >= 0 AND key >= ? AND key < ?',
            (b'/', b'0')).fetchone()  # the sign behind '/' is '0'
        return None if ends[0] is None else (_text(ends[0]), _text(ends[1]))

    def rows(self) -> Iterator[dict[str, Any]]:
        """The row of every image, by name."""
        names = list(self._known)
        files: dict[int, Any] = {}
        with ExitStack() as stack:
            for part, start, size in self._base.execute(
                    'SELECT part, start, size FROM rows WHERE part >= 0 ORDER BY key'):
                if part not in files:
                    if len(files) == OPEN_PARTS:
                        stack.pop_all().close()
                        files.clear()
                    files[part] = stack.enter_context(open(self._parts / names[part], 'rb'))
                files[part].seek(start)
                row = parse_row(files[part].read(size))
                if row is None:
                    raise OSError(f"'{self._parts / names[part]}' has changed: run it again")
                yield row


@contextmanager
def part_index(parts: str | Path, again: bool = False) -> Iterator[PartIndex]:
    """A :class:`PartIndex` for the time of the block, beside the parts."""
    with scratch_folder(parts, 'index') as folder:
        base = sqlite3.connect(folder / 'index.sqlite')
        try:
            base.execute('PRAGMA journal_mode = OFF')
            base.execute('PRAGMA synchronous = OFF')
            yield PartIndex(parts, base, again)
        except sqlite3.OperationalError as error:  # a full disk, as SQLite says it
            raise OSError(f"the index in '{parts}' cannot be written: {error}") from error
        finally:
            base.close()


def _bytes(key: str) -> bytes:
    return key.encode('utf-8', 'surrogatepass')


def _text(key: bytes) -> str:
    return key.decode('utf-8', 'surrogatepass')
