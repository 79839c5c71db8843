"""The class loss is mmdet's, in value and gradient."""

import math

import pytest
import torch
from mmdet.models.losses import CrossEntropyLoss

from expalign.models.losses import PromptBCELoss


def test_equals_mmdet():
    gen = torch.Generator().manual_seed(0)
    pred = (4 * torch.randn(2, 7, 5, generator=gen)).requires_grad_()
    target = torch.rand(2, 7, 5, generator=gen) * (torch.rand(2, 7, 5, generator=gen) > 0.8)
    weight = torch.tensor([[1.0, 1, 0, 1, 1], [1, 0, 0, 0, 1]])[:, None]
    ours = PromptBCELoss(loss_weight=0.5)
    theirs = CrossEntropyLoss(use_sigmoid=True, reduction='none', loss_weight=0.5)
    torch.testing.assert_close(ours(pred, target), theirs(pred, target))
    sums = [loss(pred, target, weight, reduction_override='sum') for loss in (
        ours, lambda *args, **kwargs: theirs(*args[:2], weight=args[2], **kwargs))]
    torch.testing.assert_close(*sums)
    torch.testing.assert_close(*(torch.autograd.grad(total, pred)[0] for total in sums))


def test_by_hand():
    loss = PromptBCELoss(2.0)(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 0.25]]]))
    assert loss.flatten().tolist() == pytest.approx([2 * math.log(2)] * 2)
