"""Images as the test pipeline makes them, without its libraries: reading and letterboxing.

For a square the result equals that of ``mmyolo.YOLOv5KeepRatioResize`` and ``mmyolo.LetterResize``
bit by bit.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from expalign.utils.image_files import UnreadableImage, decode, read_content

from .settings import DetectorSettings


class Letterboxed(NamedTuple):
    """An image in the network's frame.

    Attributes:
        pixels: (3, H, W) float32, 0...255, in the network's order of channels.
        scale: input pixels per pixel of the image, (x, y).
        pad: padding at the left and at the top, in input pixels.
        size: height and width of the image.
    """

    pixels: np.ndarray
    scale: tuple[float, float]
    pad: tuple[int, int]
    size: tuple[int, int]


def read_image(path: str | Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8, BGR, turned as its EXIF orientation says.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no image, damaged, too large or no regular file.
    """
    try:
        return decode(read_content(path))
    except UnreadableImage as error:
        raise OSError(f"cannot read image '{path}': {error}") from error


def letterbox(image: np.ndarray, settings: DetectorSettings) -> Letterboxed:
    """Fit an image into the network's input, keeping its proportions.

    Args:
        image: (H, W, 3) uint8, BGR.
        settings: ``image_size``, ``pad_value`` and ``channel_order`` are used.

    Raises:
        ValueError: the image is of another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f'an image is an array (H, W, 3) of uint8 in BGR, got {image.shape} of {image.dtype}')
    width, height = settings.image_size
    old_height, old_width = image.shape[:2]
    ratio = min(width / old_width, height / old_height)
    if ratio != 1:
        image = cv2.resize(
            image, (max(int(old_width * ratio), 1), max(int(old_height * ratio), 1)),
            interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    new_height, new_width = image.shape[:2]
    left, top = (round((free // 2) - 0.1) for free in (width - new_width, height - new_height))
    frame = np.full((height, width, 3), settings.pad_value, dtype=np.uint8)
    frame[top:top + new_height, left:left + new_width] = image
    if settings.channel_order == 'RGB':
        frame = frame[..., ::-1]
    return Letterboxed(
        np.ascontiguousarray(frame.transpose(2, 0, 1), dtype=np.float32),
        (new_width / old_width, new_height / old_height), (left, top), (old_height, old_width))
