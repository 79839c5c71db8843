"""Geometry-aware consistency objective, GACO (paper, Eqs 10-13 and Algorithm 1).

Axes: B images, K prompts, R of them that may be positive, H x W cells, n positive (prompt, cell)
pairs of the batch.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .map_ops import local_average
from .positive_cells import mean_over, positive_cells, standardise


def geometry_aware_consistency(
    eam: Tensor,
    masks: Tensor,
    prompt_masks: Tensor | None = None,
    *,
    clip: float = 5.0,
    beta: float = 1.0,
    eps: float = 1e-6,
    stats: str = 'image',
    detach_advantage: bool = False,
    normalize: bool = True,
    norm_scope: str = 'image',
) -> Tensor:
    """Log-probabilities of the positive cells, weighted by their advantage (Eqs 10-13).

    log P is the log-softmax over all unpadded prompts and cells of an image, R = sigmoid(S),
    A = clip((R - mu) / sigma, -clip, clip) over the positive cells and the loss is
    ``-beta * sum(A * log P) / n``. Computed in float32, or in float64 for float64 maps.

    Without clipping the A of an image sum to 0, so the loss is ``-mean(A * S)``, never
    positive, and no other cell gets a gradient but through the abs-max.

    Args:
        eam: (B, K, H, W) fused map.
        masks: (B, K, H, W) bool, the positive cells; those of padded prompts do not count.
        prompt_masks: (B, K) bool, False at padded prompts; None where all are real.
        clip: bound of the absolute advantage.
        beta: factor of the loss.
        eps: keeps the abs-max and sigma from 0.
        stats: ``'image'``: mu and the population standard deviation of all positive cells of
            an image, sigma = std + eps (Algorithm 1); ``'prompt'``: of each prompt's own,
            sigma = sqrt(var + eps) (Eq. 12). Cells without variance have A = 0 and no gradient.
        detach_advantage: whether A is a constant for the gradient.
        normalize: divide the map by its largest absolute value first.
        norm_scope: that maximum is of an ``'image'`` (its unpadded prompts) or of the ``'batch'``.

    Returns:
        the loss, a scalar; 0 with a graph where there is no positive cell.

    Raises:
        ValueError: shapes that do not belong together, or an argument out of its range.
    """
    return local_average(*gaco_sum(
        eam, masks, prompt_masks, clip=clip, beta=beta, eps=eps, stats=stats,
        detach_advantage=detach_advantage, normalize=normalize, norm_scope=norm_scope))


def gaco_sum(
    eam: Tensor,
    masks: Tensor,
    prompt_masks: Tensor | None,
    *,
    clip: float,
    beta: float,
    eps: float,
    stats: str,
    detach_advantage: bool,
    normalize: bool,
    norm_scope: str,
    max_positive: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The sum over cells of :func:`geometry_aware_consistency` and the number n of cells.

    ``max_positive`` bounds the number of prompts of an image that have positive cells, where it
    is known; then no others are looked at.
    """
    with torch.autocast(eam.device.type, enabled=False):
        cells = positive_cells(
            eam, masks, prompt_masks, clip=clip, eps=eps, stats=stats, normalize=normalize,
            norm_scope=norm_scope, max_positive=max_positive)
        total = _AdvantageSum.apply(*cells, clip, eps, stats, detach_advantage)
        return beta * total, cells.masks.sum().to(total.dtype)


class _AdvantageSum(torch.autograd.Function):
    """``sum(A * (log_sums - scores))`` over the masks; see :func:`_sum_and_slopes`.

    The slopes are found together with the value, in a third of the operations that a recorded
    graph takes for them. There is no second derivative.
    """

    @staticmethod
    def forward(ctx, scores, log_sums, masks, axes, clip, eps, stats, detach):
        total, *slopes = _sum_and_slopes(scores, log_sums, masks, axes, clip, eps, stats, detach)
        ctx.save_for_backward(*slopes)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return *(gradient * slope for slope in ctx.saved_tensors), *[None] * 6


def _sum_and_slopes(
    scores: Tensor, log_sums: Tensor, masks: Tensor, axes: tuple[int, ...], clip: float,
    eps: float, stats: str, detach: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum, and its derivatives by the scores (B, R, cells) and by their ``log_sums`` (B)."""
    rewards = scores.sigmoid()
    standard = standardise(rewards, masks, axes, eps, stats)
    sigma, varies = standard.sigma, standard.varies
    advantage = standard.values.clamp(-clip, clip)
    surprise = log_sums[:, None, None] - scores  # -log P
    slopes = -advantage
    if not detach:
        # By the standardised rewards, then by the centred ones, of which sigma depends, too.
        inner = surprise * (masks & varies & (standard.values.abs() <= clip)) / sigma
        centred = standard.centred
        by_sigma = (inner * centred).sum(axes, keepdim=True, dtype=torch.float64)
        by_sigma = by_sigma / (standard.counts * sigma * standard.deviation)
        inner = inner - by_sigma.to(inner.dtype) * centred
        inner = (inner - mean_over(inner, standard.counts, axes)) * masks
        slopes = slopes + inner * rewards * (1 - rewards)
    return (advantage * surprise).sum(), slopes, advantage.sum((1, 2))
