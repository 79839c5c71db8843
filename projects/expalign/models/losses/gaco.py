"""Geometry-aware consistency objective, GACO (paper, Eqs 10-13 and Algorithm 1).

Axes: B images, K prompts, H x W cells, n positive (prompt, cell) pairs of the batch.
"""

import torch
from torch import Tensor, nn

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
) -> tuple[Tensor, Tensor]:
    """The sum over cells of :func:`geometry_aware_consistency` and the number n of cells."""
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
        # From here on the positive cells alone, in the order of the map.
        positive = scores.flatten()[masks.flatten()]  # (n,)
        counts = masks.sum((2, 3))  # (B, K)
        images = _group_index(counts.sum(1))  # (n,)
        groups = images if stats == 'image' else _group_index(counts.flatten())
        num_groups = counts.shape[0] if stats == 'image' else counts.numel()
        advantage = _advantage(positive.sigmoid(), groups, num_groups, eps, stats)
        advantage = advantage.clamp(-clip, clip)
        if detach_advantage:
            advantage = advantage.detach()
        total = (advantage * (log_sums[images] - positive)).sum()
        return beta * total, counts.sum().to(total.dtype)


def _group_index(counts: Tensor) -> Tensor:
    """For groups of the given sizes, laid out one after the other, the group of each member."""
    return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)


def _advantage(rewards: Tensor, groups: Tensor, num_groups: int, eps: float, stats: str) -> Tensor:
    """Standardised rewards (n,) of every group, before clipping."""
    lowest = rewards.new_zeros(num_groups).scatter_reduce(
        0, groups, rewards.detach(), 'amin', include_self=False)
    # Relative to the lowest, so that equal rewards have a mean and a variance without rounding.
    rewards = rewards - lowest[groups]
    centred = rewards - _group_mean(rewards, groups, num_groups)[groups]
    variance = _group_mean(centred.square(), groups, num_groups)
    varies = variance > 0
    if stats == 'image':
        # The inner choice keeps the infinite slope of the root at 0 out of the gradient.
        sigma = torch.where(varies, variance, 1).sqrt() + eps
    else:
        sigma = (variance + eps).sqrt()
    return torch.where(varies[groups], centred / sigma[groups], 0)


def _group_mean(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Mean of every group, 0 where it is empty; summed in float64, one value after the other."""
    zeros = torch.zeros(num_groups, dtype=torch.float64, device=values.device)
    sums = zeros.index_add(0, groups, values.double())
    counts = torch.bincount(groups, minlength=num_groups).clamp(min=1)
    return (sums / counts).to(values.dtype)


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
        self.options = dict(
            clip=clip, beta=beta, eps=eps, stats=stats, detach_advantage=detach_advantage,
            normalize=normalize, norm_scope=norm_scope)
        self.loss_weight = loss_weight

    def forward(self, eam: Tensor, masks: Tensor, prompt_masks: Tensor | None = None) -> Tensor:
        """The weighted loss of maps and positive cells, both (B, K, H, W)."""
        total, count = gaco_sum(eam, masks, prompt_masks, **self.options)
        return self.loss_weight * global_average(total, count)
