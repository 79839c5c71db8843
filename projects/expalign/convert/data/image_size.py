"""Size of an image file as the data sets load it."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

EXIF_ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)  # orientations that exchange width and height


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) in pixels after the turn that the file's EXIF asks for; reads the head only.

    Raises:
        OSError: the file is missing, empty or no image; the message names it.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(EXIF_ORIENTATION) in TURNED
    except FileNotFoundError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise OSError(f"cannot read image '{path}': {error}") from error
    return (height, width) if turned else (width, height)
