"""What is read of an uploaded photograph: regular files, three formats, bounded work."""

import io
import os
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps

from . import limits

FORMATS = ('JPEG', 'PNG', 'WEBP')
SCAN = b'\xff\xda'  # begins a scan of a JPEG; every scan goes over the whole picture
MAX_SCANS = 100  # cameras and programs write one to twenty


class Photograph(NamedTuple):
    """An uploaded photograph: the file's content, and its pixels (H, W, 3) uint8 RGB."""

    content: bytes
    pixels: np.ndarray


class PhotographError(ValueError):
    """A file is no photograph that the page takes; the message says why, without its name."""


def read_file(path: str | Path) -> bytes:
    """The content of a photograph's file.

    Raises:
        PhotographError: it is no regular file, or too large.
    """
    try:
        # A FIFO would wait for a writer for ever, and a link may have been exchanged.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        raise PhotographError('is not there any more: choose it again') from error
    try:
        about, limit = os.fstat(descriptor), limits.PHOTOGRAPH_BYTES.value
        if not stat.S_ISREG(about.st_mode):
            raise PhotographError('is no file')
        if about.st_size > limit:
            raise PhotographError(f'has {about.st_size:,} bytes; {limit:,} are the limit')
        with os.fdopen(descriptor, 'rb', closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def decode(content: bytes) -> np.ndarray:
    """A photograph as (H, W, 3) uint8 RGB, upright.

    Raises:
        PhotographError: it is none, is damaged, or has too many pixels.
    """
    limit = limits.PHOTOGRAPH_PIXELS.value
    allowed = f'{limit / 1e6:g} million are the limit'
    try:
        with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as image:
            # Only the header is read so far.
            if image.width * image.height > limit:
                raise PhotographError(f'has {image.width} x {image.height} pixels; {allowed}')
            if content.count(SCAN) > MAX_SCANS and content.startswith(b'\xff\xd8'):
                raise PhotographError('takes too long to read: save it in another program')
            return np.asarray(PIL.ImageOps.exif_transpose(image).convert('RGB'))
    except PhotographError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise PhotographError(f'has too many pixels; {allowed}') from error
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError,
            AttributeError) as error:
        # Pillow's readers of damaged files end in any of these.
        raise PhotographError('cannot be read as an image: use a JPEG, PNG or WebP file'
                              ) from error
