"""Kernel ridge regression from text features to vectors of names, and how well it generalises.

The plain way to a vector for a name that has none: a yardstick for the text adapter, and for ideas
about features. Axes: N names, M rows (names, and other texts for them), P width of the features, E
width of the vectors.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .heldout import name_forms


class KernelOptions(NamedTuple):
    """Settings of :func:`predict`.

    Attributes:
        gamma: of the kernel exp(-gamma (1 - cosine)).
        ridge: penalty of a name's row.
    """

    gamma: float
    ridge: float


GRID = tuple(KernelOptions(gamma, ridge) for gamma in (4.0, 8.0) for ridge in (0.01, 0.03, 0.1))


def predict(
    features: Tensor, vectors: Tensor, weights: Tensor, wanted: Tensor, options: KernelOptions
) -> tuple[Tensor, Tensor]:
    """Predict the vectors of other texts.

    Args:
        features: (M, P) float64 of the rows to learn from.
        vectors: (M, E) theirs.
        weights: (M); a row of weight w is penalised with ridge / w. The rows of weight 1 make the
            mean vector.
        wanted: (m, P) features of the texts.
        options: see :class:`KernelOptions`.

    Returns:
        predicted vectors (m, E) and the mean vector (E), to which they shrink.
    """
    rows, wanted = F.normalize(features, dim=1), F.normalize(wanted, dim=1)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-options.gamma * (1 - a @ b.T))

    mean = vectors[weights == 1].mean(dim=0)
    gram = kernel(rows, rows)
    gram.diagonal().add_(options.ridge / weights)
    return mean + kernel(wanted, rows) @ torch.linalg.solve(gram, vectors - mean), mean


def fixed_length(predicted: Tensor, mean: Tensor, vectors: Tensor) -> Tensor:
    """Predictions (m, E) moved to the vectors' (N, E) average distance from the mean (E)."""
    length = (vectors - vectors.mean(dim=0)).norm(dim=1).mean()
    return mean + F.normalize(predicted - mean, dim=1) * length


def direction_agreement(predicted: Tensor, vectors: Tensor, mean: Tensor) -> Tensor:
    """Cosines (m) of predicted and true deviations from the mean vector."""
    return F.cosine_similarity(predicted - mean, vectors - mean, dim=1)


def cross_validate(
    names: list[str], owners: Tensor, features: Tensor, vectors: Tensor, weights: Tensor,
    options: KernelOptions, tested: Tensor, folds: int = 10, seed: int = 0,
) -> float:
    """Mean :func:`direction_agreement` of names that are left out with all their spellings.

    Args:
        names: N names.
        owners: (M) int, the name of each row; a name's first row is its own.
        features, vectors, weights: of the rows, see :func:`predict`.
        options: see :class:`KernelOptions`.
        tested: (n) int, the names that are left out, a part of them at a time.
        folds: number of parts.
        seed: of the partition.
    """
    forms = [name_forms(name) for name in names]
    order = tested[torch.randperm(len(tested), generator=torch.Generator().manual_seed(seed))]
    first = torch.full((len(names),), -1)
    for row in reversed(range(len(owners))):
        first[owners[row]] = row
    found = []
    for part in order.chunk(folds):
        left_out = frozenset().union(*(forms[name] for name in part.tolist()))
        known = torch.tensor([not forms[name] & left_out for name in range(len(names))])[owners]
        predicted, mean = predict(
            features[known], vectors[known], weights[known], features[first[part]], options)
        found.append(direction_agreement(predicted, vectors[first[part]], mean))
    return float(torch.cat(found).mean())
