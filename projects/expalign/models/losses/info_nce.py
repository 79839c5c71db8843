"""Semantic consistency: InfoNCE over the prompts of an image (paper, Eqs 6-8).

Axes: B images, K prompts, H x W cells.
"""

from typing import Any

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

ABS_MAX_EPS = 1e-6


def multi_positive_info_nce(
    eam: Tensor,
    positives: Tensor,
    prompt_masks: Tensor | None = None,
    *,
    topk: int,
    tau: float = 0.07,
    normalize: bool = True,
    norm_scope: str = 'image',
    reduction: str = 'positive',
) -> Tensor:
    """InfoNCE whose target is uniform over the positive prompts of an image (Eqs 6-8).

    A prompt's logit is the mean of the ``topk`` largest values of its map; an image's loss is
    the mean of ``-log softmax(logits / tau)`` over its positive prompts, the softmax being
    over its unpadded ones. Computed in float32, or in float64 for float64 maps.

    Args:
        eam: (B, K, H, W) fused map.
        positives: (B, K) bool; a padded prompt is none.
        prompt_masks: (B, K) bool, False at padded prompts; None where all are real.
        topk: number of cells; all of them where the map has fewer.
        tau: temperature, > 0.
        normalize: divide the map by its largest absolute value first.
        norm_scope: that maximum is of an ``'image'`` (its unpadded prompts) or of the ``'batch'``.
        reduction: ``'positive'``: mean over images that have a positive; ``'batch'``: the sum
            of the same divided by B (Eq. 8).

    Returns:
        the loss, a scalar; 0 with a graph where there is no positive.

    Raises:
        ValueError: shapes that do not belong together, or an argument out of its range.
    """
    return local_average(*info_nce_sum(
        eam, positives, prompt_masks, topk=topk, tau=tau, normalize=normalize,
        norm_scope=norm_scope, reduction=reduction))


def info_nce_sum(
    eam: Tensor,
    positives: Tensor,
    prompt_masks: Tensor | None,
    *,
    topk: int,
    tau: float,
    normalize: bool,
    norm_scope: str,
    reduction: str,
) -> tuple[Tensor, Tensor]:
    """The sum over images of :func:`multi_positive_info_nce` and what divides it."""
    check_choice('reduction', reduction, ('positive', 'batch'))
    check_shapes(eam, prompt_masks, positives=(positives, 2))
    if topk < 1:
        raise ValueError(f'topk is a number of cells and must be 1 or more, got {topk}')
    if not tau > 0:
        raise ValueError(f'tau is the temperature of a softmax and must be > 0, got {tau}')
    with torch.autocast(eam.device.type, enabled=False):
        scores = prepare_map(eam, prompt_masks, normalize, norm_scope, ABS_MAX_EPS).flatten(2)
        logits = scores.topk(min(topk, scores.shape[2]), sorted=False).values.mean(-1)  # (B, K)
        log_probs = fill_padded(logits / tau, prompt_masks).log_softmax(-1)
        if prompt_masks is not None:
            positives = positives & prompt_masks
        num_positives = positives.sum(-1)  # (B,)
        losses = -log_probs.masked_fill(~positives, 0).sum(-1) / num_positives.clamp(min=1)
        images = num_positives > 0 if reduction == 'positive' else torch.ones_like(num_positives)
        return losses.sum(), images.sum().to(losses.dtype)


@MODELS.register_module()
class MultiPositiveInfoNCELoss(nn.Module):
    """:func:`multi_positive_info_nce` with its number of images counted over all processes.

    Args:
        tau, normalize, norm_scope, reduction: as there.
        loss_weight: factor of the result.
    """

    def __init__(
        self,
        tau: float = 0.07,
        normalize: bool = True,
        norm_scope: str = 'image',
        reduction: str = 'positive',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = dict(
            tau=tau, normalize=normalize, norm_scope=norm_scope, reduction=reduction)
        self.loss_weight = loss_weight

    def forward(
        self, eam: Tensor, positives: Tensor, prompt_masks: Tensor | None = None, *, topk: int
    ) -> Tensor:
        """The weighted loss of maps (B, K, H, W) and positives (B, K)."""
        total, count = info_nce_sum(eam, positives, prompt_masks, topk=topk, **self.options)
        return self.loss_weight * global_average(total, count)
