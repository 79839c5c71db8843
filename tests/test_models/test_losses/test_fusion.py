"""Fusion of levels: values by hand, sizes that are no exact halves, precision."""

import pytest
import torch
from torch.nn import functional as F

from expalign.models.losses import fuse_to_coarsest, fuse_to_finest


def maps(sizes, dtype=torch.float64, prompts=3):
    gen = torch.Generator().manual_seed(0)
    return [torch.randn(2, prompts, *size, generator=gen, dtype=torch.float64).to(dtype)
            for size in sizes]


def test_coarsest_by_hand():
    s3 = torch.arange(16.0).view(1, 1, 4, 4)  # blocks of 4 average to 2.5, 4.5, 10.5, 12.5
    s4 = torch.tensor([[[[1.5, 3.5], [5.5, 7.5]]]])  # halves of the sums: 2, 4, 8, 10; mean 6
    s5 = torch.full((1, 1, 1, 1), 10.0)
    assert fuse_to_coarsest([s3, s4, s5]).item() == 8.0


def test_finest_by_hand():
    s5 = torch.tensor([[[[4.0]]]])
    s4 = torch.tensor([[[[0.0, 4.0]]]])  # (4 + s4) / 2 = 2, 4
    s3 = torch.zeros(1, 1, 1, 4)  # 2 and 4 at their centres: 2, 2.5, 3.5, 4; then half
    expected = torch.tensor([[[[1.0, 1.25, 1.75, 2.0]]]])
    torch.testing.assert_close(fuse_to_finest([s3, s4, s5]), expected)


@pytest.mark.parametrize('sizes', [
    [(8, 8), (4, 4), (2, 2)], [(13, 9), (7, 5), (4, 3)], [(5, 4), (2, 2), (1, 1)]])
def test_equals_the_equations_at_any_size(sizes):
    s3, s4, s5 = maps(sizes)
    down = F.adaptive_avg_pool2d
    coarsest = (down((down(s3, sizes[1]) + s4) / 2, sizes[2]) + s5) / 2
    torch.testing.assert_close(fuse_to_coarsest([s3, s4, s5]), coarsest)

    def up(x, size):
        return F.interpolate(x, size=size, mode='bilinear', align_corners=False)

    finest = (up((up(s5, sizes[1]) + s4) / 2, sizes[0]) + s3) / 2
    torch.testing.assert_close(fuse_to_finest([s3, s4, s5]), finest)


@pytest.mark.parametrize('fuse', [fuse_to_coarsest, fuse_to_finest])
def test_precision_and_gradient(fuse):
    sizes = [(5, 6), (3, 3), (2, 1)]
    for dtype in (torch.bfloat16, torch.float16):
        low = maps(sizes, dtype)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            fused = fuse(low)
        assert fused.dtype == torch.float32
        torch.testing.assert_close(
            fused.double(), fuse([x.double() for x in low]), atol=1e-6, rtol=0)
    leaves = [x.requires_grad_() for x in maps(sizes)]
    assert torch.autograd.gradcheck(lambda *x: fuse(x), leaves)
