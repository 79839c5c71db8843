"""Pooling and normalisation of tokens, shared by the text adapters.

Axes: N prompts, L tokens per prompt, D token width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Names of tokens that are no words.
SENTENCE = '<sentence>'
MEAN = '<mean>'


def pool_tokens(tokens: Tensor, masks: Tensor, token_pooling: str) -> tuple[Tensor, Tensor]:
    """Reduce (N, L, D) to (N, 1, D) for 'mean' and 'eot', the last real token (Table 5).

    Args:
        tokens: (N, L, D), zero where masked.
        masks: (N, L) bool, True at real tokens.
        token_pooling: ``'expectation'`` (nothing is reduced), ``'mean'`` or ``'eot'``.

    Returns:
        tokens (N, L', D) and masks (N, L').
    """
    if token_pooling == 'expectation':
        return tokens, masks
    any_token = masks.any(dim=1, keepdim=True)
    if token_pooling == 'mean':
        count = masks.sum(dim=1).clamp(min=1)[:, None, None]
        return tokens.sum(dim=1, keepdim=True) / count, any_token
    last = masks.shape[1] - 1 - masks.flip(1).int().argmax(dim=1)  # (N,)
    return tokens.gather(1, last[:, None, None].expand(-1, 1, tokens.shape[2])), any_token


def pool_names(names: Sequence[list[str]], token_pooling: str) -> list[list[str]]:
    """Names of what :func:`pool_tokens` leaves of the tokens of N prompts."""
    if token_pooling == 'mean':
        return [[MEAN] for _ in names]
    return [row[-1:] for row in names] if token_pooling == 'eot' else list(names)


def normalize_tokens(x: Tensor) -> Tensor:
    """L2-normalise the last axis; zero stays zero, and its 1 / eps fits float32."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return F.normalize(x, dim=-1, eps=1e-6)
