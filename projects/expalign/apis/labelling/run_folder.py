"""The folder of a run: the record of its settings, its parts, and who works in it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from expalign.utils import finished_file
from expalign.utils.file_lock import lock_file
from expalign.utils.run_lock import FolderInUse, run_lock

from .labeller import Facts

RECORD, PARTS, WORKERS = 'run.json', 'parts', '.workers'
SCHEMA, VERSION = 'expalign.labels', 1
PATIENCE = 60.0  # seconds for workers whose main process was killed
SHOWN = 120  # letters of a setting in a message


class OtherSettings(ValueError):
    """A folder has labels that were made otherwise."""


class RunFolder:
    """The folder of a run, for the time in which it is held by this process.

    Args:
        path: the folder.
        record: of the run.
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path, self.parts, self._record = path, path / PARTS, record

    @property
    def facts(self) -> Facts | None:
        """What labels are found with; None before a worker has said it."""
        facts = self._record.get('found_with')
        return None if facts is None else Facts(**facts)

    def note_facts(self, facts: Facts) -> None:
        """Record what labels are found with.

        Raises:
            OtherSettings: earlier ones were found with something else.
        """
        if self.facts is None:
            self._record['found_with'] = facts._asdict()
            _write(self.path / RECORD, self._record)
        elif self.facts != facts:
            raise OtherSettings(_difference(
                self.path, self._record['found_with'], facts._asdict()))

    def note_made(self, names: list[str]) -> None:
        """Record what is in the folder by this run, and may be replaced by it."""
        self._record['made'] = sorted({*self._record.get('made', []), *names})
        _write(self.path / RECORD, self._record)


@contextmanager
def run_folder(path: str | Path, settings: dict[str, Any], outputs: list[str]
               ) -> Iterator[RunFolder]:
    """Open the folder of a new run, or of one that goes on, and hold it.

    Args:
        path: the folder; it is made.
        settings: what labels depend on.
        outputs: names in the folder that a run replaces.

    Raises:
        OtherSettings: the folder has labels of other settings; the message names them.
        FolderInUse: another run works in it.
        ValueError: it has files under the names of the outputs that no run wrote.
        OSError: it cannot be written to.
    """
    path = Path(path)
    record = dict(schema=SCHEMA, version=VERSION, settings=json.loads(json.dumps(settings)))
    known = _read(path / RECORD)
    if known is None:
        _check_free(path, [*outputs, PARTS])
    else:
        begun = any((path / PARTS).glob('[!.]*.jsonl'))
        if begun:
            _check_same(path, known, record)
        _check_free(path, [name for name in outputs if name not in known.get('made', [])])
        # Without a part it is of a run that found no image, or whose model could not be had.
        known = known if begun else None
    with run_lock(path, '--out'):
        (path / PARTS).mkdir(exist_ok=True)
        _wait_for_orphans(path)
        if known is None:
            _write(path / RECORD, record)
        else:
            record = _read(path / RECORD) or known
        yield RunFolder(path, record)


@contextmanager
def holding_parts(folder: str | Path) -> Iterator[None]:
    """While a worker may write parts: a new run waits until none of an earlier one does."""
    with open(Path(folder) / PARTS / WORKERS, 'ab') as file:
        with suppress(OSError):  # a file system without locks
            lock_file(file, wait=True, shared=True)
        yield


def _wait_for_orphans(path: Path) -> None:
    """Workers end by themselves when their main process is gone, within moments."""
    end = time.monotonic() + PATIENCE
    with open(path / PARTS / WORKERS, 'ab') as file:
        while True:
            try:
                lock_file(file, wait=False)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise FolderInUse(
                        f'workers of an earlier run still write to {path}: end them, or wait'
                    ) from None
                time.sleep(0.1)
            except OSError:  # a file system without locks
                return


def _check_free(path: Path, outputs: list[str]) -> None:
    taken = [name for name in outputs if (path / name).exists()]
    if taken:
        raise ValueError(f"the folder {path} has '{taken[0]}', which no run of this command made "
                         'and which this one would replace: give another --out')


def _check_same(path: Path, known: dict, record: dict) -> None:
    if (known.get('schema'), known.get('version')) != (SCHEMA, VERSION):
        raise OtherSettings(f'{path / RECORD} is the record of no run that this version can go on '
                            'with: give another --out')
    if known.get('settings') != record['settings']:
        raise OtherSettings(_difference(path, known.get('settings', {}), record['settings']))


def _difference(path: Path, then: dict, now: dict) -> str:
    listed = '; '.join(f'{key}: {_short(then.get(key))} then, {_short(now.get(key))} now'
                       for key in dict.fromkeys([*then, *now]) if then.get(key) != now.get(key))
    return (f'the folder {path} has labels that were made with other settings ({listed}): go on '
            'with those, or give another --out')


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f'{text[:SHOWN]}...'


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise OtherSettings(f'{path} is damaged ({error}): give another --out') from error
    return content if isinstance(content, dict) else {}


def _write(path: Path, record: dict[str, Any]) -> None:
    with finished_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')
