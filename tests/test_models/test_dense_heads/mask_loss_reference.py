"""Mask loss of YOLOv8-seg: binary cross entropy inside the box, divided by the box's area.

Axes: P locations, each of one instance; G instances; M prototypes; h x w prototype cells.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.mask import BaseInstanceMasks, PolygonMasks
from mmengine.structures import InstanceData
from torch import Tensor


def mask_loss_sum(
    coeffs: Tensor, prototypes: Tensor, masks: Tensor, instances: Tensor, boxes: Tensor
) -> Tensor:
    """Sum over the locations of one image of (sum of BCE inside the box) / (area of the box).

    A cell is inside a box if its centre is.

    Args:
        coeffs: (P, M).
        prototypes: (M, h, w).
        masks: (G, h, w) bool, what to learn.
        instances: (P) long, the instance of each location.
        boxes: (P, 4) its box, xyxy in prototype cells.
    """
    logits = torch.einsum('pm,mhw->phw', coeffs, prototypes)
    inside = cells_inside(boxes, prototypes.shape[1:])
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1e-6)
    return F.binary_cross_entropy_with_logits(
        logits, masks[instances].to(logits.dtype), weight=inside / area[:, None, None],
        reduction='sum')


def cells_inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Whether the centre of a cell lies in a box: (P, 4) xyxy in cells -> (P, h, w) bool."""
    height, width = size
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    in_x = (x >= boxes[:, [0]]) & (x < boxes[:, [2]])  # (P, w)
    in_y = (y >= boxes[:, [1]]) & (y < boxes[:, [3]])  # (P, h)
    return in_y[:, :, None] & in_x[:, None, :]


def match_instances(boxes: Tensor, labels: Tensor, instances: InstanceData) -> Tensor:
    """The instance whose box and label were assigned to each location, (P) long.

    Of instances with the same box and label the first is meant, as in the assigner.

    Args:
        boxes: (P, 4) assigned boxes, copies of the instances' own.
        labels: (P) assigned labels.
        instances: ``bboxes`` (G, 4) and ``labels`` (G).
    """
    same = (boxes[:, None] == instances.bboxes.to(boxes)).all(-1)  # (P, G)
    same &= labels[:, None] == instances.labels
    return same.int().argmax(1)


def presence_of_masks(instances: InstanceData) -> Tensor:
    """Which instances have a mask, (G) bool: all that have ``masks``, unless ``has_mask`` says."""
    labels = instances.labels
    if 'masks' not in instances:
        return torch.zeros_like(labels, dtype=torch.bool)
    if 'has_mask' not in instances:
        return torch.ones_like(labels, dtype=torch.bool)
    return instances.has_mask.to(labels.device, torch.bool)


def masks_on_grid(masks: BaseInstanceMasks, size: tuple[int, int], stride: int, device) -> Tensor:
    """Instance masks on a grid that starts at the input's top left corner.

    A cell belongs to a mask if its centre does; polygons are drawn on the grid itself.

    Args:
        masks: G masks in pixels of the input.
        size: h and w of the grid.
        stride: input pixels per cell.

    Returns:
        (G, h, w) bool on ``device``.

    Raises:
        TypeError: masks are no instance masks of mmdet.
    """
    if not isinstance(masks, BaseInstanceMasks):
        raise TypeError(
            f'gt_instances.masks must be PolygonMasks or BitmapMasks, got {type(masks).__name__}: '
            'load masks with expalign.LoadInstances')
    masks = masks.pad((size[0] * stride, size[1] * stride))
    if isinstance(masks, PolygonMasks):
        return masks.resize(size).to_tensor(torch.bool, device)
    centres = slice(stride // 2, None, stride)
    return masks.to_tensor(torch.bool, device)[:, centres, centres]
