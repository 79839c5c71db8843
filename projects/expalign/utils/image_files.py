"""Reading of image files: the one way of training, inference, the checks and the converters.

An image is decoded by OpenCV and turned as viewers turn it, whatever its format. Nothing here
imports torch.
"""

import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np

from expalign.limits import IMAGE_BYTES, IMAGE_PIXELS, LimitExceeded

from .file_kinds import describe_content, special_kind

EXIF_ORIENTATION = 0x0112
# Without one of these in it, a file has no orientation. AVIF has it in a box, TIFF in a tag.
ORIENTATION_MARKS = (b'Exif', b'eXIf', b'EXIF', b'tiff:Orientation')
JPEG, PNG, TIFFS = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
HEAD = 64  # bytes that tell a format
SCAN = 0xDA  # marker of a JPEG file before its pixels
# Usual ends of names of what OpenCV reads.
SUFFIXES = ('.avif', '.bmp', '.dib', '.gif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm', '.pgm',
            '.png', '.pnm', '.ppm', '.tif', '.tiff', '.webp')
# Pillow's names of what OpenCV reads, too.
FORMATS = ('JPEG', 'PNG', 'WEBP', 'AVIF', 'TIFF', 'GIF', 'BMP', 'PPM', 'JPEG2000', 'SUN')
# What is to be done with the pixels as stored: transpose, then flip (OpenCV's codes).
TURNS = {1: (False, None), 2: (False, 1), 3: (False, -1), 4: (False, 0),
         5: (True, None), 6: (True, 1), 7: (True, -1), 8: (True, 0)}
BACK = {6: 8, 8: 6}  # what undoes a turn; the others undo themselves
DAMAGED = 'it is damaged, incomplete or not an image'


class UnreadableImage(OSError):
    """A file is no image that can be used.

    Args:
        reason: in a few words, without the path.
        kind: what the file is instead, where that helps.
    """

    def __init__(self, reason: str, kind: str = '') -> None:
        super().__init__(f'{reason} ({kind})' if kind else reason)
        self.reason, self.kind = reason, kind


