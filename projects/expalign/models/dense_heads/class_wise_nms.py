"""Class-wise NMS for large vocabularies, as far down the ranking as boxes are wanted."""

import math

import torch
from mmcv.ops import batched_nms
from torch import Tensor

# Boxes looked at first, for each box wanted; where too few of them stay, twice as many, and so on.
FIRST_LOOK = 4


def class_wise_nms(
    boxes: Tensor, scores: Tensor, labels: Tensor, nms: dict, limit: int
) -> Tensor:
    """The best ``limit`` boxes that class-wise NMS keeps.

    NMS is greedy: whether a box stays depends on those with higher scores alone, so the ranking is
    followed only until ``limit`` boxes stay. That is exact. (Not so for soft-NMS, which sees all.)

    mmcv keeps classes apart by shifting class i by i image widths along the diagonal; with 1,203
    classes float32 then knows places to 1/16 pixel. Here they are laid out in a square, which is
    30 times as exact.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n), falling.
        labels: (n), not negative.
        nms: mmcv's config: ``type``, ``iou_threshold``, ``class_agnostic``.
        limit: boxes wanted, 1 or more.

    Returns:
        Indices (m), m <= limit, by falling score.
    """
    if not len(boxes):
        return labels.new_zeros(0)
    shifted = boxes if nms.get('class_agnostic') else _apart(boxes, labels)
    greedy = nms.get('type', 'nms') == 'nms'
    count = FIRST_LOOK * limit if greedy else len(boxes)
    while True:
        _, keep = batched_nms(
            shifted[:count], scores[:count], labels[:count], dict(nms), class_agnostic=True)
        if greedy:  # of equal scores the first come first, however many boxes were looked at
            keep = keep.sort().values
        if len(keep) >= limit or count >= len(boxes):
            return keep[:limit]
        count *= 2


def _apart(boxes: Tensor, labels: Tensor) -> Tensor:
    """The boxes, each class in a field of its own, so that classes never overlap."""
    side = math.isqrt(int(labels.max())) + 1
    fields = torch.stack([labels % side, labels // side], dim=1)  # (n, 2)
    return boxes + (fields * (boxes.max() - boxes.min() + 1)).repeat(1, 2).to(boxes)
