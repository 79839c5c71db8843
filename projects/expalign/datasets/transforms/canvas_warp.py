"""Affine maps of a canvas, of which no more is drawn than can be seen.

``cv2.warpAffine`` looks up 2 x 2 pixels for each one of the output. ``cv2.resize`` takes a third of
the time, but knows no shift: pixel e of its output lies at ``(e + 1/2) / s - 1/2`` of its input.
With an input that begins at x0, and n pixels of the output that are left out, that is, for pixel d,

    x0 + (d + n + 1/2) / s - 1/2,    wanted:  (d - t) / s,    so  x0 = 1/2 - (t + n + 1/2) / s

which is near to a whole number for one of some dozen n, unless s is near to a simple fraction.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np

from .canvas import Canvas

TOLERANCE = 1 / 64  # of a pixel: cv2.warpAffine rounds places to 1/32
MAX_LEFT_OUT = 128


class Stretch(NamedTuple):
    """What ``cv2.resize`` is to be given along one axis.

    Attributes:
        start: first pixel of its input.
        end: behind the last one.
        left_out: pixels at the beginning of its output that are not wanted.
    """

    start: int
    end: int
    left_out: int


def warp(canvas: Canvas, matrix: np.ndarray, size: tuple[int, int],
         border_val: float | tuple[float, ...]) -> np.ndarray:
    """The image of a canvas under an affine map.

    It is that of ``cv2.warpAffine``, with places rounded to another 1/32 of a pixel.

    Args:
        canvas: (H, W, 3) or (H, W).
        matrix: (2, 3) from the canvas to the output, in pixel centres.
        size: (height, width) of the output.
        border_val: colour of the surroundings of the canvas, by channel.

    Returns:
        (height, width, 3) or (height, width).
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    upright = matrix[0, 1] == matrix[1, 0] == 0 and min(matrix[0, 0], matrix[1, 1]) > 0
    if upright and _same_colour(canvas, border_val):
        across = find_stretch(matrix[0, 0], matrix[0, 2], size[1])
        down = find_stretch(matrix[1, 1], matrix[1, 2], size[0])
        if across is not None and down is not None:
            return _resized(canvas, matrix, size, across, down)
    left, top, right, bottom = window = _visible(canvas.shape, matrix, size)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    return cv2.warpAffine(
        canvas.draw(window), shifted, dsize=size[::-1], borderValue=border_val)


def find_stretch(scale: float, shift: float, length: int) -> Stretch | None:
    """How to get ``length`` pixels, of which pixel d lies at ``(d - shift) / scale``.

    Returns:
        None if no beginning is near enough, or the output would be as large as the input, which
        OpenCV copies.
    """
    fewest = max(math.ceil(scale / 2 - 0.5), 0)  # OpenCV looks up no pixel before the first
    left_out = np.arange(fewest, fewest + MAX_LEFT_OUT)
    starts = 0.5 - (shift + left_out + 0.5) / scale
    near = np.flatnonzero(np.abs(starts - np.rint(starts)) <= TOLERANCE)
    if not len(near):
        return None
    left_out, start = int(left_out[near[0]]), round(float(starts[near[0]]))
    extent = math.ceil((left_out + length + 0.5) / scale) + 2
    if round(extent * scale) == extent:
        return None
    return Stretch(start, start + extent, left_out)


def _resized(canvas: Canvas, matrix: np.ndarray, size: tuple[int, int], across: Stretch,
             down: Stretch) -> np.ndarray:
    """The output of :func:`warp` by ``cv2.resize``."""
    pixels = cv2.resize(
        canvas.draw((across.start, down.start, across.end, down.end)), None,
        fx=matrix[0, 0], fy=matrix[1, 1], interpolation=cv2.INTER_LINEAR)
    return pixels[down.left_out:down.left_out + size[0], across.left_out:across.left_out + size[1]]


def colour_of(border_val: float | tuple[float, ...], shape: tuple[int, ...]) -> tuple[float, ...]:
    """OpenCV's border of an image (H, W, C) or (H, W), by channel: what is not given is 0."""
    values = (*np.atleast_1d(border_val).tolist(), 0, 0, 0)
    return values[:math.prod(shape[2:])]


def _same_colour(canvas: Canvas, border_val: float | tuple[float, ...]) -> bool:
    """Whether the ground goes on as what is around the canvas, in the canvas's type."""
    ground = np.asarray(canvas.ground)
    return bool(np.all(ground == colour_of(border_val, canvas.shape))
                and np.all(ground == ground.astype(canvas.dtype)))


def _visible(shape: tuple[int, ...], matrix: np.ndarray,
             size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The window (x1, y1, x2, y2) of a canvas (H, W, ...) of which the output may show pixels.

    It has a pixel at least.
    """
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[x, y, 1] for x in (0, size[1] - 1) for y in (0, size[0] - 1)])
    places = corners @ inverse.T
    limits = np.array(shape[1::-1])
    start = np.clip(np.floor(places.min(0)) - 1, 0, limits - 1)
    end = np.clip(np.ceil(places.max(0)) + 2, start + 1, limits)
    return *start.astype(int).tolist(), *end.astype(int).tolist()
