"""Cells of a map that boxes cover.

Axes: G boxes after any leading axes, H x W cells.
"""

import torch
from torch import Tensor


def box_spans(
    boxes: Tensor, input_size: tuple[int, int], map_size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First cells and one past the last: those whose centre lies inside a box.

    Cell j, whose centre is at j + 0.5, is inside where low < j + 0.5 < high. A box without any
    has the cell that holds the centre of the box.

    Args:
        boxes: (..., G, 4) xyxy in pixels of the input.
        input_size: its height and width.
        map_size: H and W.

    Returns:
        x0, y0, x1, y1, each (..., G) long.
    """
    # Both axes at a time: x, then y.
    cell = torch.tensor([input_size[1] / map_size[1], input_size[0] / map_size[0]])
    limit = torch.tensor([map_size[1], map_size[0]])
    cell, limit = (x.to(boxes.device, boxes.dtype, non_blocking=True) for x in (cell, limit))
    low, high = (boxes.unflatten(-1, (2, 2)) / cell).unbind(-2)  # (..., G, 2) each
    first = ((low - 0.5).floor() + 1).clamp(min=0).minimum(limit)
    last = (high - 0.5).ceil().clamp(min=0).minimum(limit)
    centre = ((low + high) / 2).floor().clamp(min=0).minimum(limit - 1)
    empty = (last <= first).any(-1, keepdim=True)
    first, last = torch.where(empty, centre, first), torch.where(empty, centre + 1, last)
    (x0, y0), (x1, y1) = first.long().unbind(-1), last.long().unbind(-1)
    return x0, y0, x1, y1


def box_cells(boxes: Tensor, map_size: tuple[int, int], stride: int) -> Tensor:
    """Cells of ``stride`` pixels inside each box (G, 4), (G, H, W) bool; see :func:`box_spans`."""
    height, width = map_size
    x0, y0, x1, y1 = (
        x[:, None] for x in box_spans(boxes, (height * stride, width * stride), map_size))
    x, y = (torch.arange(length, device=boxes.device) for length in (width, height))
    return ((y >= y0) & (y < y1))[:, :, None] & ((x >= x0) & (x < x1))[:, None]
