"""The geometric loss as a module."""

from typing import Any

import torch
from torch import Tensor, nn

from expalign.registry import MODELS

from .gaco import gaco_sum
from .map_ops import full_precision, global_average
from .positive_cells import positive_cells, standard_advantage


@MODELS.register_module()
class GACOLoss(nn.Module):
    """:func:`~expalign.models.losses.geometry_aware_consistency`, its positive cells counted over
    all processes.

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
        self.common: dict[str, Any] = dict(
            clip=clip, eps=eps, stats=stats, normalize=normalize, norm_scope=norm_scope)
        self.options = dict(self.common, beta=beta, detach_advantage=detach_advantage)
        self.loss_weight = loss_weight

    def forward(
        self, eam: Tensor, masks: Tensor, prompt_masks: Tensor | None = None,
        max_positive: int | None = None,
    ) -> Tensor:
        """The weighted loss of maps and positive cells, both (B, K, H, W).

        ``max_positive``: most prompts of an image that have positive cells, where it is known.
        """
        total, count = gaco_sum(
            eam, masks, prompt_masks, max_positive=max_positive, **self.options)
        return self.loss_weight * global_average(total, count)

    def shares(
        self, eam: Tensor, masks: Tensor, prompt_masks: Tensor | None = None,
        max_positive: int | None = None,
    ) -> dict[str, Tensor]:
        """How the loss of this process's batch acts, for the log; arguments as in the loss.

        Returns:
            scalars without a graph: ``gaco_clipped``, the share of positive cells whose
            advantage is clipped; of the gradient's absolute values on the fused map,
            ``gaco_to_background``, the share on other cells of prompts that have positive cells,
            and ``gaco_to_prompts``, the share on prompts that have none.
        """
        leaf = full_precision(eam.detach()).requires_grad_()
        with torch.enable_grad():
            total, _ = gaco_sum(
                leaf, masks, prompt_masks, max_positive=max_positive, **self.options)
        gradient, = torch.autograd.grad(total, leaf)
        sizes = gradient.abs_()
        whole = sizes.sum().clamp(min=torch.finfo(sizes.dtype).tiny)
        outside = (sizes * ~masks).sum((2, 3))  # (B, K)
        found = masks.flatten(2).any(2)
        with torch.no_grad(), torch.autocast(eam.device.type, enabled=False):
            cells = positive_cells(
                leaf, masks, prompt_masks, max_positive=max_positive, **self.common)
            advantage = standard_advantage(cells, self.common['eps'], self.common['stats'])
        clipped = (advantage.abs() > self.common['clip']).sum() / cells.masks.sum().clamp(min=1)
        return dict(
            gaco_clipped=clipped, gaco_to_background=(outside * found).sum() / whole,
            gaco_to_prompts=(outside * ~found).sum() / whole)
