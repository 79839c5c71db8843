"""Refusing to write to a file that is read."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

Name = str | Path


def check_outputs(outputs: Iterable[Name], inputs: Iterable[Name]) -> None:
    """Refuse a work that would put an output in the place of one of its inputs.

    Files are compared by what they are, so links and other spellings of a path are seen. Addresses
    and names without a file do no harm.

    Raises:
        ValueError: an output is one of the inputs; both names are given.
    """
    present = [(path, _identity(path)) for path in outputs]
    present = [(path, identity) for path, identity in present if identity is not None]
    if not present:
        return
    read = {_identity(path): path for path in inputs}
    for path, identity in present:
        if identity in read:
            raise ValueError(f"'{path}' is the file to read, '{read[identity]}', and would be "
                             'lost: give another name for the output, or another folder')


def _identity(path: Name) -> tuple[int, int] | None:
    with suppress(OSError, ValueError):  # ValueError: a name with a zero byte
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None
