"""Size of an image file as the data sets load it."""

import warnings
from pathlib import Path

import cv2
from PIL import Image, ImageOps, UnidentifiedImageError

from expalign.file_kinds import special_kind

EXIF_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
# Formats that OpenCV reads, too: what is in the head can be trusted.
READ_ALIKE = {'AVIF', 'BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'MPO', 'PNG', 'PPM', 'TIFF', 'WEBP'}


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in pixels after the turn that the file's EXIF asks for.

    Reads the head only, of usual formats.

    Raises:
        OSError: the file is missing, empty, a pipe or device, or no image that training reads;
            the message names it.
    """
    kind = special_kind(path)
    if kind is not None:
        raise OSError(f"cannot read image '{path}': it is {kind}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.format not in READ_ALIKE:
                    return _decoded_size(path)
                turned = image.getexif().get(EXIF_ORIENTATION) in TURNED
                if turned and image.format == 'TIFF':  # some versions of Pillow turn it themselves
                    return ImageOps.exif_transpose(image).size
                width, height = image.size
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError:
        return _decoded_size(path)  # large, and no bomb if OpenCV takes it
    except UnidentifiedImageError:
        return _decoded_size(path)
    except (OSError, SyntaxError, ValueError) as error:
        raise OSError(f"cannot read image '{path}': {error}") from error
    return (height, width) if turned else (width, height)


def _decoded_size(path: str | Path) -> tuple[int, int]:
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except (cv2.error, UnicodeEncodeError):
        image = None
    if image is None:
        raise OSError(f"cannot read image '{path}': it is damaged, incomplete or not an image")
    return image.shape[1], image.shape[0]
