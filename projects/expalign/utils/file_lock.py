"""Locks on open files, which the system releases when their process ends, on every system."""

import errno
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
# Windows locks bytes, against reading, too: these are behind what files have. Who shares a lock has
# one of them, who has it alone has all.
LOCKED_BYTE, SHARES = 2**31 - 256, 64
TURN = '.turn.lock'


def lock_file(file: IO[bytes], wait: bool, shared: bool = False) -> None:
    """Lock an open file against other processes that lock it, until it is closed.

    Args:
        file: open for writing.
        wait: for who holds it.
        shared: with others that share it; on Windows 64 at most.

    Raises:
        BlockingIOError: another process holds it; without ``wait``.
        OSError: its file system has no locks.
    """
    if fcntl is not None:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file, kind | (0 if wait else fcntl.LOCK_NB))
        return
    while not _lock_bytes(file.fileno(), shared):
        if not wait:
            raise BlockingIOError(errno.EACCES, 'another process holds the lock')
        time.sleep(PAUSE)


def _lock_bytes(descriptor: int, shared: bool) -> bool:
    """Lock one of the bytes of a file, or all; whether that was possible. On Windows."""
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        for share in range(SHARES if shared else 1):
            os.lseek(descriptor, LOCKED_BYTE + share, os.SEEK_SET)
            with suppress(PermissionError):
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1 if shared else SHARES)
                return True
        return False
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
