"""Which prompts are positive and which cells they cover, from the instances of a batch.

Axes: B images, K prompts, G instances of the image with most, H x W cells.
"""

import torch
from mmdet.utils import InstanceList
from torch import Tensor

from expalign.structures.box_cells import box_spans
from expalign.structures.truth_batch import TruthBatch


def positive_prompts(truth: TruthBatch | InstanceList, num_prompts: int) -> Tensor:
    """Prompts that have an instance, (B, K) bool."""
    truth = TruthBatch.of(truth)
    counts = truth.labels.new_zeros((len(truth.labels), num_prompts))
    return counts.scatter_add_(1, truth.labels, truth.real.long()) > 0


def target_masks(
    truth: TruthBatch | InstanceList,
    num_prompts: int,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Tensor:
    """Union of the instances of every prompt on the cells of a map.

    An instance covers the cells of its mask (:func:`~expalign.structures.draw_masks`), or those of
    its box (:func:`~expalign.structures.box_spans`) if it has no mask, or an empty one.

    Args:
        truth: the padded instances, or those of every image; see
            :meth:`~expalign.structures.TruthBatch.of`.
        num_prompts: K.
        input_size: height and width of the input in pixels.
        map_size: H and W.

    Returns:
        (B, K, H, W) bool.

    Raises:
        ValueError: masks larger than the input.
    """
    truth = TruthBatch.of(truth)
    if truth.cells is None:
        return _fill_boxes(truth, num_prompts, input_size, map_size)
    cells = truth.cells_on(map_size).flatten(2).view(torch.uint8)  # (B, G, H * W)
    covered = cells.new_zeros((len(cells), num_prompts, cells.shape[2]))
    index = truth.labels[..., None].expand_as(cells)
    return (covered.scatter_reduce_(1, index, cells, 'amax') > 0).unflatten(2, map_size)


def _fill_boxes(
    truth: TruthBatch, num_prompts: int, input_size: tuple[int, int], map_size: tuple[int, int]
) -> Tensor:
    """Cells inside any box of every prompt, (B, K, H, W) bool."""
    x0, y0, x1, y1 = box_spans(truth.boxes, input_size, map_size)
    height, width = (length + 1 for length in map_size)
    # Corners whose double running sum is the number of boxes over a cell: the memory is that
    # of the map, however many boxes there are.
    rows = truth.labels * height
    corners = torch.cat([(rows + y) * width + x for y in (y0, y1) for x in (x0, x1)], 1)
    number = corners.new_zeros((len(corners), num_prompts * height * width), dtype=torch.int32)
    real = truth.real.to(torch.int32)
    number.scatter_add_(1, corners, torch.cat([real, -real, -real, real], 1))
    number = number.view(-1, num_prompts, height, width)
    number = number.cumsum(2, dtype=torch.int32).cumsum(3, dtype=torch.int32)
    return number[..., :-1, :-1] > 0
