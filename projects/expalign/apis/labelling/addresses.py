"""Files on this machine and, through fsspec, on others: ``s3://``, ``gs://``, ``https://``, ..."""

import time
from functools import cache
from typing import IO, Any

from expalign.limits import IMAGE_BYTES, LimitExceeded
from expalign.utils.file_kinds import is_address
from expalign.utils.image_files import UnreadableImage, read_content

TRIES, PAUSE = 3, 0.5  # of an address that does not answer; seconds, twice as long each time
BLOCK = 4 * 2**20  # bytes that are asked for at a time where a file is read from its beginning
EXTRA = 'pip install "expalign[label]"; s3:// needs s3fs, gs:// needs gcsfs'


def read_file(name: str) -> bytes:
    """The bytes of an image file.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it cannot be read; an address after several tries.
    """
    if not is_address(name):
        return read_content(name)
    for attempt in range(TRIES):
        try:
            return _fetch(name)
        except (FileNotFoundError, PermissionError, UnreadableImage):
            raise
        except Exception as error:  # every file system has errors of its own
            if attempt + 1 == TRIES:
                raise UnreadableImage(f'cannot be fetched: {type(error).__name__}: {error}'
                                      ) from error
            time.sleep(PAUSE * 2**attempt)
    raise AssertionError


def _fetch(address: str) -> bytes:
    system, path = file_system(address)
    content = system.cat_file(path)  # one request, where opening asks for the size before
    try:
        IMAGE_BYTES.check(len(content), 'it has too many bytes')
    except LimitExceeded as error:
        raise UnreadableImage(str(error)) from error
    return content


def open_file(name: str) -> IO[bytes]:
    """A file that is read from its beginning, on this machine or another."""
    if not is_address(name):
        return open(name, 'rb')
    system, path = file_system(name)
    return system.open(path, 'rb', block_size=BLOCK)


def file_system(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it.

    Raises:
        ValueError: nothing here reads addresses of that kind; the message says what to install.
    """
    scheme = address.split('://', 1)[0]
    _check_scheme(scheme)
    from fsspec.core import url_to_fs
    return url_to_fs(address)


@cache
def _check_scheme(scheme: str) -> None:
    try:
        from fsspec import get_filesystem_class
        get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise ValueError(f'{scheme}:// cannot be read: {error}. {EXTRA}') from error
