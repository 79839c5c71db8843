"""The distribution that GACO's free energy singles out (paper, Theorem B.4)."""

import torch
from torch import Tensor

from .map_ops import full_precision


def gibbs_distribution(
    scores: Tensor, advantage: Tensor, strength: float, temperature: float
) -> Tensor:
    """``Q* = softmax((S + lambda A) / tau)`` over all entries (Theorem B.4, parts 1 to 3).

    For a fixed advantage A it is the one minimiser of the free energy

        F(Q) = -sum Q (S + lambda A) + tau KL(Q || uniform),

    with ``F(Q*) = -tau log mean exp((S + lambda A) / tau)``. It tends to the uniform
    distribution for tau -> infinity and to softmax(S / tau) for lambda -> 0. Part 4 of the
    theorem, which normalises A to a distribution, is not claimed: A sums to 0.

    Args:
        scores: S of one image, any shape, e.g. (K, H, W).
        advantage: A, of the same shape; 0 outside the positive cells.
        strength: lambda.
        temperature: tau, > 0.

    Returns:
        probabilities of the shape of ``scores``, in float32 (float64 for float64).

    Raises:
        ValueError: shapes differ or the temperature is not positive.
    """
    if scores.shape != advantage.shape:
        raise ValueError(
            'scores and advantage must have one shape, got '
            f'{tuple(scores.shape)} and {tuple(advantage.shape)}')
    if not temperature > 0:
        raise ValueError(f'temperature must be > 0, got {temperature}')
    with torch.autocast(scores.device.type, enabled=False):
        energies = full_precision(scores) + strength * full_precision(advantage)
        return (energies / temperature).flatten().softmax(0).view_as(scores)
