"""Maps of several levels as one tensor, in a type that losses and decoding can rely on."""

from collections.abc import Sequence

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32 where it is in half precision, else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Per-level (B, C, H, W) to (B, N, C), in float32 or better."""
    return at_least_float32(torch.cat([x.flatten(2) for x in maps], 2)).transpose(1, 2)
