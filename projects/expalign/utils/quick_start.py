"""Imports and models that the garbage collector does not look through."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made inside stays out of every later collection; none runs meanwhile.

    For what lives as long as the process: looking through the hundreds of thousands of objects of
    torch and mmdet, again and again while they are imported and once more at the end, takes a
    second of a command's time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