class OtherSize(OSError):
    """An image has not the size that its annotation says.

    Args:
        size: (width, height) that it has.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(f'it is {size[0]} x {size[1]} pixels')
        self.size = size


class ImageHead(NamedTuple):
    """What the head of an image file says.

    Attributes:
        width: of the image as stored, pixels.
        height: of the image as stored, pixels.
        orientation: EXIF's, 1 to 8; 1 is upright.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) as stored."""
        return self.width, self.height

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) after the turn."""
        return self.stored_size[::-1] if TURNS[self.orientation][0] else self.stored_size


def read_content(path: str | Path) -> bytes:
    """The bytes of a local image file.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableImage: it is no regular file (a folder, device or pipe), too large, or may not be
            read.
    """
    kind = special_kind(path)
    if kind is not None:
        raise UnreadableImage(f'it is {kind}')
    try:
        IMAGE_BYTES.check(os.path.getsize(path), 'it has too many bytes')
        return Path(path).read_bytes()
    except LimitExceeded as error:
        raise UnreadableImage(str(error)) from error
    except PermissionError:
        raise UnreadableImage('it may not be read by this user') from None
    except ValueError as error:  # a zero byte in the path
        raise FileNotFoundError(str(error)) from error


def decode(content: bytes, flags: int = cv2.IMREAD_COLOR,
           annotated: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of an image file, (H, W, 3) uint8 BGR for the default flags.

    The image is turned as its orientation says, unless ``annotated`` is its size as stored and
    not that after the turn.

    Args:
        content: of the file.
        flags: OpenCV's, without one about the orientation.
        annotated: (width, height) that it must have.

    Raises:
        UnreadableImage: it is no image, damaged, incomplete or too large.
        OtherSize: its size is not the annotated one.
    """
    head = read_head(io.BytesIO(content)) if content else None
    orientation = 1
    if head is not None:
        _check_head(head, annotated)
        orientation = head.orientation
    try:
        image = None if not content else cv2.imdecode(
            np.frombuffer(content, dtype=np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except (cv2.error, MemoryError):
        image = None
    if image is None:
        raise _unreadable(content)
    as_stored = head is not None and annotated == head.stored_size != head.size
    if content.startswith(TIFFS):  # OpenCV turns these in any case
        image = turn(image, BACK.get(orientation, orientation)) if as_stored else image
    elif not as_stored:
        image = turn(image, orientation)
    if annotated is not None and annotated != image.shape[1::-1]:
        raise OtherSize(image.shape[1::-1])
    return image


def _check_head(head: ImageHead, annotated: tuple[int, int] | None) -> None:
    """Refuse an image before its pixels take memory."""
    if annotated not in (None, head.size, head.stored_size):
        raise OtherSize(head.size)
    try:
        IMAGE_PIXELS.check(
            head.width * head.height, f'it claims to be {head.width} x {head.height}')
    except LimitExceeded as error:
        raise UnreadableImage(str(error)) from error


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image (H, W, ...) as stored, turned as EXIF's ``orientation`` (1 to 8) says."""
    transposed, code = TURNS[orientation]
    if transposed:
        image = cv2.transpose(image)
    return image if code is None else cv2.flip(image, code)


def _unreadable(content: bytes) -> UnreadableImage:
    if not content:
        return UnreadableImage('the file is empty')
    kind = describe_content(content[:512], len(content))
    if content.startswith(TIFFS):
        return UnreadableImage(DAMAGED, f'{kind}; OpenCV reads those of 8 and 16 bits a sample')
    return UnreadableImage(DAMAGED, '' if kind.endswith(' image') else kind)


def read_head(file: BinaryIO) -> ImageHead | None:
    """Size and orientation of an image file that can be sought in; None if its format is another.

    Reads little of it. A head says nothing about whether the rest is there.
    """
    start = file.read(HEAD)
    if start.startswith(PNG) and start[12:16] == b'IHDR':
        width, height = struct.unpack('>II', start[16:24])
    else:
        size = _jpeg_size(file) if start.startswith(JPEG) else None
        if size is None:
            return _head_by_pillow(file)
        width, height = size
    if not width or not height:
        return None
    # In a JPEG file it stands before the pixels, in a PNG file anywhere.
    end = _scan_start(file) if start.startswith(JPEG) else -1
    file.seek(0)
    content = file.read(end)
    if not any(mark in content for mark in ORIENTATION_MARKS):
        return ImageHead(width, height)
    found = _head_by_pillow(file)
    return ImageHead(width, height, 1 if found is None else found.orientation)


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """(width, height) of a JPEG file from its frame header (ITU T.81, B.2.2)."""
    file.seek(2)
    for marker in _jpeg_markers(file):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = file.read(5)
            if len(frame) < 5:
                return None
            height, width = struct.unpack('>HH', frame[1:])
            return width, height
    return None


def _scan_start(file: BinaryIO) -> int:
    """Where the pixels of a JPEG file start; where its head has errors, far behind those."""
    file.seek(2)
    if SCAN in _jpeg_markers(file):
        return file.tell()
    return file.tell() + 2**17


def _jpeg_markers(file: BinaryIO) -> Iterator[int]:
    """The codes of the segments of a JPEG file's head, from its position on (ITU T.81, B.1.1).

    They end with :data:`SCAN`, or where the head does not go on. The file is behind the length.
    """
    while (marker := file.read(2)) and len(marker) == 2:
        while marker[1] == 0xFF:  # fill bytes
            following = file.read(1)
            if not following:
                return
            marker = b'\xff' + following
        if marker[0] != 0xFF or marker[1] == 0xD9:
            return
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:
            continue
        length = int.from_bytes(file.read(2), 'big')
        end = file.tell() + max(length - 2, 0)
        yield marker[1]
        if marker[1] == SCAN:
            return
        file.seek(end)


def _head_by_pillow(file: BinaryIO) -> ImageHead | None:
    """The head as Pillow reads it, without its limit of pixels, which good images exceed."""
    from PIL import Image
    Image.init()
    file.seek(0)
    start = file.read(16)
    for kind in FORMATS:
        factory, accept = Image.OPEN.get(kind, (None, None))
        try:
            accepted = accept is not None and accept(start)
            if not accepted or isinstance(accepted, str):  # a text says why it cannot be read
                continue
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                image = factory(file, '')
                width, height = image.size
                orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        # Pillow's readers raise all kinds of errors for files of another format or damaged ones.
        except Exception:
            continue
        turned = isinstance(orientation, int) and orientation in TURNS
        head = ImageHead(width, height, orientation if turned else 1)
        # Pillow states the size of a TIFF file as turned.
        tiff_turned = start.startswith(TIFFS) and TURNS[head.orientation][0]
        return ImageHead(height, width, head.orientation) if tiff_turned else head
    return None
