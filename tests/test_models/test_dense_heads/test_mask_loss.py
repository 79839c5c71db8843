"""Mask loss: the formula written out, masks on the grid, and which instance a location has."""

import math

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from expalign.models.dense_heads.mask_loss import (
    cells_inside,
    mask_loss_sum,
    masks_on_grid,
    match_instances,
    presence_of_masks,
)


def reference_loss(coeffs, prototypes, masks, instances, boxes):
    """-(t log s(x) + (1 - t) log(1 - s(x))) over the cells in a box, over the box's area."""
    total = 0.0
    for coeff, instance, (x1, y1, x2, y2) in zip(
            coeffs.tolist(), instances.tolist(), boxes.tolist(), strict=True):
        inside = 0.0
        for y in range(prototypes.shape[1]):
            for x in range(prototypes.shape[2]):
                if x1 <= x + 0.5 < x2 and y1 <= y + 0.5 < y2:
                    logit = sum(c * float(p[y, x]) for c, p in zip(coeff, prototypes, strict=True))
                    probability = 1 / (1 + math.exp(-logit))
                    target = bool(masks[instance, y, x])
                    inside -= math.log(probability if target else 1 - probability)
        total += inside / ((x2 - x1) * (y2 - y1))
    return total


def random_case(seed=0):
    gen = torch.Generator().manual_seed(seed)
    boxes = torch.tensor([[0.3, 0.6, 5.5, 7.0], [2.0, 1.0, 3.0, 9.9], [0.0, 0.0, 12.0, 10.0]])
    return (torch.randn(3, 4, generator=gen), torch.randn(4, 10, 12, generator=gen),
            torch.rand(2, 10, 12, generator=gen) > 0.5, torch.tensor([1, 0, 1]), boxes)


def test_equals_the_formula():
    case = random_case()
    torch.testing.assert_close(
        float(mask_loss_sum(*case)), reference_loss(*case), rtol=1e-5, atol=0)


def test_gradient():
    coeffs, prototypes, masks, instances, boxes = random_case()
    assert torch.autograd.gradcheck(
        lambda c, p: mask_loss_sum(c, p, masks, instances, boxes.double()),
        (coeffs.double().requires_grad_(), prototypes.double().requires_grad_()))


def test_value_by_hand():
    """Logit 0 everywhere: log 2 for each of the 6 cells inside, over an area of 2.5 x 2."""
    loss = mask_loss_sum(
        torch.zeros(1, 2), torch.randn(2, 5, 5), torch.zeros(1, 5, 5, dtype=torch.bool),
        torch.tensor([0]), torch.tensor([[0.4, 1.0, 2.9, 3.0]]))
    assert float(loss) == pytest.approx(6 * math.log(2) / 5)


def test_cells_inside_counts_centres():
    inside = cells_inside(torch.tensor([[0.5, 1.2, 2.5, 3.0], [0.6, 0.0, 0.9, 4.0]]), (4, 3))
    expected = torch.zeros(2, 4, 3, dtype=torch.bool)
    expected[0, 1:3, 0:2] = True  # 0.5 is inside, 2.5 is not
    assert torch.equal(inside, expected)


def test_masks_on_the_grid():
    square = [np.array([4, 8, 16, 8, 16, 20, 4, 20], dtype=np.float32)]
    placeholder = [np.zeros(6, dtype=np.float32)]
    # The input is 24 x 32; the masks end at the image, which is smaller.
    masks = PolygonMasks([square, placeholder], 23, 30)
    grid = masks_on_grid(masks, (6, 8), 4, 'cpu')
    assert grid.shape == (2, 6, 8) and grid.dtype == torch.bool
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[2:5, 1:4] = True
    assert torch.equal(grid[0], expected)
    assert not grid[1].any()
    bitmaps = BitmapMasks(masks.to_ndarray().astype(np.uint8), 23, 30)
    assert torch.equal(masks_on_grid(bitmaps, (6, 8), 4, 'cpu'), grid)
    assert masks_on_grid(PolygonMasks([], 23, 30), (6, 8), 4, 'cpu').shape == (0, 6, 8)
    with pytest.raises(TypeError, match=r'PolygonMasks or BitmapMasks, got Tensor: .*LoadInst'):
        masks_on_grid(torch.zeros(1, 24, 32), (6, 8), 4, 'cpu')


def test_locations_find_their_instance():
    boxes = torch.tensor([[0, 0, 9, 9], [1, 1, 5, 5], [1, 1, 5, 5], [1, 1, 5, 5.0]])
    instances = InstanceData(bboxes=boxes, labels=torch.tensor([2, 0, 3, 3]))
    found = match_instances(
        boxes[[1, 0, 2, 3]].double(), torch.tensor([3, 2, 0, 3]), instances)
    assert found.tolist() == [2, 0, 1, 2]


def test_presence_of_masks():
    instances = InstanceData(labels=torch.tensor([2, 0]))
    assert presence_of_masks(instances).tolist() == [False, False]
    instances.masks = PolygonMasks([[np.zeros(6)], [np.zeros(6)]], 4, 4)
    assert presence_of_masks(instances).tolist() == [True, True]
    instances.has_mask = torch.tensor([False, True])
    assert presence_of_masks(instances).tolist() == [False, True]
