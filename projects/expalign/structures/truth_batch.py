"""The instances of a batch as padded tensors."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F

from .box_cells import box_cells
from .drawn_masks import CELL_STRIDE, GRID_STRIDE, draw_masks


class TruthBatch(NamedTuple):
    """Instances of B images, padded to the G of the image with most, at least one.

    Attributes:
        boxes: (B, G, 4) float32 xyxy in pixels of the input, 0 at padding.
        labels: (B, G) long, each indexing its image's prompts, 0 at padding.
        real: (B, G) bool, False at padding.
        has_mask: (B, G) bool, False where an instance has no mask.
        cells: (B, G, H, W) bool, the cells of P3 that every instance covers, see
            :func:`instance_cells`; None where no image has masks.
        grid: (B, G, h, w) bool, the masks on the grid of the prototypes, or None. What it has where
            there is no mask does not matter.
    """

    boxes: Tensor
    labels: Tensor
    real: Tensor
    has_mask: Tensor
    cells: Tensor | None = None
    grid: Tensor | None = None

    @classmethod
    def of(cls, truth: 'TruthBatch | Sequence[InstanceData]') -> 'TruthBatch':
        """A padded batch as it is, or instances by image, padded on their device.

        Args:
            truth: per image ``bboxes`` (G, 4), ``labels`` (G) and, where there are masks,
                ``mask_cells`` (G, H, W) and ``mask_grid`` (G, h, w), as
                :class:`~expalign.datasets.transforms.PackInstances` draws them, or else ``masks``,
                which are drawn here; and ``has_mask`` (G), without which all have one.
        """
        if isinstance(truth, TruthBatch):
            return truth
        images: list[InstanceData] = list(truth)
        counts = [len(instances.labels) for instances in images]
        boxes = [getattr(x.bboxes, 'tensor', x.bboxes).float() for x in images]
        places = _Places(counts, max(1, *counts), boxes[0].device)
        drawn = [_drawn(*pair) for pair in zip(images, boxes, strict=True)]
        cells, grid, has_mask = (list(column) for column in zip(*drawn, strict=True))
        with_masks = any(part is not None for part in grid)
        return cls(
            places.put(boxes),
            places.put([instances.labels for instances in images]),
            places.put([torch.ones_like(part) for part in has_mask]),
            places.put(has_mask),
            places.put(_same_size(cells, boxes, CELL_STRIDE)) if with_masks else None,
            places.put(_same_size(grid, boxes, GRID_STRIDE)) if with_masks else None)

    def masks_on(self, size: tuple[int, int]) -> Tensor:
        """The masks on a prototype grid of h and w, (B, G, h, w) bool; empty without any.

        Raises:
            ValueError: they were drawn on a larger grid.
        """
        return _on_map(self.grid, self.real, size, GRID_STRIDE)

    def cells_on(self, size: tuple[int, int]) -> Tensor:
        """The masks' cells on a map of P3 of H and W, (B, G, H, W) bool; see :meth:`masks_on`."""
        return _on_map(self.cells, self.real, size, CELL_STRIDE)

    def to(self, device: torch.device) -> 'TruthBatch':
        """The batch on a device; from pinned memory the host does not wait for the copies."""
        return TruthBatch._make(
            part if part is None else part.to(device, non_blocking=True) for part in self)


class _Places:
    """Where the instances of all images, one after the other, are in a padded batch."""

    def __init__(self, counts: Sequence[int], slots: int, device: torch.device) -> None:
        self.shape, self.device = (len(counts), slots), device
        index = np.concatenate([
            image * slots + np.arange(count) for image, count in enumerate(counts)])
        self.index = torch.from_numpy(index.astype(np.int64)).to(device, non_blocking=True)

    def put(self, parts: Sequence[Tensor]) -> Tensor:
        """Parts (G_i, ...) of every image as (B, G, ...), 0 elsewhere."""
        together = torch.cat(list(parts)).to(self.device, non_blocking=True)
        padded = together.new_zeros((self.shape[0] * self.shape[1], *together.shape[1:]))
        return padded.index_copy_(0, self.index, together).unflatten(0, self.shape)


def instance_cells(mask_cells: Tensor, boxes: Tensor, has_mask: Tensor) -> Tensor:
    """The cells of P3 that instances cover: of their masks, or of boxes where these have none.

    Args:
        mask_cells: (G, H, W) bool; see :func:`~expalign.structures.draw_masks`.
        boxes: (G, 4) xyxy in pixels of the input.
        has_mask: (G) bool, False where a mask is a placeholder.
    """
    there = has_mask & mask_cells.flatten(1).any(1)
    boxed = box_cells(boxes, (mask_cells.shape[1], mask_cells.shape[2]), CELL_STRIDE)
    return torch.where(there[:, None, None], mask_cells, boxed)


def _drawn(instances: InstanceData, boxes: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Cells and grid of an image's instances, None without masks, and which have one."""
    there = 'mask_cells' in instances or 'masks' in instances
    has_mask = torch.as_tensor(instances.get('has_mask', [there] * len(boxes))).bool()
    if 'mask_cells' in instances:
        return instances.mask_cells, instances.mask_grid, has_mask
    if not there:
        return None, None, has_mask
    cells, grid = (torch.from_numpy(part).to(boxes.device, non_blocking=True)
                   for part in draw_masks(instances.masks))
    has_mask = has_mask.to(boxes.device, non_blocking=True)
    return instance_cells(cells, boxes, has_mask), grid, has_mask


def _same_size(
    parts: Sequence[Tensor | None], boxes: Sequence[Tensor], stride: int
) -> list[Tensor]:
    """Maps (G_i, H_i, W_i) padded at the bottom right; those of boxes for images without masks."""
    known = [part for part in parts if part is not None]
    size = max(part.shape[1] for part in known), max(part.shape[2] for part in known)
    result = []
    for part, own in zip(parts, boxes, strict=True):
        if part is None:
            part = box_cells(own, size, stride)
        elif part.shape[1:] != size:
            part = F.pad(part, (0, size[1] - part.shape[2], 0, size[0] - part.shape[1]))
        result.append(part)
    return result


def _on_map(maps: Tensor | None, real: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    if maps is None:
        return real.new_zeros(()).expand(*real.shape, *size)
    below, right = (full - part for full, part in zip(size, maps.shape[2:], strict=True))
    if below < 0 or right < 0:
        pixels, limit = ([stride * cells for cells in shape] for shape in (maps.shape[2:], size))
        raise ValueError(
            f'instance masks of {tuple(pixels)} pixels are larger than the input, '
            f'{tuple(limit)}: transform masks together with the image')
    return F.pad(maps, (0, right, 0, below)) if below or right else maps
