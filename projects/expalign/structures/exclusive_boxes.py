"""One box for each thing, where a thing is of one class alone. Plain numpy: no PyTorch is needed.

Axes: n boxes.
"""

import numpy as np


def exclusive_boxes(boxes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Which boxes are left when those of different classes suppress each other.

    Args:
        boxes: (n, 4) xyxy by falling score.
        iou_threshold: a box that overlaps a better one by more is left out.

    Returns:
        Indices (m) of those that stay, ascending.
    """
    overlaps = box_iou(boxes, boxes) > iou_threshold
    keep = np.ones(len(boxes), dtype=bool)
    for row in range(len(boxes)):
        if keep[row]:
            keep[row + 1:] &= ~overlaps[row, row + 1:]
    return np.flatnonzero(keep)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4) xyxy; 0 where both have no area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inside = (high - low).clip(min=0).prod(-1)
    areas = [(x[:, 2:] - x[:, :2]).clip(min=0).prod(-1) for x in (first, second)]
    union = areas[0][:, None] + areas[1][None] - inside
    return np.divide(inside, union, out=np.zeros_like(union, dtype=float), where=union > 0)
