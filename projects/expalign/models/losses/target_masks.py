"""Which prompts are positive and which cells they cover, from the instances of a batch.

Axes: B images, K prompts, G instances of the image with most, H x W cells.
"""

import torch
from mmdet.utils import InstanceList
from torch import Tensor

from expalign.structures import TruthBatch


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

    An instance covers the cells of its mask (:func:`~expalign.structures.draw_masks`). One
    without a mask, or with an empty one, covers the cells whose centres lie inside its box, or
    the one that holds the centre of the box.

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
    boxed, covered = truth.real, None
    if truth.cells is not None:
        cells = truth.cells_on(map_size).flatten(2) & truth.has_mask[..., None]  # (B, G, H * W)
        covered = cells.new_zeros((len(cells), num_prompts, cells.shape[2]), dtype=torch.uint8)
        index = truth.labels[..., None].expand_as(cells)
        covered = covered.scatter_reduce_(1, index, cells.view(torch.uint8), 'amax') > 0
        covered = covered.unflatten(2, map_size)
        boxed = boxed & ~cells.any(2)
    filled = _fill_boxes(truth.boxes, truth.labels, boxed, num_prompts, input_size, map_size)
    return filled if covered is None else filled | covered


def _fill_boxes(
    boxes: Tensor,
    labels: Tensor,
    wanted: Tensor,
    num_prompts: int,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Tensor:
    """Cells inside any box (B, G, 4) that is ``wanted`` (B, G) of every prompt, (B, K, H, W)."""
    bounds = [
        _span(boxes[..., axis], boxes[..., 2 + axis], input_size[1 - axis], map_size[1 - axis])
        for axis in (0, 1)]
    (x0, x1), (y0, y1) = bounds
    height, width = (length + 1 for length in map_size)
    # Corners whose double running sum is the number of boxes over a cell: the memory is that
    # of the map, however many boxes there are.
    narrow = (x1 <= x0) | (y1 <= y0)
    centre_x, centre_y = (
        _centre(boxes[..., axis], boxes[..., 2 + axis], input_size[1 - axis], map_size[1 - axis])
        for axis in (0, 1))
    x0, y0 = torch.where(narrow, centre_x, x0), torch.where(narrow, centre_y, y0)
    x1, y1 = torch.where(narrow, centre_x + 1, x1), torch.where(narrow, centre_y + 1, y1)
    corners = labels.new_zeros((len(boxes), num_prompts * height * width), dtype=torch.int32)
    wanted = wanted.to(torch.int32)
    for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        corners.scatter_add_(1, (labels * height + y) * width + x, sign * wanted)
    corners = corners.view(-1, num_prompts, height, width)
    number = corners.cumsum(2, dtype=torch.int32).cumsum(3, dtype=torch.int32)
    return number[..., :-1, :-1] > 0


def _span(low: Tensor, high: Tensor, length: int, cells: int) -> tuple[Tensor, Tensor]:
    """The first cell whose centre lies between two borders (B, G) in pixels, and one past the last.

    Cell j, whose centre is at j + 0.5, is inside where low < j + 0.5 < high.
    """
    cell = length / cells
    first = ((low / cell - 0.5).floor() + 1).clamp(0, cells)
    last = (high / cell - 0.5).ceil().clamp(0, cells)
    return first.long(), last.long()


def _centre(low: Tensor, high: Tensor, length: int, cells: int) -> Tensor:
    """The cell that holds the middle of two borders (B, G) in pixels."""
    cell = length / cells
    return ((low / cell + high / cell) / 2).floor().clamp(0, cells - 1).long()
