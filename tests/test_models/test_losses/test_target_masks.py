"""Cells of every prompt: area average, fallbacks, boxes for missing masks, odd sizes."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from expalign.models.losses import positive_prompts, target_masks

INPUT, MAP = (32, 40), (4, 5)  # cells of 8 x 8 pixels


def instances(boxes, labels, **fields):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long), **fields)


def bitmaps(*boxes, size=INPUT):
    """Masks filled with boxes x1, y1, x2, y2 in whole pixels."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


def cells(target):
    """(y, x) of the positive cells of one prompt."""
    return [tuple(cell) for cell in target.nonzero().tolist()]


def build(*images, prompts=3):
    return target_masks(images, prompts, INPUT, MAP)


def test_positive_prompts():
    images = [instances([[0, 0, 9, 9]] * 3, [2, 0, 2]), instances([], []),
              instances([[0, 0, 9, 9]], [1])]
    assert positive_prompts(images, 3).tolist() == [
        [True, False, True], [False, False, False], [False, True, False]]


def test_boxes_cover_the_cells_whose_centre_they_hold():
    # Centres at x = 4, 12, 20, ... A border through a centre does not hold it.
    target = build(instances([[5, 0, 21, 13], [4, 4, 12.5, 12.5], [30, 19, 90, 90]], [0, 1, 2]))
    assert target.shape == (1, 3, 4, 5) and target.dtype == torch.bool
    assert cells(target[0, 0]) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert cells(target[0, 1]) == [(1, 1)]
    assert cells(target[0, 2]) == [(2, 4), (3, 4)]


def test_boxes_without_a_centre_get_the_cell_of_theirs():
    target = build(instances(
        [[5, 5, 11, 11], [13, 0, 19, 30], [38, 31, 40, 32]], [0, 1, 2]))
    assert cells(target[0, 0]) == [(1, 1)]  # centre at the corner of four: the last one
    assert cells(target[0, 1]) == [(1, 2)]  # too narrow, though tall: centre at (16, 15)
    assert cells(target[0, 2]) == [(3, 4)]


def test_prompts_and_images_are_kept_apart_and_unions_are_formed():
    images = [instances([[0, 0, 8, 8], [16, 8, 24, 16]], [1, 1]), instances([], []),
              instances([[32, 24, 40, 32], [0, 0, 8, 8], [0, 0, 8, 8]], [0, 2, 2])]
    target = build(*images)
    expected = torch.zeros(3, 3, 4, 5, dtype=torch.bool)
    expected[0, 1, 0, 0] = expected[0, 1, 1, 2] = True
    expected[2, 0, 3, 4] = expected[2, 2, 0, 0] = True
    assert torch.equal(target, expected)


def test_many_boxes_on_one_prompt():
    boxes = [[0, 0, 8, 8]] * 256 + [[0, 0, 40, 32]]
    assert build(instances(boxes, [0] * 257))[0, 0].all()


@pytest.mark.parametrize('kind', ['tensor', 'bitmap'])
def test_masks_cover_cells_that_they_fill_by_more_than_half(kind):
    masks = bitmaps((0, 0, 8, 5), (8, 0, 16, 4), (18, 17, 21, 19), (7, 7, 10, 10))
    # 40/64; exactly half of one cell, its best; 6 of 64 pixels; best overlap 4/64 at (1, 1).
    if kind == 'bitmap':
        masks = BitmapMasks(masks.numpy().astype(np.uint8), *INPUT)
    whole = [[0, 0, 40, 32]] * 4
    target = build(instances(whole, [0, 1, 2, 3], masks=masks), prompts=4)
    assert [cells(target[0, k]) for k in range(4)] == [[(0, 0)], [(0, 1)], [(2, 2)], [(1, 1)]]


def test_polygons():
    square = np.array([0, 0, 16, 0, 16, 16, 0, 16], dtype=np.float64)
    stripe = np.array([24, 16, 40, 16, 40, 22, 24, 22], dtype=np.float64)  # 6 of 8 rows
    masks = PolygonMasks([[square, stripe], [stripe]], *INPUT)
    target = build(instances([[0, 0, 1, 1]] * 2, [0, 1], masks=masks))
    assert cells(target[0, 0]) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3), (2, 4)]
    assert cells(target[0, 1]) == [(2, 3), (2, 4)]


def test_instances_without_a_mask_use_their_box():
    masks = bitmaps((0, 0, 8, 8), (0, 0, 8, 8), (0, 0, 0, 0))
    boxes = [[16, 16, 24, 24], [16, 16, 24, 24], [32, 0, 40, 8]]
    for has_mask in (torch.tensor([True, False, True]), np.array([True, False, True])):
        target = build(instances(boxes, [0, 1, 2], masks=masks, has_mask=has_mask))
        assert cells(target[0, 0]) == [(0, 0)]
        assert cells(target[0, 1]) == [(2, 2)]
        assert cells(target[0, 2]) == [(0, 4)]  # its mask is empty
    # A placeholder is never rasterised.
    masks = PolygonMasks([[np.zeros(0)]], *INPUT)
    target = build(instances(boxes[:1], [0], masks=masks, has_mask=torch.tensor([False])))
    assert cells(target[0, 0]) == [(2, 2)]


def test_masks_of_an_unpadded_image():
    masks = bitmaps((16, 8, 24, 16), size=(20, 30))
    target = build(instances([[0, 0, 1, 1]], [1], masks=masks))
    assert cells(target[0, 1]) == [(1, 2)]
    with pytest.raises(ValueError, match=r'masks of \(40, 40\) pixels are larger than the input, '
                                         r'\(32, 40\)'):
        build(instances([[0, 0, 1, 1]], [1], masks=bitmaps((0, 0, 8, 8), size=(40, 40))))


def test_sizes_that_are_no_multiple_of_the_stride():
    # 30 x 44 pixels on 4 x 6 cells: 7.5 x 7.33 pixels each.
    target = target_masks([instances([[0, 0, 44, 30], [0, 0, 11.5, 11.5]], [0, 1])],
                          2, (30, 44), (4, 6))
    assert target[0, 0].all()
    assert cells(target[0, 1]) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_an_image_that_ends_within_a_cell():
    """Its last column has 4, its last row 6 of 8 pixels; the input is padded to whole cells."""
    masks = bitmaps((0, 0, 44, 30), (0, 0, 22, 15), size=(30, 44))
    target = target_masks(
        [instances([[0, 0, 1, 1]] * 2, [0, 1], masks=masks)], 2, (32, 64), (4, 8))
    assert cells(target[0, 0]) == [(y, x) for y in range(4) for x in range(5)]
    assert cells(target[0, 1]) == [(y, x) for y in range(2) for x in range(3)]
