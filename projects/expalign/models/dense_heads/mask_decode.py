"""From mask logits on the prototypes' grid to masks on the pixels of an image.

Axes: n instances, h x w prototype cells of ``stride`` input pixels, H x W pixels of the image.

Logits are interpolated (bilinearly), not probabilities; a pixel is in the mask where its logit is
above zero, which is a probability above one half. A pixel's value depends on its own place alone,
so that only the pixels inside an instance's box are ever computed, one instance after the other.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .rle_masks import RLEMasks, encode_crop

MASK_FORMATS = ('rle', 'dense')


class Taps(NamedTuple):
    """The two cells between which each pixel of an axis lies, and how far it is to the second."""

    low: Tensor  # (pixels,) long
    high: Tensor  # (pixels,) long
    weight: Tensor  # (pixels,) float, in [0, 1]

    def between(self, start: int, stop: int) -> 'Taps':
        """Those of the pixels from ``start`` up to ``stop``."""
        return Taps(*(x[start:stop] for x in self))


def interpolation_taps(
    pixels: int, cells: int, scale: float, pad: float, stride: float, like: Tensor
) -> Taps:
    """Where the pixels of one image axis lie among the prototype cells.

    Pixel i has its centre at (i + 0.5) * scale + pad of the input and so, counted in cells, at
    that / stride - 0.5. Cells whose centre is in the letterbox padding take no part: what lies
    beyond the outermost cell of the image's content has that cell's value.

    Args:
        pixels: length of the axis in the image.
        cells: length of the axis on the prototypes' grid.
        scale: input pixels per image pixel.
        pad: input pixels before the content.
        stride: input pixels per cell.
        like: a tensor of the type and device wanted.
    """
    first = max(math.ceil(pad / stride - 0.5), 0)
    last = min(math.floor((pad + pixels * scale) / stride - 0.5), cells - 1)
    last = max(last, first)
    places = (torch.arange(pixels, dtype=torch.float64, device=like.device) + 0.5) * scale + pad
    places = (places / stride - 0.5).clamp(first, last)
    low = places.floor().long()
    return Taps(low, (low + 1).clamp(max=last), (places - low).to(like.dtype))


def pixels_inside(low: float, high: float, pixels: int) -> tuple[int, int]:
    """First and one past the last pixel of an axis whose centre lies in [low, high)."""
    start, stop = (min(max(math.ceil(x - 0.5), 0), pixels) for x in (low, high))
    return start, max(start, stop)


def upsample_crop(logits: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Mask logits (h, w) at the given pixels, thresholded: (pixels of rows, of columns) bool."""
    lines = torch.lerp(logits[rows.low], logits[rows.high], rows.weight[:, None])
    return torch.lerp(
        lines.index_select(1, columns.low), lines.index_select(1, columns.high),
        columns.weight) > 0


def decode_masks(
    logits: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    scale: tuple[float, float] = (1.0, 1.0),
    pad: tuple[float, float] = (0.0, 0.0),
    stride: float = 4.0,
    mask_format: str = 'rle',
    max_dense_bytes: int = 2**30,
) -> RLEMasks | Tensor:
    """Masks of one image, each cut at its box.

    Args:
        logits: (n, h, w).
        boxes: (n, 4) xyxy in pixels of the image.
        size: H and W.
        scale: input pixels per image pixel, along x and y.
        pad: letterbox padding of the input at the left and at the top, in pixels.
        stride: input pixels per prototype cell.
        mask_format: ``'rle'``: every mask is encoded as soon as it is computed; ``'dense'``: a
            bool tensor on the device of the logits.
        max_dense_bytes: the largest tensor that ``'dense'`` may make.

    Returns:
        :class:`RLEMasks` or (n, H, W) bool.

    Raises:
        ValueError: unknown format, or dense masks above the limit.
    """
    if mask_format not in MASK_FORMATS:
        raise ValueError(f"test_cfg.mask_format must be 'rle' or 'dense', got {mask_format!r}")
    height, width = size
    dense = None
    if mask_format == 'dense':
        _check_size(len(logits), size, max_dense_bytes)
        dense = torch.zeros(len(logits), height, width, dtype=torch.bool, device=logits.device)
    columns = interpolation_taps(width, logits.shape[2], scale[0], pad[0], stride, logits)
    rows = interpolation_taps(height, logits.shape[1], scale[1], pad[1], stride, logits)
    rles = []
    for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        (left, right), (top, bottom) = pixels_inside(x1, x2, width), pixels_inside(y1, y2, height)
        crop = upsample_crop(
            logits[index], rows.between(top, bottom), columns.between(left, right))
        if dense is None:
            rles.append(encode_crop(crop.cpu().numpy(), left, top, size))
        else:
            dense[index, top:bottom, left:right] = crop
    return RLEMasks(rles, size) if dense is None else dense


def _check_size(num: int, size: Sequence[int], limit: int) -> None:
    needed = num * size[0] * size[1]
    if needed > limit:
        raise ValueError(
            f'dense masks of {num} instances on an image of {size[1]} x {size[0]} pixels take '
            f'{needed / 2**20:,.0f} MiB, above the limit of {limit / 2**20:,.0f} MiB: use '
            "test_cfg.mask_format='rle', keep fewer instances (test_cfg.max_per_img, "
            'test_cfg.score_thr) or raise test_cfg.max_dense_bytes')
