"""Binary cross entropy of class logits, over the prompts that count."""

from torch import Tensor, nn
from torch.nn import functional as F

from expalign.registry import MODELS


@MODELS.register_module()
class PromptBCELoss(nn.Module):
    """``loss_weight`` times the binary cross entropy of logits with soft targets.

    What mmdet's ``CrossEntropyLoss(use_sigmoid=True, reduction='none')`` gives for targets
    between 0 and 1, without its look for labels that are to be ignored.

    Args:
        loss_weight: factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, pred: Tensor, target: Tensor, weight: Tensor | None = None,
        reduction_override: str = 'none',
    ) -> Tensor:
        """The loss of logits and targets (B, N, K), weighted by what broadcasts to them.

        Args:
            pred, target: (B, N, K).
            weight: of every entry, e.g. (B, 1, K).
            reduction_override: ``'none'``: (B, N, K), or ``'sum'``.
        """
        return self.loss_weight * F.binary_cross_entropy_with_logits(
            pred, target, weight, reduction=reduction_override)
