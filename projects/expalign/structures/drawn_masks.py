"""Instance masks on the two grids that the losses read, drawn once, on the host.

Axes: G instances, H x W cells of P3, h x w cells of the prototypes.
"""

from collections.abc import Sequence

import numpy as np
import pycocotools.mask as coco_mask
import torch
from mmdet.structures.mask import BaseInstanceMasks, PolygonMasks

CELL_STRIDE = 8  # pixels of a cell of P3
GRID_STRIDE = 4  # pixels of a cell of the prototypes


def draw_masks(masks: BaseInstanceMasks | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Masks as cells of P3 and on the grid of the prototypes.

    Both grids start at the top left corner and end at the last cell that the image reaches.
    A mask has the cells of P3 of which it fills more than half, or the one that it fills most if
    there is none; it has a cell of the prototypes if it has its centre. A mask without a pixel
    has none of either.

    Args:
        masks: G masks in pixels of the image: mmdet's, or bool (G, height, width).

    Returns:
        cells (G, H, W) bool and grid (G, h, w) bool.

    Raises:
        TypeError: masks are no instance masks.
    """
    bitmaps: np.ndarray | None = None
    outlines: Sequence[Sequence[np.ndarray]] = ()
    if isinstance(masks, torch.Tensor):
        bitmaps = masks.cpu().numpy().astype(bool)
        size = bitmaps.shape[1:]
    elif isinstance(masks, BaseInstanceMasks):
        size = masks.height, masks.width
        if isinstance(masks, PolygonMasks):
            outlines = masks.masks
        else:
            bitmaps = masks.masks.astype(bool)
    else:
        raise TypeError(
            f'gt_instances.masks must be PolygonMasks or BitmapMasks, got {type(masks).__name__}: '
            'load masks with expalign.LoadInstances')
    number = len(masks)
    cells = np.zeros((number, *(-(-length // CELL_STRIDE) for length in size)), dtype=bool)
    grid = np.zeros((number, *(-(-length // GRID_STRIDE) for length in size)), dtype=bool)
    for index in range(number):
        if bitmaps is None:
            polygons = [p for p in map(np.asarray, outlines[index]) if len(p)]
            _draw_cells(*_polygon_crop(polygons, size, CELL_STRIDE), cells[index])
            _draw_grid(polygons, grid[index])
        else:
            _draw_cells(bitmaps[index], 0, 0, cells[index])
            centres = bitmaps[index][GRID_STRIDE // 2::GRID_STRIDE, GRID_STRIDE // 2::GRID_STRIDE]
            grid[index, :centres.shape[0], :centres.shape[1]] = centres
    return cells, grid


def _polygon_crop(
    polygons: Sequence[np.ndarray], size: tuple[int, int], step: int
) -> tuple[np.ndarray, int, int]:
    """The part of a drawing of polygons that is not empty, and its first row and column.

    It starts at a multiple of ``step``. What lies below and to the right of the polygons is not
    drawn. What lies above and to the left is: moved polygons are not rounded in the same way.
    """
    if not polygons:
        return np.zeros((0, 0), dtype=bool), 0, 0
    points = np.concatenate(polygons).reshape(-1, 2)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    height = min(size[0], int(np.ceil(bottom)) + 1)
    width = min(size[1], int(np.ceil(right)) + 1)
    if height <= 0 or width <= 0:
        return np.zeros((0, 0), dtype=bool), 0, 0
    encoded = coco_mask.frPyObjects([polygon.astype(np.float64) for polygon in polygons],
                                    height, width)
    drawn = coco_mask.decode(coco_mask.merge(encoded)).view(bool)
    x0, y0 = (max(0, int(low // step) * step) for low in (left, top))
    return drawn[y0:, x0:], y0, x0


def _draw_cells(mask: np.ndarray, top: int, left: int, cells: np.ndarray) -> None:
    """Mark the cells (H, W) of a mask whose first pixel is at (top, left), on a cell's border."""
    if not mask.size:
        return
    height, width = (-(-length // CELL_STRIDE) for length in mask.shape)
    filled = np.zeros((height * CELL_STRIDE, width * CELL_STRIDE), dtype=np.uint8)
    filled[:mask.shape[0], :mask.shape[1]] = mask
    rows = filled.reshape(height, CELL_STRIDE, -1).sum(1, dtype=np.uint8)
    pixels = rows.reshape(height, width, CELL_STRIDE).sum(2, dtype=np.uint8)  # 64 at most
    if not pixels.any():
        return
    covered = pixels > CELL_STRIDE**2 // 2
    if not covered.any():
        covered.flat[pixels.argmax()] = True
    top, left = top // CELL_STRIDE, left // CELL_STRIDE
    cells[top:top + height, left:left + width] = covered


def _draw_grid(polygons: Sequence[np.ndarray], grid: np.ndarray) -> None:
    """Mark the cells (h, w) whose centre lies in a polygon, by drawing on the grid itself."""
    small = [polygon / GRID_STRIDE for polygon in polygons]
    mask, top, left = _polygon_crop(small, grid.shape, 1)
    grid[top:top + mask.shape[0], left:left + mask.shape[1]] = mask
