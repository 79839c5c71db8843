"""Where the crops of instances lie among the prototype cells, and the masks in them.

Axes: n instances, h x w prototype cells of ``stride`` input pixels, H x W pixels of the image.

Logits are interpolated (bilinearly), not probabilities; a pixel is in the mask where its logit is
above zero, which is a probability above one half. A pixel's value depends on its own place alone,
so that only the pixels inside an instance's box are ever computed.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """How an image lies in the network's input.

    Attributes:
        size: H and W.
        scale: input pixels per image pixel, along x and y.
        pad: letterbox padding of the input at the left and at the top, in pixels.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    pad: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Axis:
    """One axis of the crops of n instances.

    Attributes:
        start, stop: (n), first and one past the last pixel whose centre lies in the box.
        scale, pad: (n), see :class:`Frame`.
        first, last: (n), the outermost cells whose centre is in the image's content.
    """

    start: np.ndarray
    stop: np.ndarray
    scale: np.ndarray
    pad: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def columns(self) -> np.ndarray:
        """(n, 6) float64."""
        return np.stack([self.start, self.stop, self.scale, self.pad, self.first, self.last], 1)


def axis_of_crops(
    low: np.ndarray, high: np.ndarray, frame: Frame, axis: int, cells: int, stride: float
) -> Axis:
    """Where the crops of an image's instances lie along an axis.

    Cells whose centre is in the letterbox padding take no part: what lies beyond the outermost cell
    of the image's content has that cell's value.

    Args:
        low, high: (n), the sides of the boxes in pixels of the image.
        frame: of the image.
        axis: 0 for x, 1 for y.
        cells: length of the axis on the prototypes' grid.
        stride: input pixels per cell.
    """
    pixels, scale, pad = frame.size[1 - axis], frame.scale[axis], frame.pad[axis]
    first = max(math.ceil(pad / stride - 0.5), 0)
    last = min(math.floor((pad + pixels * scale) / stride - 0.5), cells - 1)
    start, stop = (np.clip(np.ceil(x.astype(np.float64) - 0.5), 0, pixels) for x in (low, high))
    same = np.ones(len(low))
    return Axis(start, np.maximum(start, stop), same * scale, same * pad, same * first,
                same * max(last, first))


def interpolation_taps(
    axis: Tensor, pixels: int, before: int, stride: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The two cells between which pixels lie, and how far they are to the second.

    Pixel i has its centre at (i + 0.5) * scale + pad of the input and so, counted in cells, at
    that / stride - 0.5.

    Args:
        axis: (n, 6) float64, see :class:`Axis`.
        pixels: how many are wanted, the same for all instances.
        before: how many of them lie before the crop.
        stride: input pixels per cell.
        dtype: of the weights.

    Returns:
        low (n, pixels) long, high (n, pixels) long, and weights (n, pixels) in [0, 1]; NaN at
        pixels that are not in the instance's own crop.
    """
    start, stop, scale, pad, first, last = axis[..., None].unbind(1)  # (n, 1) each
    number = start + torch.arange(-before, pixels - before, device=axis.device)
    places = (((number + 0.5) * scale + pad) / stride - 0.5).clamp(first, last)
    low = places.floor()
    weights = (places - low).masked_fill((number < start) | (number >= stop), math.nan)
    return low.long(), torch.minimum(low + 1, last).long(), weights.to(dtype)


def upsample_crops(logits: Tensor, axes: Tensor, size: tuple[int, int], stride: float) -> Tensor:
    """Masks of crops, column by column, with a row of False before and behind each column.

    Args:
        logits: (n, h, w).
        axes: (n, 2, 6) float64, of x and y, see :class:`Axis`.
        size: width and height that hold the crops of all instances.
        stride: input pixels per prototype cell.

    Returns:
        (n, width, height + 2) bool.
    """
    width, height = size[0], size[1] + 2
    low, high, weights = interpolation_taps(axes[:, 1], height, 1, stride, logits.dtype)
    lines = torch.lerp(_lines(logits, low), _lines(logits, high), weights[..., None])
    columns = lines.transpose(1, 2).contiguous()  # (n, w, height)
    low, high, weights = interpolation_taps(axes[:, 0], width, 0, stride, logits.dtype)
    # NaN is not above zero: nothing lies outside of an instance's own crop.
    return torch.lerp(_lines(columns, low), _lines(columns, high), weights[..., None]) > 0


def _lines(x: Tensor, numbers: Tensor) -> Tensor:
    """Of every (h, w) of x (n, h, w) the lines with the numbers (n, k): (n, k, w)."""
    first = torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    picked = x.flatten(0, 1).index_select(0, (numbers + first).flatten())
    return picked.view(*numbers.shape, x.shape[2])
