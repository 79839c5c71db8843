"""Decoded images in memory that the worker processes of a loader share.

Images are written one behind the other and never move; what no longer fits is not kept. Every
process reads the headers that others have written since it last looked, so that most lookups need
no lock. A process that is killed leaves an entry that is never ready, or a lock that nobody gets
any more: whoever does not get it soon does without.
"""

import hashlib
import logging
import mmap
import multiprocessing
import os
import struct
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log

ALIGNMENT = 64  # bytes
PATIENCE = 0.01  # seconds; the lock is held for microseconds
END = struct.Struct('<q')  # at the start of the memory: where the next entry goes
# ready, digest of the key, time and size of the file, and shape (height, width, channels or 0)
HEADER = struct.Struct('<?16sqqiii')


class Entry(NamedTuple):
    """Where an image is.

    Attributes:
        offset: of its header.
        stamp: time (ns) and size (bytes) of its file.
        shape: (H, W, C) or (H, W).
    """

    offset: int
    stamp: tuple[int, int]
    shape: tuple[int, ...]


class ImageCache:
    """Images of 8 bits, up to a number of bytes in all of the processes together.

    Processes that are forked after it was made share it. A process that is started in another way
    has to make its own.

    Args:
        size: bytes, at most. Memory is taken when it is filled.

    Raises:
        OSError: the system does not give so much.
    """

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, max(size, ALIGNMENT))
        self._lock = multiprocessing.Lock()
        self._entries: dict[bytes, Entry] = {}
        self._ready: set[int] = set()
        self._read_to = ALIGNMENT
        END.pack_into(self._memory, 0, self._read_to)

    def __len__(self) -> int:
        """The number of images that this process knows of."""
        return len(self._entries)

    def used(self) -> int:
        """Bytes that are taken."""
        return END.unpack_from(self._memory)[0]

    def get(self, key: tuple, stamp: tuple[int, int]) -> np.ndarray | None:
        """A copy of the image of a file that had this ``stamp``, (H, W, C) or (H, W), uint8."""
        digest = _digest(key)
        entry = self._entries.get(digest)
        if entry is None or entry.stamp != stamp:
            self._read_new()
            entry = self._entries.get(digest)
        if entry is None or entry.stamp != stamp or not self._is_ready(entry.offset):
            return None
        return self._pixels(entry).copy()

    def put(self, key: tuple, stamp: tuple[int, int], image: np.ndarray) -> bool:
        """Keep a copy of an image, if there is room for it.

        Returns:
            Whether it is kept.
        """
        if image.dtype != np.uint8:
            return False
        entry = self._reserve(_digest(key), stamp, image.shape)
        if entry is None:
            return False
        self._pixels(entry)[...] = image
        # The lock makes other processes see the pixels before they see that they are ready.
        if not self._lock.acquire(timeout=PATIENCE):
            return False
        self._memory[entry.offset] = 1
        self._lock.release()
        self._ready.add(entry.offset)
        return True

    def _reserve(self, digest: bytes, stamp: tuple[int, int],
                 shape: tuple[int, ...]) -> Entry | None:
        """Room for an image that no process has written yet."""
        self._read_new()
        known = self._entries.get(digest)
        if (known is not None and known.stamp == stamp) or not self._lock.acquire(timeout=PATIENCE):
            return None
        try:
            offset = self.used()
            end = offset + _length(shape)
            if self._read_to != offset or end > len(self._memory):
                return None
            HEADER.pack_into(
                self._memory, offset, False, digest, *stamp, *(*shape, 0)[:3])
            END.pack_into(self._memory, 0, end)
        finally:
            self._lock.release()
        self._read_new()
        return self._entries[digest]

    def _read_new(self) -> None:
        """Read the headers that were written since the last time."""
        if self._read_to == self.used() or not self._lock.acquire(timeout=PATIENCE):
            return
        end = self.used()
        self._lock.release()
        while self._read_to < end:
            _, digest, time, size, *shape = HEADER.unpack_from(self._memory, self._read_to)
            entry = Entry(self._read_to, (time, size), tuple(shape if shape[2] else shape[:2]))
            self._entries[digest] = entry
            self._read_to += _length(entry.shape)

    def _is_ready(self, offset: int) -> bool:
        if offset in self._ready:
            return True
        if not self._memory[offset] or not self._lock.acquire(timeout=PATIENCE):
            return False
        self._lock.release()
        self._ready.add(offset)
        return True

    def _pixels(self, entry: Entry) -> np.ndarray:
        """The image in the memory itself."""
        return np.ndarray(entry.shape, np.uint8, self._memory, entry.offset + ALIGNMENT)


def _digest(key: tuple) -> bytes:
    return hashlib.blake2b(repr(key).encode(), digest_size=16).digest()


def _length(shape: tuple[int, ...]) -> int:
    """Bytes of an entry, header and all."""
    return ALIGNMENT + -(-int(np.prod(shape, dtype=np.int64)) // ALIGNMENT) * ALIGNMENT


def file_stamp(path: str) -> tuple[int, int] | None:
    """Time of the last change (ns) and size (bytes) of a file; None if it cannot be asked."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


_caches: dict[int, ImageCache] = {}  # by size; inherited by processes that are forked


def make_cache(size: int) -> None:
    """Let this process, and those that are forked from it, have a cache of ``size`` bytes.

    Where processes are not forked, on Windows, there is none, and none where the system does not
    give the memory, which the log says.
    """
    if size in _caches or 'fork' not in multiprocessing.get_all_start_methods():
        return
    try:
        _caches[size] = ImageCache(size)
    except (OSError, OverflowError, ImportError) as error:  # ImportError: no semaphores
        print_log(f'no images are kept in memory, as there is none for cache_bytes={size}: {error}',
                  logger='current', level=logging.WARNING)


def find_cache(size: int) -> ImageCache | None:
    """The cache that this process or one that it was forked from has made; None without one."""
    return _caches.get(size)
