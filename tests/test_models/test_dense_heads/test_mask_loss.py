"""Mask loss: the formula written out, its gradient, chunks, and the loss it was before."""

import math

import pytest
import torch

from expalign.models.dense_heads import mask_loss
from expalign.models.dense_heads.mask_loss import cells_inside
from tests.test_models.test_dense_heads.mask_loss_reference import (
    mask_loss_sum as former_mask_loss_sum,
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


def mask_loss_sum(coeffs, prototypes, masks, instances, boxes):
    """The loss of one image."""
    return mask_loss.mask_loss_sum(
        coeffs[None], prototypes[None], masks[None], instances[None], boxes[None],
        torch.ones(1, len(coeffs)).to(coeffs))


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


def random_batch(dtype=torch.float64):
    """Three images with five locations each, of two instances; some do not count."""
    gen = torch.Generator().manual_seed(1)
    low = torch.rand(3, 5, 2, generator=gen) * 6
    boxes = torch.cat([low, low + 1 + torch.rand(3, 5, 2, generator=gen) * 7], 2)
    weights = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    return (torch.randn(3, 5, 4, generator=gen).to(dtype).requires_grad_(),
            (3 * torch.randn(3, 4, 10, 12, generator=gen)).to(dtype).requires_grad_(),
            torch.rand(3, 2, 10, 12, generator=gen) > 0.5,
            torch.randint(2, (3, 5), generator=gen), boxes.to(dtype), weights.to(dtype))


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_batch_is_the_sum_of_its_images(dtype, tolerance):
    """Value and gradient, of the locations that count."""
    coeffs, prototypes, masks, instances, boxes, weights = case = random_batch(dtype)
    loss = mask_loss.mask_loss_sum(*case)
    found = torch.autograd.grad(3 * loss, (coeffs, prototypes))
    kept = weights.bool()
    expected = sum(
        former_mask_loss_sum(coeffs[i, kept[i]], prototypes[i], masks[i], instances[i, kept[i]],
                             boxes[i, kept[i]]) for i in range(3))
    torch.testing.assert_close(loss, expected, rtol=tolerance, atol=0)
    for a, b in zip(found, torch.autograd.grad(3 * expected, (coeffs, prototypes)), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_chunks_make_no_difference(monkeypatch):
    case = random_batch()
    whole = mask_loss.mask_loss_sum(*case)
    expected = torch.autograd.grad(whole, case[:2])
    largest = []
    part = mask_loss._loss_and_slope
    monkeypatch.setattr(mask_loss, '_loss_and_slope', lambda *args: (
        largest.append(args[2].shape[1]) or part(*args)))
    monkeypatch.setattr(mask_loss, 'CHUNK_CELLS', 2 * 3 * 120 + 5)
    parts = mask_loss.mask_loss_sum(*case)
    assert largest == [2, 2, 1]
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, case[:2]), expected)


def test_extreme_logits_have_a_finite_loss_and_gradient():
    coeffs, prototypes, masks, instances, boxes = random_case()
    coeffs = (1e4 * coeffs).requires_grad_()
    loss = mask_loss_sum(coeffs, prototypes, masks, instances, boxes)
    expected = former_mask_loss_sum(coeffs, prototypes, masks, instances, boxes)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, coeffs)[0] for value in (loss, expected)))
