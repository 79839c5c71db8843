"""The cells that stand for a box: those whose own boxes overlap it most.

Axes: N cells, n boxes, m cells of each box.
"""

import torch
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

CELLS = 20  # of an example
LEAST_IOU = 0.3  # of the best cell of an example: less, and no cell stands for it


def best_cells(cell_boxes: Tensor, boxes: Tensor, count: int = CELLS) -> tuple[Tensor, Tensor]:
    """The cells with the largest IoU with each box, the best first.

    Args:
        cell_boxes: (N, 4) xyxy, which the cells stand for.
        boxes: (n, 4) xyxy.
        count: m.

    Returns:
        Their places (n, m) and IoUs (n, m).
    """
    overlaps = bbox_overlaps(boxes.to(cell_boxes), cell_boxes)  # (n, N)
    ious, places = torch.topk(overlaps, min(count, len(cell_boxes)), dim=1)
    return places, ious
