"""Images in their places on a ground of one colour, drawn as far as it is wanted."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import mmcv
import numpy as np


class CanvasPart(NamedTuple):
    """An image on a canvas.

    Attributes:
        image: (H, W, 3) as loaded, or (H, W).
        size: (width, height) that it has on the canvas.
        paste: x1, y1, x2, y2 of what can be seen of it, on the canvas.
        crop: the same on the scaled image.
    """

    image: np.ndarray
    size: tuple[int, int]
    paste: tuple[int, int, int, int]
    crop: tuple[int, int, int, int]


class Canvas:
    """Images on a ground, which is endless; only what is inside of ``shape`` has images.

    Args:
        parts: the images; what can be seen of them does not overlap.
        shape: (H, W, 3) or, of grey images, (H, W).
        ground: its colour, a number or one for each channel.
    """

    def __init__(self, parts: Sequence[CanvasPart], shape: tuple[int, ...],
                 ground: float | Sequence[float]) -> None:
        self.parts, self.shape, self.ground = parts, shape, ground
        self.dtype = parts[0].image.dtype

    @classmethod
    def around(cls, image: np.ndarray, ground: float | Sequence[float]) -> 'Canvas':
        """A canvas of the size of one image (H, W, 3) or (H, W)."""
        size = image.shape[1::-1]
        return cls([CanvasPart(image, size, (0, 0, *size), (0, 0, *size))], image.shape, ground)

    def draw(self, window: tuple[int, int, int, int] | None = None) -> np.ndarray:
        """The pixels of a window x1, y1, x2, y2, which may reach out; by default of it all.

        mmyolo's mosaic draws the same.
        """
        left, top, right, bottom = window or (0, 0, *self.shape[1::-1])
        # One row first: numpy is slow to repeat what is as short as a colour.
        row = np.full((right - left, *self.shape[2:]), self.ground, dtype=self.dtype)
        pixels = np.empty((bottom - top, *row.shape), dtype=self.dtype)
        pixels[:] = row
        for part in self.parts:
            x1, y1 = np.maximum(part.paste[:2], (left, top)).tolist()
            x2, y2 = np.minimum(part.paste[2:], (right, bottom)).tolist()
            if x1 < x2 and y1 < y2:
                x, y = np.subtract(part.crop[:2], part.paste[:2]).tolist()
                pixels[y1 - top:y2 - top, x1 - left:x2 - left] = scaled_pixels(
                    part.image, part.size, (x1 + x, y1 + y, x2 + x, y2 + y))
        return pixels


def scaled_pixels(image: np.ndarray, size: tuple[int, int],
                  crop: tuple[int, int, int, int]) -> np.ndarray:
    """What ``crop`` (x1, y1, x2, y2) shows of an image scaled to ``size`` (width, height).

    Little more of the image than that is scaled.
    """
    x1, y1, x2, y2 = crop
    if size == image.shape[1::-1]:
        return image[y1:y2, x1:x2]
    columns, left, right = _aligned(image.shape[1], size[0], x1, x2)
    rows, top, bottom = _aligned(image.shape[0], size[1], y1, y2)
    scaled = mmcv.imresize(image[rows, columns], (right - left, bottom - top))
    return scaled[y1 - top:y2 - top, x1 - left:x2 - left]


def _aligned(length: int, scaled: int, start: int, end: int) -> tuple[slice, int, int]:
    """A stretch of an axis that scales to whole pixels, so that its pixels are those of the whole.

    Args:
        length: of the axis, pixels.
        scaled: its length when it is scaled.
        start: first scaled pixel that is wanted.
        end: behind the last one.

    Returns:
        The stretch of the axis, and where it starts and ends when it is scaled. The pixels at its
        ends are not those of the whole, and never among the wanted ones.
    """
    step = scaled // math.gcd(length, scaled)
    margin = math.ceil(scaled / length / 2) + 1
    first = max(start - margin, 0) // step * step
    last = min(-(-(end + margin) // step) * step, scaled)
    return slice(first * length // scaled, last * length // scaled), first, last
