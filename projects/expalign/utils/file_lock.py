"""Locks on open files, which the system releases when their process ends, on every system."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

PAUSE = 0.1  # seconds between two looks where the system cannot wait
# Windows locks bytes against reading, too: this one is behind what files have.
LOCKED_BYTE = 2**31 - 2
TURN = '.turn.lock'


def lock_file(file: IO[bytes], wait: bool) -> None:
    """Lock an open file against other processes that lock it, until it is closed.

    Args:
        file: open for writing.
        wait: for who holds it.

    Raises:
        BlockingIOError: another process holds it; without ``wait``.
        OSError: its file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    descriptor = file.fileno()
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except PermissionError as error:
                if not wait:
                    raise BlockingIOError(error.errno, 'another process holds the lock') from error
            time.sleep(PAUSE)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


@contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Keep other processes of this machine from the same block for the same folder.

    Where the system cannot lock a folder a small file is left in it.
    """
    if fcntl is None:
        with open(Path(folder, TURN), 'a+b') as file:
            with suppress(OSError):
                lock_file(file, wait=True)
            yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
