"""Masks of detections in numpy: the same pixels as ``decode_masks`` of the PyTorch head.

Axes: n detections, M prototypes, h x w prototype cells.
"""

import math
from typing import NamedTuple

import numpy as np

from .preprocess import Letterboxed


class BoxMask(NamedTuple):
    """A mask that is empty outside of its box.

    Attributes:
        left, top: column and row of the crop's first pixel in the image.
        crop: (h, w) bool.
    """

    left: int
    top: int
    crop: np.ndarray

    def on_image(self, size: tuple[int, int]) -> np.ndarray:
        """The mask on an image of ``size`` (height, width), bool."""
        mask = np.zeros(size, dtype=bool)
        height, width = self.crop.shape
        mask[self.top:self.top + height, self.left:self.left + width] = self.crop
        return mask


def decode_masks(
    coeffs: np.ndarray, prototypes: np.ndarray, boxes: np.ndarray, frame: Letterboxed, stride: int
) -> list[BoxMask]:
    """Masks of one image, each cut at its box.

    Logits are interpolated bilinearly between the cells whose centre lies in the image's content;
    a pixel is in the mask where its logit is above zero.

    Args:
        coeffs: (n, M).
        prototypes: (M, h, w).
        boxes: (n, 4) xyxy in pixels of the image.
        frame: how the image lies in the network's input.
        stride: input pixels per prototype cell.
    """
    cells_y, cells_x = prototypes.shape[1:]
    flat = prototypes.reshape(len(prototypes), -1)
    masks = []
    for coeff, box in zip(coeffs, boxes.tolist(), strict=True):
        logits = (coeff @ flat).reshape(cells_y, cells_x)
        spans = [_pixels_inside(box[axis], box[axis + 2], frame.size[1 - axis]) for axis in (0, 1)]
        low_x, high_x, part_x = _taps(spans[0], frame, 0, cells_x, stride)
        low_y, high_y, part_y = _taps(spans[1], frame, 1, cells_y, stride)
        lines = _between(logits[low_y], logits[high_y], part_y[:, None])
        crop = _between(lines[:, low_x], lines[:, high_x], part_x) > 0
        masks.append(BoxMask(spans[0][0], spans[1][0], crop))
    return masks


def _pixels_inside(low: float, high: float, pixels: int) -> tuple[int, int]:
    """First and one past the last pixel of an axis whose centre lies in [low, high)."""
    start, stop = (min(max(math.ceil(x - 0.5), 0), pixels) for x in (low, high))
    return start, max(start, stop)


def _taps(
    span: tuple[int, int], frame: Letterboxed, axis: int, cells: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two cells between which each pixel lies, and how far it is to the second."""
    pixels, scale, pad = frame.size[1 - axis], frame.scale[axis], frame.pad[axis]
    first = max(math.ceil(pad / stride - 0.5), 0)
    last = max(min(math.floor((pad + pixels * scale) / stride - 0.5), cells - 1), first)
    places = (np.arange(*span) + 0.5) * scale + pad
    places = (places / stride - 0.5).clip(first, last)
    low = np.floor(places).astype(np.int64)
    return low, np.minimum(low + 1, last), (places - low).astype(np.float32)


def _between(start: np.ndarray, end: np.ndarray, part: np.ndarray) -> np.ndarray:
    return start + part * (end - start)
