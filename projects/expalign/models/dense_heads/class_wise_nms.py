"""Class-wise NMS for large vocabularies, as far down the ranking as boxes are wanted.

NMS is greedy: whether a box stays depends on those with higher scores alone, so the ranking is
followed only until enough boxes stay. That is exact. (Not so for soft-NMS, which sees all.)
"""

import math

import numpy as np
import torch
from mmcv.ops import batched_nms
from torch import Tensor

from .greedy_nms import greedy_nms

# Boxes looked at first, for each box wanted; where too few of them stay, more are.
FIRST_LOOK = 4


def is_greedy(nms: dict) -> bool:
    """Whether a box's fate depends on those of higher scores alone."""
    return nms.get('type', 'nms') == 'nms'


def on_gpu(boxes: Tensor) -> bool:
    """Whether the batch is computed at once where it is."""
    return boxes.is_cuda


def batch_nms(
    boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, nms: dict, limit: int,
    rounds: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best ``limit`` boxes of every image that class-wise NMS keeps.

    On a GPU the whole batch is computed there at once. On a CPU, and for other forms than greedy
    NMS, one image follows the other.

    Args:
        boxes: (B, n, 4) xyxy.
        scores: (B, n), falling.
        labels: (B, n).
        valid: (B, n) bool, False behind an image's last candidate.
        nms: mmcv's config: ``type``, ``iou_threshold``, ``class_agnostic``.
        limit: boxes wanted, 1 or more.
        rounds: see :func:`~.greedy_nms.greedy_nms`.

    Returns:
        kept: (B, m) indices by falling score, m = min(limit, n).
        count: (B), how many of them are boxes.
        settled: (B) bool, False where more rounds are needed.
    """
    limit = min(limit, boxes.shape[1])
    if on_gpu(boxes) and is_greedy(nms):
        competing = None if nms.get('class_agnostic') else labels
        kept, settled = greedy_nms(boxes, competing, valid, nms['iou_threshold'], limit, rounds)
        order = kept.int().sort(dim=1, descending=True, stable=True).indices[:, :limit]
        return order, kept.sum(1).clamp(max=limit), settled
    # One tensor, so that there is one way to the CPU for another device's.
    table = torch.cat([boxes, *(x.to(boxes)[..., None] for x in (scores, labels, valid))], 2)
    order = np.zeros((len(boxes), limit), np.int64)
    count = np.zeros(len(boxes), np.int64)
    for image, rows in enumerate(table.numpy(force=True)):
        rows = rows[rows[:, 6] > 0]
        keep = _one_image(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), nms, limit)
        order[image, :len(keep)] = keep
        count[image] = len(keep)
    order, count = (
        torch.from_numpy(x).to(boxes.device, non_blocking=True) for x in (order, count))
    return order, count, torch.ones_like(count, dtype=torch.bool)


def class_wise_nms(
    boxes: Tensor, scores: Tensor, labels: Tensor, nms: dict, limit: int
) -> Tensor:
    """The best ``limit`` boxes of one image that class-wise NMS keeps.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n), falling.
        labels: (n), not negative.
        nms: mmcv's config: ``type``, ``iou_threshold``, ``class_agnostic``.
        limit: boxes wanted, 1 or more.

    Returns:
        Indices (m), m <= limit, by falling score.
    """
    every = torch.ones_like(labels, dtype=torch.bool)[None]
    order, count, _ = batch_nms(
        boxes[None], scores[None], labels[None], every, nms, limit, rounds=len(boxes))
    return order[0, :count[0]]


def _one_image(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, nms: dict, limit: int
) -> np.ndarray:
    """:func:`class_wise_nms` on arrays.

    mmcv keeps classes apart by shifting class i by i image widths along the diagonal; with 1,203
    classes float32 then knows places to 1/16 pixel. Here they are laid out in a square, which is
    30 times as exact.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    boxes = boxes if nms.get('class_agnostic') else _apart(boxes, labels)
    if not is_greedy(nms):
        _, keep = batched_nms(
            *(torch.from_numpy(np.ascontiguousarray(x)) for x in (boxes, scores, labels)),
            dict(nms), class_agnostic=True)
        return keep[:limit].numpy()
    # Not above: numba and the compiled code are loaded when a box needs them.
    from expalign.compat import nms_kernels
    threshold, offset = np.float32(nms['iou_threshold']), np.float32(0)
    count = FIRST_LOOK * limit
    while True:
        corners = np.ascontiguousarray(boxes[:count].T, np.float32)
        keep = nms_kernels.nms(
            corners, nms_kernels.neighbourhoods(*corners[:2]), threshold, offset)
        if len(keep) >= limit or count >= len(boxes):
            return keep[:limit]
        count *= 2


def _apart(boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The boxes, each class in a field of its own, so that classes never overlap."""
    side = math.isqrt(int(labels.max())) + 1
    fields = np.stack([labels % side, labels // side], axis=1)  # (n, 2)
    shift = fields.astype(boxes.dtype) * (boxes.max() - boxes.min() + boxes.dtype.type(1))
    return boxes + np.tile(shift, 2)
