"""One run for each folder of results.

Two runs in one folder overwrite each other's files. The lock is a file with the machine and
the process, so that what a killed run leaves is told from a run that goes on.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .file_lock import one_at_a_time
from .finished_file import finished_file
from .processes import machine, runs, start_of

LOCK_NAME = 'run.lock'


class FolderInUse(RuntimeError):
    """Another run works in the folder."""


@contextmanager
def run_lock(folder: str | Path, option: str = '--work-dir') -> Iterator[None]:
    """Hold the lock of a folder while the block runs.

    The lock of a process of this machine that does not run any more is taken over, and so is one
    of this process.

    Args:
        folder: of the results; it is made.
        option: of the command, which names another folder; for messages.

    Raises:
        FolderInUse: another process holds it, or one of another machine did, of which nothing can
            be known here; the message says which, and what to do.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    with one_at_a_time(folder):
        if path.exists():
            _check_abandoned(path, folder, option)
        with finished_file(path) as file:
            file.write_text(json.dumps(_own_entry()) + '\n', encoding='utf-8')
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if _is_own(json.loads(path.read_text(encoding='utf-8'))):
                path.unlink()


def check_unused(folder: str | Path, option: str = '--work-dir') -> None:
    """Raise where another run holds a folder; nothing is written.

    Raises:
        FolderInUse: see :func:`run_lock`.
    """
    path = Path(folder) / LOCK_NAME
    if path.exists():
        _check_abandoned(path, Path(folder), option)


def _own_entry() -> dict:
    process = os.getpid()
    return dict(host=socket.gethostname(), pid=process, machine=machine(),
                start=start_of(process), since=time.strftime('%Y-%m-%d %H:%M:%S'))


def _is_own(entry: dict) -> bool:
    own = _own_entry()
    return all(entry.get(key) == own[key] for key in ('machine', 'pid', 'start'))


def _check_abandoned(path: Path, folder: Path, option: str) -> None:
    """Raise unless the lock's process is known to have ended."""
    remedy = (f'Give another {option}, or, if that run is known to have ended, remove {path}')
    try:
        entry = json.loads(path.read_text(encoding='utf-8'))
        host, process, start = str(entry['host']), int(entry['pid']), str(entry['start'])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FolderInUse(f'{path} is there and does not say which run holds it ({error}). {remedy}'
                          ) from error
    if entry.get('machine') != machine():
        raise FolderInUse(
            f'{folder} belongs to a run on another machine or in another container ({host}, '
            f'process {process}, since {entry.get("since")}), and whether it goes on cannot be '
            f'seen from here. {remedy}')
    if runs(process, start) and not _is_own(entry):
        raise FolderInUse(f'process {process} works in {folder} since {entry.get("since")}: two '
                          'runs would overwrite each other\'s files. Wait for it or stop it, '
                          f'or give another {option}')
