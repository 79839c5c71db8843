"""Complete IoU is mmyolo's, in value and gradient."""

import pytest
import torch
from mmyolo.models.losses import IoULoss, bbox_overlaps

from expalign.models.losses import CIoULoss, complete_iou


def boxes(number, seed):
    gen = torch.Generator().manual_seed(seed)
    low = 8 * torch.rand(number, 2, generator=gen, dtype=torch.float64)
    return torch.cat([low, low + 6 * torch.rand(number, 2, generator=gen).double()], 1)


def test_equals_mmyolo():
    pred, target = boxes(200, 0).requires_grad_(), boxes(200, 1)
    ours, theirs = CIoULoss(loss_weight=7.5), IoULoss(
        iou_mode='ciou', bbox_format='xyxy', reduction='none', loss_weight=7.5, return_iou=False)
    found, expected = ours(pred, target), theirs(pred, target)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.arange(200)
    torch.testing.assert_close(
        *(torch.autograd.grad((loss * weights).sum(), pred)[0] for loss in (found, expected)))


def test_pairs_of_two_sets():
    first, second = boxes(7, 0)[None], boxes(5, 1)[:, None]
    torch.testing.assert_close(
        complete_iou(first, second),
        bbox_overlaps(first, second, iou_mode='ciou', bbox_format='xyxy'))


def test_boxes_without_area_are_finite():
    points = torch.tensor([[0.0, 0, 0, 0], [3, 3, 3, 3], [1, 1, 1, 5]], requires_grad=True)
    iou = complete_iou(points, torch.zeros(3, 4))
    iou.sum().backward()
    assert iou.isfinite().all() and points.grad.isfinite().all()


def test_by_hand():
    # A 2 x 2 square within a 4 x 4 one with the same centre: 4 / 16, nothing else.
    inner, outer = torch.tensor([1.0, 1, 3, 3]), torch.tensor([0.0, 0, 4, 4])
    assert float(complete_iou(inner, outer)) == pytest.approx(0.25, abs=1e-6)
    # Side by side: no overlap; centres 2 apart, diagonal^2 = 4^2 + 2^2.
    right = torch.tensor([2.0, 0, 4, 2])
    assert float(complete_iou(torch.tensor([0.0, 0, 2, 2]), right)) == pytest.approx(-4 / 20)
    with pytest.raises(ValueError, match="must be 'none', got 'mean'"):
        CIoULoss()(inner[None], outer[None], reduction_override='mean')
