"""The loss is mmdet's, in value and gradient."""

import math

import pytest
import torch
from mmdet.models.losses import DistributionFocalLoss

from expalign.models.losses import DFLoss


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_mmdet(dtype):
    gen = torch.Generator().manual_seed(0)
    pred = torch.randn(50, 16, generator=gen).to(dtype).requires_grad_()
    target = (14.99 * torch.rand(50, generator=gen)).to(dtype)
    target[:3] = torch.tensor([0.0, 3.0, 14.99])
    weight, norm = torch.rand(50, generator=gen).to(dtype), torch.tensor(7.0, dtype=dtype)
    losses = [kind(loss_weight=0.375)(pred, target, weight=weight, avg_factor=norm)
              for kind in (DFLoss, DistributionFocalLoss)]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, pred)[0] for loss in losses), rtol=1e-5, atol=1e-7)


def test_by_hand():
    # Even over four bins: log 4 whatever the target; twice the weight, half the norm.
    loss = DFLoss(2.0)(torch.zeros(2, 4), torch.tensor([0.3, 2.0]), torch.tensor([1.0, 2.0]),
                       torch.tensor(0.5))
    assert float(loss) == pytest.approx(2 * 3 * math.log(4) / 0.5)
