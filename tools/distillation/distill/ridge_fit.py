"""Fit a TextAdapter to vectors of names in closed form: a ridge regression on SwiGLU features.

Axes: R rows (tokens of all prompts), D width of the encoder, H hidden width, E width of the
vectors.

A few thousand names do not suffice to train the adapter by gradient descent without losing what
kernel ridge regression has: smoothness between names. So its first layer is not trained but laid
out: hidden unit j is ``silu(beta * (<c_j, t> - threshold))`` with c_j a cluster centre of the
names' sentence vectors, a bump around a group of names. Ridge regression on these features, a
sparse form of kernel ridge, then gives the other weights. Regularised predictions shrink to the
mean vector; ``spread`` scales their deviation from it, because a detector's ranking of cells
depends on the ratio of the two.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from expalign.models.text_encoders import TextAdapter


class TokenRows(NamedTuple):
    """Tokens as rows of a regression.

    Attributes:
        tokens: (R, D).
        owners: (R) int, which name a row belongs to.
        is_sentence: (R) bool, True at sentence vectors.
    """

    tokens: Tensor
    owners: Tensor
    is_sentence: Tensor


class RidgeFitOptions(NamedTuple):
    """Settings of :func:`fit_adapter`.

    Attributes:
        beta: slope of the hidden units.
        threshold: cosine at which they switch on.
        ridge: penalty, relative to the number of names.
        token_weight: weight of a word's row relative to a sentence's.
        linear: scale of the linear features (the residual path) in the penalty.
        spread: factor of the deviations from the mean vector.
        min_singular: least singular value of the projection, relative to the largest.
    """

    beta: float = 8.0
    threshold: float = 0.4
    ridge: float = 0.1
    token_weight: float = 0.2
    linear: float = 0.3
    spread: float = 1.7
    min_singular: float = 0.02


DEFAULTS = RidgeFitOptions()


def fit_adapter(
    rows: TokenRows, vectors: Tensor, token_pooling: str = 'expectation',
    options: RidgeFitOptions = DEFAULTS, seed: int = 0,
) -> TextAdapter:
    """A TextAdapter that maps the tokens of name n to ``vectors[n]``.

    Args:
        rows: tokens of the names' prompts.
        vectors: (N, E) L2-normalised; every row's owner indexes it.
        token_pooling: of the adapter.
        options: see :class:`RidgeFitOptions`.
        seed: of the clustering.

    Raises:
        ValueError: a row belongs to no vector, or there are fewer names than hidden units need.
    """
    width, out = rows.tokens.shape[1], vectors.shape[1]
    if int(rows.owners.max()) >= len(vectors):
        raise ValueError(
            f'a token belongs to name {int(rows.owners.max())}, but there are {len(vectors)} '
            'vectors')
    adapter = TextAdapter(width, out, token_pooling)
    hidden = adapter.ffn.w3.in_features
    inputs = F.normalize(rows.tokens.double(), dim=1)
    centres = cluster_centres(inputs[rows.is_sentence], hidden, seed)
    scale = _feature_scale(inputs[rows.is_sentence], centres, options)
    features = torch.cat(
        (_bumps(inputs, centres, options) * scale, inputs * options.linear), dim=1)
    weights = torch.where(rows.is_sentence, 1.0, options.token_weight).double()
    mean = vectors.double().mean(dim=0)
    targets = (vectors.double() - mean)[rows.owners]
    centre = (weights @ features) / weights.sum()
    readout = _weighted_ridge(
        features - centre, targets, weights, options.ridge * weights.sum() / len(vectors))
    readout = readout * options.spread  # (H + D, E)
    basis = _basis(vectors.double(), width)
    _write_weights(
        adapter, centres, options,
        hidden_map=readout[:hidden] * scale, linear_map=readout[hidden:] * options.linear,
        constant=mean - centre @ readout, basis=basis)
    return adapter


def spread_ratio(predicted: Tensor, vectors: Tensor) -> float:
    """Mean distance of predictions (N, E) from the mean vector, relative to the vectors' own."""
    mean = vectors.mean(dim=0)
    deviations = (x.detach() - mean for x in (predicted, vectors))
    ours, theirs = (x.norm(dim=1).mean() for x in deviations)
    return float(ours / theirs)


def cluster_centres(points: Tensor, count: int, seed: int, iterations: int = 8) -> Tensor:
    """Spherical k-means: (R, D) unit vectors to (count, D) unit centres."""
    if len(points) < count:
        raise ValueError(f'{len(points)} sentence vectors are too few for {count} centres')
    generator = torch.Generator().manual_seed(seed)
    centres = points[torch.randperm(len(points), generator=generator)[:count]]
    for _ in range(iterations):
        nearest = (points @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        # A centre that lost its points stays where it is.
        centres = torch.where(sums.norm(dim=1, keepdim=True) > 0, F.normalize(sums, dim=1), centres)
    return centres


def _bumps(inputs: Tensor, centres: Tensor, options: RidgeFitOptions) -> Tensor:
    return F.silu(options.beta * (inputs @ centres.T - options.threshold))


def _feature_scale(inputs: Tensor, centres: Tensor, options: RidgeFitOptions) -> Tensor:
    """Factor that gives the hidden features of a sentence unit length on average."""
    return _bumps(inputs, centres, options).square().sum(dim=1).mean().rsqrt()


def _weighted_ridge(features: Tensor, targets: Tensor, weights: Tensor, penalty: Tensor) -> Tensor:
    weighted = features * weights[:, None]
    gram = weighted.T @ features
    gram.diagonal().add_(penalty)
    return torch.linalg.solve(gram, weighted.T @ targets)


def _basis(vectors: Tensor, width: int) -> Tensor:
    """(E, D) orthonormal directions of most of the vectors' energy; the projection's range."""
    _, directions = torch.linalg.eigh(vectors.T @ vectors)
    return directions[:, -width:]


def _write_weights(
    adapter: TextAdapter, centres: Tensor, options: RidgeFitOptions, *,
    hidden_map: Tensor, linear_map: Tensor, constant: Tensor, basis: Tensor,
) -> None:
    """Express ``constant + t @ linear_map + h @ hidden_map`` as ``proj(t + w3 h + b3)``."""
    left, values, right = torch.linalg.svd(basis.T @ linear_map.T)
    # The projection also carries the hidden part, so it must be invertible on its range.
    values = values.clamp(min=float(values.max()) * options.min_singular)
    inverse = right.T @ torch.diag(1 / values) @ left.T @ basis.T  # (D, E)
    hidden = len(centres)
    with torch.no_grad():
        adapter.proj.weight.copy_(basis @ left @ torch.diag(values) @ right)
        adapter.ffn.w12.weight[:hidden] = (options.beta * centres).float()
        adapter.ffn.w12.bias[:hidden] = -options.beta * options.threshold
        adapter.ffn.w12.weight[hidden:] = 0
        adapter.ffn.w12.bias[hidden:] = 1
        adapter.ffn.w3.weight.copy_(inverse @ hidden_map.T)
        adapter.ffn.w3.bias.copy_(inverse @ constant)
