"""The geometric loss as a module, in the published form and in the one with a target."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from expalign.registry import MODELS

from .gaco import gaco_sum
from .gaco_target import target_sum
from .map_ops import check_choice, full_precision, global_average
from .positive_cells import positive_cells, standard_advantage


@MODELS.register_module()
class GACOLoss(nn.Module):
    """A geometry-aware objective with its positive cells counted over all processes.

    Args:
        form: ``'advantage'``, the paper's
            :func:`~expalign.models.losses.geometry_aware_consistency`, or ``'target'``,
            :func:`~expalign.models.losses.target_consistency`.
        clip, beta, eps, stats, normalize, norm_scope: as there.
        detach_advantage: of the paper's form; the target's advantage is always a constant.
        temperature: of the target.
        loss_weight: factor of the result.

    Raises:
        ValueError: an unknown form, or an option that it does not have.
    """

    def __init__(
        self,
        form: str = 'advantage',
        clip: float = 5.0,
        beta: float = 1.0,
        eps: float = 1e-6,
        stats: str = 'image',
        detach_advantage: bool | None = None,
        temperature: float | None = None,
        normalize: bool = True,
        norm_scope: str = 'image',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_choice('form', form, ('advantage', 'target'))
        self.common: dict[str, Any] = dict(
            clip=clip, eps=eps, stats=stats, normalize=normalize, norm_scope=norm_scope)
        self.options = dict(self.common, beta=beta)
        if form == 'advantage':
            if temperature is not None:
                raise ValueError("temperature is an option of GACOLoss(form='target')")
            self.options['detach_advantage'] = bool(detach_advantage)
        else:
            if detach_advantage is not None:
                raise ValueError("detach_advantage is an option of GACOLoss(form='advantage')")
            self.options['temperature'] = 1.0 if temperature is None else temperature
        self._sum: Callable = gaco_sum if form == 'advantage' else target_sum
        self.loss_weight = loss_weight

    def forward(
        self, eam: Tensor, masks: Tensor, prompt_masks: Tensor | None = None,
        max_positive: int | None = None,
    ) -> Tensor:
        """The weighted loss of maps and positive cells, both (B, K, H, W).

        ``max_positive``: most prompts of an image that have positive cells, where it is known.
        """
        total, count = self._sum(
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
            total, _ = self._sum(
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
