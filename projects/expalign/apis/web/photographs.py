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
# Where other formats have their marks: what a telephone or a program may well give.
OTHERS = ((0, b'GIF8', 'GIF'), (0, b'BM', 'BMP'), (0, b'II*\0', 'TIFF'), (0, b'MM\0*', 'TIFF'),
          (4, b'ftypheic', 'HEIC'), (4, b'ftypheix', 'HEIC'), (4, b'ftypmif1', 'HEIC'),
          (4, b'ftypavif', 'AVIF'))
# What a system has of these: a FIFO would wait for a writer for ever, a link may have been
# exchanged, and Windows would take the content for text.
OPEN_FLAGS = os.O_RDONLY
for flag in ('O_NONBLOCK', 'O_NOFOLLOW', 'O_BINARY'):
    OPEN_FLAGS |= getattr(os, flag, 0)
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
        descriptor = os.open(path, OPEN_FLAGS)
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
    if not content:
        raise PhotographError('is empty')
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
        kind = next((kind for place, mark, kind in OTHERS if content.startswith(mark, place)), '')
        said = f'is a {kind} image' if kind else 'cannot be read as an image'
        raise PhotographError(f'{said}: use a JPEG, PNG or WebP file') from error
