"""Progress with rate and time left."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

REFRESH = 1.0  # seconds between two lines of progress


@contextmanager
def file_with_progress(path: str | Path, description: str) -> Iterator:
    """Open ``path`` for reading bytes and show how much of it has been read."""
    size = os.path.getsize(path)
    with open(path, 'rb') as file, tqdm.wrapattr(
            file, 'read', total=size, desc=description, mininterval=REFRESH) as wrapped:
        yield wrapped


def progress(items, description: str, total: int | None = None, unit: str = 'image'):
    """Iterate over ``items`` with a bar on the error stream: rate and, with a total, time left."""
    return tqdm(items, desc=description, total=total, unit=unit, mininterval=REFRESH)


@contextmanager
def counted(description: str, total: int, unit: str = 'image', done: int = 0
            ) -> Iterator[Callable[[int], object]]:
    """A bar like that of :func:`progress` for work that comes in groups.

    Args:
        total: of the whole work.
        done: what an earlier call has done of it.

    Yields:
        a function that moves the bar on by a number of units.
    """
    with tqdm(desc=description, total=total, unit=unit, initial=done, mininterval=REFRESH) as bar:
        yield bar.update
