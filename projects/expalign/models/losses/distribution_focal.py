"""Distribution focal loss (Li et al., 2020) in few operations."""

import torch
from torch import Tensor, nn

from expalign.registry import MODELS


@MODELS.register_module()
class DFLoss(nn.Module):
    """Cross entropy of a distribution over bins with the two bins around a target.

    What mmdet's ``DistributionFocalLoss`` gives for a weighted sum, with one softmax for both bins.

    Args:
        loss_weight: factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor, avg_factor: Tensor) -> Tensor:
        """The sum of the weighted losses over ``avg_factor``, a scalar.

        Args:
            pred: (n, bins) logits.
            target: (n), from 0 to below ``bins - 1``.
            weight: (n).
            avg_factor: scalar.
        """
        low = target.long()
        both = pred.log_softmax(-1).gather(1, torch.stack([low, low + 1], 1))  # (n, 2)
        lower, upper = both.unbind(1)
        loss = torch.lerp(lower, upper, target - low)
        return -self.loss_weight * (loss * weight).sum() / avg_factor
