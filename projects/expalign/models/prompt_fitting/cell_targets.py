"""What each cell should say about each prompt, from boxes.

Axes: N cells, n boxes, K prompts.
"""

import torch
from torch import Tensor

from .best_cells import best_cells

POSITIVES = 10  # cells of a box, as many as the assigner of training takes
LEAST = 0.5  # IoU of what counts


def cell_targets(
    cell_boxes: Tensor, boxes: Tensor, labels: Tensor, num_prompts: int,
    positives: int = POSITIVES, least: float = LEAST,
) -> tuple[Tensor, Tensor]:
    """Targets in [0, 1], and which of them count.

    Of the cells whose own boxes overlap a box by more than ``least``, the best ``positives`` are
    its positive ones, with their IoU over the best of them as the target. The others would be left
    over by non-maximum suppression: they say nothing. All the rest is to be 0.

    Args:
        cell_boxes: (N, 4) xyxy, which the cells stand for.
        boxes: (n, 4) xyxy.
        labels: (n) prompts.
        num_prompts: K.
        positives, least: see above.

    Returns:
        targets (N, K) and counted (N, K) bool.
    """
    targets = cell_boxes.new_zeros(len(cell_boxes), num_prompts)
    unsaid = torch.zeros_like(targets, dtype=torch.bool)
    if len(boxes):
        places, ious = best_cells(cell_boxes, boxes, len(cell_boxes))
        near = ious > least
        chosen = near.clone()
        chosen[:, positives:] = False
        goals = ious / ious[:, :1].clamp(min=least)
        for row, label in enumerate(labels.tolist()):
            own = places[row, chosen[row]]
            targets[own, label] = targets[own, label].maximum(goals[row, chosen[row]])
            unsaid[places[row, near[row] & ~chosen[row]], label] = True
    return targets, ~(unsaid & (targets == 0))
