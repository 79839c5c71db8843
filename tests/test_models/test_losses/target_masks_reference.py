"""Which prompts are positive and which cells they cover, from the instances of a batch.

Axes: B images, K prompts, G instances of an image, N of the batch, H x W cells.
"""

import numpy as np
import torch
from mmdet.structures.mask import BaseInstanceMasks
from mmdet.utils import InstanceList
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F

# Pixels of instance masks that are resampled at once: 16 MB in float32.
CHUNK_PIXELS = 2**22


def positive_prompts(batch_gt_instances: InstanceList, num_prompts: int) -> Tensor:
    """Prompts that have an instance, (B, K) bool, from ``labels`` (G) of every image."""
    rows = _prompt_rows(batch_gt_instances, num_prompts)
    positives = rows.new_zeros(len(batch_gt_instances) * num_prompts, dtype=torch.bool)
    positives[rows] = True
    return positives.view(-1, num_prompts)


def target_masks(
    batch_gt_instances: InstanceList,
    num_prompts: int,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Tensor:
    """Union of the instances of every prompt on the cells of a map.

    An instance covers the cells of which its mask fills more than half, or the one it fills
    most if there is none. An instance without a mask, or with an empty one, covers the cells
    whose centres lie inside its box, or the one that holds the centre of the box.

    Args:
        batch_gt_instances: per image ``bboxes`` (G, 4) xyxy in pixels of the input, ``labels``
            (G) indexing the image's prompts and, optionally, ``masks`` (mmdet's instance masks
            or a bool tensor (G, h, w), which end at or before the input's bottom right) and
            ``has_mask`` (G) bool, False where a mask is a placeholder.
        num_prompts: K.
        input_size: height and width of the input in pixels.
        map_size: H and W.

    Returns:
        (B, K, H, W) bool.

    Raises:
        ValueError: masks larger than the input.
    """
    rows = _prompt_rows(batch_gt_instances, num_prompts)  # (N,)
    num_rows = len(batch_gt_instances) * num_prompts
    covered = rows.new_zeros((num_rows, *map_size), dtype=torch.bool)
    boxed = torch.ones_like(rows, dtype=torch.bool)
    start = 0
    for instances in batch_gt_instances:
        end = start + len(instances.labels)
        boxed[start:end] = _add_masks(covered, instances, rows[start:end], input_size)
        start = end
    boxes = torch.cat([instances.bboxes for instances in batch_gt_instances])
    covered |= _fill_boxes(boxes[boxed], rows[boxed], num_rows, input_size, map_size)
    return covered.view(-1, num_prompts, *map_size)


def _prompt_rows(batch_gt_instances: InstanceList, num_prompts: int) -> Tensor:
    """Index of every instance's prompt among the B * K of the batch, (N,)."""
    return torch.cat([
        image * num_prompts + instances.labels
        for image, instances in enumerate(batch_gt_instances)])


def _add_masks(
    covered: Tensor, instances: InstanceData, rows: Tensor, input_size: tuple[int, int]
) -> Tensor:
    """Mark the cells of an image's masks in ``covered`` (B * K, H, W).

    Returns:
        (G,) bool, True at instances that have no mask to mark.
    """
    boxed = torch.ones_like(rows, dtype=torch.bool)
    has_mask = torch.as_tensor(instances.get('has_mask', boxed), dtype=torch.bool)
    if 'masks' not in instances or not has_mask.any():
        return boxed
    with_mask = has_mask.nonzero()[:, 0].cpu()
    step = max(1, CHUNK_PIXELS // (input_size[0] * input_size[1]))
    for chosen in with_mask.split(step):
        masks = _as_tensor(instances.masks, chosen, rows.device)
        coverage = _coverage(masks, input_size, covered.shape[-2:])  # (n, H, W)
        cells = coverage > 0.5
        most, where = coverage.flatten(1).max(1)
        lost = ((most > 0) & ~cells.flatten(1).any(1)).nonzero()[:, 0]
        cells.view(len(cells), -1)[lost, where[lost]] = True
        index, y, x = cells.nonzero(as_tuple=True)
        chosen = chosen.to(rows.device)
        covered[rows[chosen][index], y, x] = True
        boxed[chosen] = most == 0
    return boxed


def _as_tensor(masks: BaseInstanceMasks | Tensor, chosen: Tensor, device: torch.device) -> Tensor:
    """The chosen masks as (n, h, w) bool."""
    if isinstance(masks, BaseInstanceMasks):
        return masks[chosen.numpy().astype(np.int64)].to_tensor(torch.bool, device)
    return masks[chosen.to(masks.device)].to(device, torch.bool)


def _coverage(masks: Tensor, input_size: tuple[int, int], map_size: tuple[int, int]) -> Tensor:
    """The share of every cell that a mask (n, h, w) fills, (n, H, W)."""
    below, right = (full - part for full, part in zip(input_size, masks.shape[1:], strict=True))
    if below < 0 or right < 0:
        raise ValueError(
            f'instance masks of {tuple(masks.shape[1:])} pixels are larger than the input, '
            f'{tuple(input_size)}: transform masks together with the image')
    return F.adaptive_avg_pool2d(F.pad(masks.float(), (0, right, 0, below)), map_size)


def _fill_boxes(
    boxes: Tensor,
    rows: Tensor,
    num_rows: int,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Tensor:
    """Cells inside any box (N, 4) of every row, (rows, H, W) bool."""
    height, width = map_size
    cell = boxes.new_tensor([input_size[1] / width, input_size[0] / height])
    limit = boxes.new_tensor([width, height])
    low, high = boxes[:, :2] / cell, boxes[:, 2:] / cell  # (N, 2), in cells, x and y
    centre = ((low + high) / 2).floor().clamp(min=0).minimum(limit - 1)
    # Cell j, whose centre is at j + 0.5, is inside where low < j + 0.5 < high.
    first = ((low - 0.5).floor() + 1).clamp(min=0)
    last = (high - 0.5).ceil().minimum(limit)  # exclusive
    empty = (last <= first).any(1, keepdim=True)
    (x0, y0), (x1, y1) = (
        torch.where(empty, a, b).long().unbind(1)
        for a, b in ((centre, first), (centre + 1, last)))
    # Corners whose double running sum is the number of boxes over a cell: the memory is that
    # of the map, however many boxes there are.
    corners = rows.new_zeros((num_rows, height + 1, width + 1), dtype=torch.int32)
    one = corners.new_ones(())
    for y, x, sign in ((y0, x0, one), (y0, x1, -one), (y1, x0, -one), (y1, x1, one)):
        corners.index_put_((rows, y, x), sign, accumulate=True)
    number = corners.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
    return number[:, :height, :width] > 0
