"""Positive cells of a fused map: their scores, the map's partition, their advantage (Eqs 10-12).

Axes: B images, K prompts, R of them that may be positive, H x W cells.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .map_ops import check_choice, check_shapes, fill_padded, prepare_map


class PositiveCells(NamedTuple):
    """The prompts of an image that may be positive, beside the partition of its whole map.

    ``scores`` and ``masks`` are (B, R, cells); ``log_sums`` (B) is the log of the sum of exp(S)
    over all unpadded prompts and cells, so that log P = scores - log_sums. ``axes`` are those
    that mu and sigma are taken over.
    """

    scores: Tensor
    log_sums: Tensor
    masks: Tensor
    axes: tuple[int, ...]


def positive_cells(
    eam: Tensor,
    masks: Tensor,
    prompt_masks: Tensor | None,
    *,
    clip: float,
    eps: float,
    stats: str,
    normalize: bool,
    norm_scope: str,
    max_positive: int | None = None,
) -> PositiveCells:
    """Scores and partition of a fused map, in full precision; autocast has to be off.

    Args:
        eam, masks, prompt_masks: as in
            :func:`~expalign.models.losses.geometry_aware_consistency`, and the options too.
        max_positive: bound of the number of prompts of an image that have positive cells, where
            it is known; then no others are looked at.

    Raises:
        ValueError: shapes that do not belong together, or an argument out of its range.
    """
    check_choice('stats', stats, ('image', 'prompt'))
    check_shapes(eam, prompt_masks, masks=(masks, 4))
    if not clip > 0:
        raise ValueError(f'clip bounds an absolute value and must be > 0, got {clip}')
    if prompt_masks is not None:
        masks = masks & prompt_masks[:, :, None, None]
    scores = prepare_map(eam, prompt_masks, normalize, norm_scope, eps)
    # Over the cells, then over the prompts: no second map with the padding filled in.
    log_sums = fill_padded(scores.logsumexp((2, 3)), prompt_masks).logsumexp(1)
    rows, masks = _positive_rows(scores.flatten(2), masks.flatten(2), max_positive)
    return PositiveCells(rows, log_sums, masks, (1, 2) if stats == 'image' else (2,))


def _positive_rows(
    scores: Tensor, masks: Tensor, max_positive: int | None
) -> tuple[Tensor, Tensor]:
    """Scores and masks (B, K, cells) of the R prompts of an image that may be positive."""
    if max_positive is None or max_positive >= scores.shape[1]:
        return scores, masks
    index = masks.sum(2).topk(max_positive, sorted=False).indices[..., None]  # (B, R, 1)
    index = index.expand(-1, -1, scores.shape[2])
    return scores.gather(1, index), masks.gather(1, index)


class Standardised(NamedTuple):
    """Rewards less their mean over their standard deviation, and what they are made of.

    ``values`` and ``centred`` (rewards less the mean) are (B, R, cells), 0 outside the positive
    cells; the others keep those axes with a size of 1 where the statistics were taken.
    """

    values: Tensor
    centred: Tensor
    counts: Tensor
    deviation: Tensor
    sigma: Tensor
    varies: Tensor


def standardise(
    rewards: Tensor, masks: Tensor, axes: tuple[int, ...], eps: float, stats: str
) -> Standardised:
    """(R - mu) / sigma over the positive cells, before clipping (Eq. 12, Algorithm 1).

    Args:
        rewards: R, (B, R, cells).
        masks: the positive cells, of the same shape.
        axes: those that mu and sigma are taken over.
        eps, stats: as in :func:`~expalign.models.losses.geometry_aware_consistency`.
    """
    counts = masks.sum(axes, keepdim=True).clamp(min=1)
    # Relative to the lowest, so that equal rewards have a mean and a variance without rounding.
    lowest = rewards.masked_fill(~masks, 1).amin(axes, keepdim=True)
    centred = (rewards - lowest) * masks
    centred = (centred - mean_over(centred, counts, axes)) * masks
    variance = mean_over(centred.square(), counts, axes)
    varies = variance > 0
    deviation = torch.where(varies, variance if stats == 'image' else variance + eps, 1).sqrt()
    sigma = deviation + eps if stats == 'image' else deviation
    return Standardised(centred / sigma * varies, centred, counts, deviation, sigma, varies)


def standard_advantage(cells: PositiveCells, eps: float, stats: str) -> Tensor:
    """The advantage (B, R, cells) of positive cells by their scores, before clipping."""
    return standardise(cells.scores.sigmoid(), cells.masks, cells.axes, eps, stats).values


def mean_over(values: Tensor, counts: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mean over ``counts`` of the values, which are 0 elsewhere; summed in float64."""
    return (values.sum(axes, keepdim=True, dtype=torch.float64) / counts).to(values.dtype)
