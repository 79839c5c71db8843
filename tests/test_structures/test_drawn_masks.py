"""Masks drawn in crops are those drawn on the whole image, as the losses drew them before."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from expalign.structures.drawn_masks import draw_masks
from tests.test_models.test_dense_heads.mask_loss_reference import masks_on_grid
from tests.test_models.test_losses.target_masks_reference import target_masks


def random_polygons(size, seed, number=40):
    """Polygons of all sizes, some of several parts, some that touch or leave the borders."""
    rng = np.random.default_rng(seed)
    masks = []
    for index in range(number):
        parts = []
        for _ in range(rng.integers(1, 4)):
            centre = rng.uniform(0, 1, 2) * size[::-1]
            radius = 2.0 ** rng.uniform(-1, 7.5)
            points = centre + rng.uniform(-radius, radius, (rng.integers(3, 12), 2))
            if index % 4:
                points = points.clip(0, size[::-1])
            parts.append(points.astype(np.float32 if index % 2 else np.float64).ravel())
        masks.append(parts)
    return PolygonMasks(masks, *size)


def former_cells(masks, size, padded):
    """Cells of each mask by itself, by the area average of full-size drawings."""
    number = len(masks)
    instances = InstanceData(
        bboxes=torch.zeros(number, 4), labels=torch.arange(number), masks=masks)
    return target_masks(
        [instances], number, padded, (padded[0] // 8, padded[1] // 8))[0].numpy()


@pytest.mark.parametrize(('size', 'padded'), [
    ((320, 320), (320, 320)), ((203, 317), (224, 320)), ((96, 64), (96, 64))])
@pytest.mark.parametrize('seed', range(3))
def test_polygons_are_drawn_as_before(size, padded, seed):
    masks = random_polygons(size, seed)
    cells, grid = draw_masks(masks)
    assert cells.shape[1:] == (-(-size[0] // 8), -(-size[1] // 8))
    assert grid.shape[1:] == (-(-size[0] // 4), -(-size[1] // 4))
    before = former_cells(masks, size, padded)
    drawn = masks.to_ndarray().any((1, 2))  # the others are taken from their boxes
    np.testing.assert_array_equal(
        cells[drawn], before[drawn][:, :cells.shape[1], :cells.shape[2]])
    assert not before[drawn][:, cells.shape[1]:].any() and not cells[~drawn].any()
    before = masks_on_grid(masks, (padded[0] // 4, padded[1] // 4), 4, 'cpu').numpy()
    np.testing.assert_array_equal(grid, before[:, :grid.shape[1], :grid.shape[2]])


@pytest.mark.parametrize('kind', ['bitmaps', 'tensor'])
def test_bitmaps_are_drawn_as_their_pixels(kind):
    size = (90, 122)
    pixels = random_polygons(size, 0).to_ndarray().astype(np.uint8)
    masks = BitmapMasks(pixels, *size) if kind == 'bitmaps' else torch.from_numpy(pixels).bool()
    cells, grid = draw_masks(masks)
    drawn = pixels.any((1, 2))
    np.testing.assert_array_equal(
        cells[drawn], former_cells(BitmapMasks(pixels, *size), size, (96, 128))[drawn, :12, :16])
    expected = masks_on_grid(BitmapMasks(pixels, *size), (24, 32), 4, 'cpu').numpy()
    np.testing.assert_array_equal(grid, expected[:, :23, :31])


def test_by_hand():
    """6 of 8 rows of two cells; a square of 4 x 4 pixels of a cell, which is its best."""
    stripe = [np.array([24, 16, 40, 16, 40, 22, 24, 22], dtype=np.float32)]
    square = [np.array([8, 8, 12, 8, 12, 12, 8, 12], dtype=np.float32)]
    placeholder = [np.zeros(6, dtype=np.float32)]
    cells, grid = draw_masks(PolygonMasks([stripe, square, placeholder, []], 32, 48))
    assert np.argwhere(cells).tolist() == [[0, 2, 3], [0, 2, 4], [1, 1, 1]]
    assert np.argwhere(grid[1]).tolist() == [[2, 2]] and not grid[2:].any()
    assert np.argwhere(grid[0]).tolist() == [[y, x] for y in (4, 5) for x in range(6, 10)]


def test_what_is_no_mask():
    with pytest.raises(TypeError, match='PolygonMasks or BitmapMasks, got list: .*LoadInst'):
        draw_masks([[1, 2, 3]])
    cells, grid = draw_masks(PolygonMasks([], 24, 30))
    assert cells.shape == (0, 3, 4) and grid.shape == (0, 6, 8)
