"""A lock for objects that are copied and pickled."""

from threading import RLock
from typing import Any


class OwnLock:
    """A re-entrant lock, ``with lock: ...``; a copy or pickle of it is another one, and free.

    Models are copied, for moving averages, and a plain lock cannot be.
    """

    def __init__(self) -> None:
        self._lock = RLock()

    def __reduce__(self):
        return OwnLock, ()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self._lock.release()
