"""Geometry-aware consistency objective, GACO (paper, Eqs 10-13 and Algorithm 1).

Axes: B images, K prompts, R of them that may be positive, H x W cells, n positive (prompt, cell)
pairs of the batch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from expalign.registry import MODELS

from .map_ops import (
    check_choice,
    check_shapes,
    fill_padded,
    global_average,
    local_average,
    prepare_map,
)


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
    check_choice('stats', stats, ('image', 'prompt'))
    check_shapes(eam, prompt_masks, masks=(masks, 4))
    if not clip > 0:
        raise ValueError(f'clip bounds an absolute value and must be > 0, got {clip}')
    if prompt_masks is not None:
        masks = masks & prompt_masks[:, :, None, None]
    with torch.autocast(eam.device.type, enabled=False):
        scores = prepare_map(eam, prompt_masks, normalize, norm_scope, eps)
        # Over the cells, then over the prompts: no second map with the padding filled in.
        log_sums = fill_padded(scores.logsumexp((2, 3)), prompt_masks).logsumexp(1)  # (B,)
        scores, masks = _positive_rows(scores.flatten(2), masks.flatten(2), max_positive)
        axes = (1, 2) if stats == 'image' else (2,)
        total = _AdvantageSum.apply(
            scores, log_sums, masks, axes, clip, eps, stats, detach_advantage)
        return beta * total, masks.sum().to(total.dtype)


def _positive_rows(
    scores: Tensor, masks: Tensor, max_positive: int | None
) -> tuple[Tensor, Tensor]:
    """Scores and masks (B, K, cells) of the R prompts of an image that may be positive."""
    if max_positive is None or max_positive >= scores.shape[1]:
        return scores, masks
    index = masks.sum(2).topk(max_positive, sorted=False).indices[..., None]  # (B, R, 1)
    index = index.expand(-1, -1, scores.shape[2])
    return scores.gather(1, index), masks.gather(1, index)


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
    counts = masks.sum(axes, keepdim=True).clamp(min=1)
    # Relative to the lowest, so that equal rewards have a mean and a variance without rounding.
    lowest = rewards.masked_fill(~masks, 1).amin(axes, keepdim=True)
    centred = (rewards - lowest) * masks
    centred = (centred - _mean(centred, counts, axes)) * masks
    variance = _mean(centred.square(), counts, axes)
    varies = variance > 0
    deviation = torch.where(varies, variance if stats == 'image' else variance + eps, 1).sqrt()
    sigma = deviation + eps if stats == 'image' else deviation
    standard = centred / sigma * varies
    advantage = standard.clamp(-clip, clip)
    surprise = log_sums[:, None, None] - scores  # -log P
    slopes = -advantage
    if not detach:
        # By the standardised rewards, then by the centred ones, of which sigma depends, too.
        inner = surprise * (masks & varies & (standard.abs() <= clip)) / sigma
        by_sigma = (inner * centred).sum(axes, keepdim=True, dtype=torch.float64)
        inner = inner - (by_sigma / (counts * sigma * deviation)).to(inner.dtype) * centred
        inner = (inner - _mean(inner, counts, axes)) * masks
        slopes = slopes + inner * rewards * (1 - rewards)
    return (advantage * surprise).sum(), slopes, advantage.sum((1, 2))


def _mean(values: Tensor, counts: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mean over ``counts`` of the values, which are 0 elsewhere; summed in float64."""
    return (values.sum(axes, keepdim=True, dtype=torch.float64) / counts).to(values.dtype)


@MODELS.register_module()
class GACOLoss(nn.Module):
    """:func:`geometry_aware_consistency` with its positive cells counted over all processes.

    Args:
        clip, beta, eps, stats, detach_advantage, normalize, norm_scope: as there.
        loss_weight: factor of the result.
    """

    def __init__(
        self,
        clip: float = 5.0,
        beta: float = 1.0,
        eps: float = 1e-6,
        stats: str = 'image',
        detach_advantage: bool = False,
        normalize: bool = True,
        norm_scope: str = 'image',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = dict(
            clip=clip, beta=beta, eps=eps, stats=stats, detach_advantage=detach_advantage,
            normalize=normalize, norm_scope=norm_scope)
        self.loss_weight = loss_weight

    def forward(
        self, eam: Tensor, masks: Tensor, prompt_masks: Tensor | None = None,
        max_positive: int | None = None,
    ) -> Tensor:
        """The weighted loss of maps and positive cells, both (B, K, H, W); see :func:`gaco_sum`."""
        total, count = gaco_sum(
            eam, masks, prompt_masks, max_positive=max_positive, **self.options)
        return self.loss_weight * global_average(total, count)
