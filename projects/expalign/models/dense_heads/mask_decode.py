"""From mask logits on the prototypes' grid to masks on the pixels of the images of a batch.

Axes: B images, n instances, m the most that an image may have, h x w prototype cells.

Crops of about one size are computed together, so many at a time as the limit on temporary memory
allows; where masks are encoded, their run lengths are found on the device, too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from expalign.structures.rle_masks import RLE, RLEMasks

from .mask_crops import Frame, axis_of_crops, upsample_crops
from .run_lengths import changes_in_crops, encode_changes, places_of_changes

MASK_FORMATS = ('rle', 'dense')
# Pixels of crops that are computed together: what keeps a GPU busy, what a CPU's caches hold.
PIXELS_AT_ONCE, PIXELS_ON_CPU = 2**25, 2**20
LOGITS_AT_ONCE = 2**26


@dataclass(frozen=True)
class Instances:
    """Instances of some images whose logits are there, laid end to end.

    Attributes:
        rows: (n) places of their logits.
        axes: (n, 2, 6), see :class:`~.mask_crops.Axis`.
        spans: (n, 5), see :func:`~.run_lengths.changes_in_crops`.
        sides: (n, 2), width and height of their crops.
        images, ranks: (n), which instance of which image of the batch each is.
    """

    rows: np.ndarray
    axes: np.ndarray
    spans: np.ndarray
    sides: np.ndarray
    images: np.ndarray
    ranks: np.ndarray

    def at(self, chosen: np.ndarray) -> 'Instances':
        """Those at the given places."""
        return Instances(*(x[chosen] for x in vars(self).values()))

    def of_one_size(self, limit: int) -> Iterator['Instances']:
        """Parts whose crops, all as large as the widest and the highest, have few pixels enough."""
        order = np.argsort(-self.sides.prod(1), kind='stable')
        start, stop = 0, 1
        while start < len(order):
            sides = self.sides[order[start]]
            while stop < len(order):
                larger = np.maximum(sides, self.sides[order[stop]])
                if (stop + 1 - start) * larger.prod() > limit:
                    break
                sides, stop = larger, stop + 1
            yield self.at(order[start:stop])
            start, stop = stop, stop + 1


def decode_masks(
    logits: Tensor, boxes: Tensor, size: tuple[int, int], scale: tuple[float, float] = (1.0, 1.0),
    pad: tuple[float, float] = (0.0, 0.0), stride: float = 4.0, mask_format: str = 'rle',
    max_dense_bytes: int = 2**30,
) -> RLEMasks | Tensor:
    """Masks of one image, each cut at its box.

    Args:
        logits: (n, h, w).
        boxes: (n, 4) xyxy in pixels of the image.
        size, scale, pad: see :class:`~.mask_crops.Frame`.
        stride, mask_format, max_dense_bytes: see :func:`decode_batch`.

    Returns:
        :class:`RLEMasks` or (n, H, W) bool.

    Raises:
        ValueError: unknown format, or dense masks above the limit.
    """
    return decode_batch(
        lambda images: logits[None], [boxes.numpy(force=True)], [Frame(size, scale, pad)],
        logits.shape, stride, mask_format, max_dense_bytes)[0]


def decode_batch(
    logits_of: Callable[[slice], Tensor], boxes: Sequence[np.ndarray], frames: Sequence[Frame],
    shape: tuple[int, int, int], stride: float, mask_format: str = 'rle',
    max_dense_bytes: int = 2**30,
) -> list[RLEMasks | Tensor]:
    """Masks of a batch, each cut at its box.

    Args:
        logits_of: gives the logits of some images of the batch, (images, m, h, w).
        boxes: per image (n, 4) xyxy in its pixels, n <= m.
        frames: of the images.
        shape: m, h and w.
        stride: input pixels per prototype cell.
        mask_format: ``'rle'``: every mask is encoded as soon as it is computed; ``'dense'``: a
            bool tensor on the device of the logits.
        max_dense_bytes: the largest tensor that ``'dense'`` may make for an image.

    Returns:
        per image :class:`RLEMasks` or (n, H, W) bool.

    Raises:
        ValueError: unknown format, or dense masks above the limit.
    """
    if mask_format not in MASK_FORMATS:
        raise ValueError(f"test_cfg.mask_format must be 'rle' or 'dense', got {mask_format!r}")
    at_once = max(1, LOGITS_AT_ONCE // max(1, int(np.prod(shape))))
    dense, places, owners, done, total = [], [], [], [], 0
    for start in range(0, len(boxes), at_once):
        images = range(len(boxes))[start:start + at_once]
        logits = logits_of(slice(images.start, images.stop)).flatten(0, 1)
        if mask_format == 'dense':
            dense += [_empty_masks(boxes[i], frames[i], max_dense_bytes, logits) for i in images]
        limit = PIXELS_ON_CPU if logits.device.type == 'cpu' else PIXELS_AT_ONCE
        instances = _instances(images, boxes, frames, shape, stride)
        for part in instances.of_one_size(limit):
            axes, spans, rows = (torch.from_numpy(x).to(logits.device, non_blocking=True)
                                 for x in (part.axes, part.spans, part.rows))
            sides = tuple(part.sides.max(0).clip(min=1).tolist())
            crops = upsample_crops(logits.index_select(0, rows), axes, sides, stride)
            if mask_format == 'dense':
                _paste(crops, part, dense)
                continue
            place, owner = places_of_changes(changes_in_crops(crops, spans), spans)
            places.append(place)
            owners.append(owner + total)
            done.append(part)
            total += len(part.rows)
    if mask_format == 'dense':
        return dense
    found: list[list] = [[None] * len(own) for own in boxes]
    if total:
        pixels = [frames[image].size[0] * frames[image].size[1]
                  for part in done for image in part.images]
        texts = iter(encode_changes(torch.cat(places), torch.cat(owners), pixels))
        for part in done:
            for image, rank in zip(part.images, part.ranks, strict=True):
                found[image][rank] = RLE(size=list(frames[image].size), counts=next(texts))
    return [RLEMasks(rles, frame.size) for rles, frame in zip(found, frames, strict=True)]


def _instances(
    images: range, boxes: Sequence[np.ndarray], frames: Sequence[Frame],
    shape: tuple[int, int, int], stride: float,
) -> Instances:
    """The instances of some images."""
    parts = []
    most, height, width = shape
    for number, image in enumerate(images):
        x1, y1, x2, y2 = boxes[image].T
        frame, ranks = frames[image], np.arange(len(x1))
        x = axis_of_crops(x1, x2, frame, 0, width, stride)
        y = axis_of_crops(y1, y2, frame, 1, height, stride)
        sides = np.stack([x.stop - x.start, y.stop - y.start], 1).astype(np.int64)
        rows = np.full(len(x1), frame.size[0])
        spans = np.stack(
            [x.start, y.start, sides[:, 1], rows, sides[:, 1] == rows], 1).astype(np.int64)
        parts.append((number * most + ranks, np.stack([x.columns(), y.columns()], 1), spans, sides,
                      np.full(len(x1), image), ranks))
    return Instances(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def _paste(crops: Tensor, part: Instances, dense: Sequence[Tensor]) -> None:
    """Put crops where they belong."""
    for crop, (left, top, *_), (width, height), image, rank in zip(
            crops, part.spans, part.sides, part.images, part.ranks, strict=True):
        dense[image][rank, top:top + height, left:left + width] = crop[:width, 1:height + 1].T


def _empty_masks(boxes: np.ndarray, frame: Frame, limit: int, like: Tensor) -> Tensor:
    """Masks (n, H, W) of nothing."""
    num, size = len(boxes), frame.size
    needed = num * size[0] * size[1]
    if needed > limit:
        raise ValueError(
            f'dense masks of {num} instances on an image of {size[1]} x {size[0]} pixels take '
            f'{needed / 2**20:,.0f} MiB, above the limit of {limit / 2**20:,.0f} MiB: use '
            "test_cfg.mask_format='rle', keep fewer instances (test_cfg.max_per_img, "
            'test_cfg.score_thr) or raise test_cfg.max_dense_bytes')
    return torch.zeros(num, *size, dtype=torch.bool, device=like.device)
