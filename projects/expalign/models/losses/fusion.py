"""Fusion of the alignment maps of a pyramid into one map (paper, Eqs 5 and 9).

Axes: B images, K prompts, H_s x W_s cells of level s.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .map_ops import full_precision


def fuse_to_coarsest(eams: Sequence[Tensor]) -> Tensor:
    """``S_dw = (Down((Down(S3) + S4) / 2) + S5) / 2`` (Eq. 5).

    Down averages over the cells of the next level, whatever the ratio of their sizes.

    Args:
        eams: maps of falling size, each (B, K, H_s, W_s), in any floating type.

    Returns:
        (B, K, H_5, W_5) in float32 (float64 for float64).
    """
    with torch.autocast(eams[0].device.type, enabled=False):
        fused = full_precision(eams[0])
        for eam in eams[1:]:
            fused = F.adaptive_avg_pool2d(fused, (eam.shape[-2], eam.shape[-1]))
            fused = torch.lerp(fused, full_precision(eam), 0.5)
    return fused


def fuse_to_finest(eams: Sequence[Tensor]) -> Tensor:
    """``S_up = (Up((Up(S5) + S4) / 2) + S3) / 2`` (Eq. 9).

    Up is bilinear (``align_corners=False``) to the size of the next level.

    Args:
        eams: maps of falling size, each (B, K, H_s, W_s), in any floating type.

    Returns:
        (B, K, H_3, W_3) in float32 (float64 for float64).
    """
    with torch.autocast(eams[0].device.type, enabled=False):
        fused = full_precision(eams[-1])
        for eam in eams[-2::-1]:
            fused = F.interpolate(
                fused, size=eam.shape[-2:], mode='bilinear', align_corners=False)
            fused = torch.lerp(fused, full_precision(eam), 0.5)
    return fused
