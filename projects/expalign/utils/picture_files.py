"""Pictures written to files."""

from pathlib import Path

import cv2
import numpy as np

from .finished_file import finished_file

# Formats for colour pictures of any size that OpenCV writes. Results in others become JPEG.
PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
# Where that fails, as for sides that a format cannot have, this one takes the picture.
LAST_SUFFIX = '.png'


def write_picture(path: str | Path, picture: np.ndarray) -> Path:
    """Write a picture (H, W, 3) uint8 RGB; it appears complete.

    Returns:
        The file: ``path``, or with the suffix of PNG where its own format cannot hold the picture.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    for name in (path, path.with_suffix(LAST_SUFFIX)):
        if content := encode_picture(picture, name.suffix):
            with finished_file(name) as temporary:
                temporary.write_bytes(content)
            return name
    raise OSError(f'cannot write {path}: OpenCV cannot encode a picture of {picture.shape}')


def encode_picture(picture: np.ndarray, suffix: str) -> bytes | None:
    """The content of a file of a picture RGB; None where the format cannot hold it."""
    try:
        done, content = cv2.imencode(suffix, np.ascontiguousarray(picture[..., ::-1]))
    except cv2.error:
        return None
    return content.tobytes() if done else None


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture with its longer side of at most so many pixels."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
