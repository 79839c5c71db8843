"""Tokens to start from where nothing is known: noise that says next to nothing.

Axes: K prompts, L tokens, D width of the features.
"""

import torch
from torch import Tensor

from .image_cells import ImageSide

LOUDNESS = 0.1  # root mean square of what it adds to a logit of the background's cells


def noise_tokens(count: int, length: int, metric: Tensor, side: ImageSide, seed: int) -> Tensor:
    """Directions at random, of such a length that all logits are nearly the bias.

    Args:
        count: K.
        length: L.
        metric: (D, D), the mean of F F^T over the background's cells.
        side: of the model.
        seed: another one gives other tokens.

    Returns:
        (K, L, D) float32.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(count, length, len(metric), generator=generator, dtype=metric.dtype)
    spread = torch.einsum('kli,ij,klj->kl', tokens, metric.cpu(), tokens).sqrt()
    scale = sum(side.scales) / len(side.scales)
    return (LOUDNESS / scale * tokens / spread[..., None]).float()
