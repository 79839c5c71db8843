"""Turning of frames as a film's display matrix says; telephones store films lying."""

import struct
from fractions import Fraction
from typing import Any

import numpy as np

UPRIGHT = (1, 0, 0, 1)


def orientation_of(frame: Any) -> tuple[int, int, int, int]:
    """How a frame of PyAV is to be turned: a, b, c, d of -1, 0, 1.

    A point (x, y) as stored is shown at (a x + c y, b x + d y), y downwards, as in MP4's ``tkhd``
    (ISO/IEC 14496-12, 6.2.2). Matrices that are no quarter turns or reflections leave it as it is.
    """
    data = frame.side_data.get('DISPLAYMATRIX')
    if data is None:
        return UPRIGHT
    content = bytes(data)
    if len(content) < 36:
        return UPRIGHT
    a, b, _, c, d = struct.unpack('=9i', content[:36])[:5]
    signs = tuple(0 if abs(value) < 2**15 else (1 if value > 0 else -1) for value in (a, b, c, d))
    lying = not signs[0] and not signs[3] and signs[1] and signs[2]
    standing = signs[0] and signs[3] and not signs[1] and not signs[2]
    return signs if lying or standing else UPRIGHT


def turned(image: np.ndarray, orientation: tuple[int, int, int, int]) -> np.ndarray:
    """An image (H, W, 3) as stored, turned."""
    a, b, c, d = orientation
    if not a:
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[::d, ::a])


def turned_aspect(ratio: Fraction | None, orientation: tuple[int, int, int, int]) -> Fraction:
    """Width by height of a pixel, turned; 1 where the film says nothing."""
    if not ratio or ratio <= 0:
        return Fraction(1)
    return Fraction(ratio) if orientation[0] else 1 / Fraction(ratio)
