"""Complete IoU of boxes (Zheng et al., 2020) in few operations, and its loss."""

import math

import torch
from torch import Tensor, nn

from expalign.registry import MODELS


def complete_iou(first: Tensor, second: Tensor, eps: float = 1e-7) -> Tensor:
    """``IoU - rho^2 / c^2 - alpha v``, in [-1, 1].

    rho is the distance of the centres, c the diagonal of the box around both and v the difference
    of the angles atan(w / h), squared and times 4 / pi^2. alpha = v / (v - IoU + 1) has no
    gradient. It is mmyolo's ``bbox_overlaps(..., iou_mode='ciou')``, which works side by side.

    Args:
        first, second: (..., 4) xyxy, of shapes that broadcast.
        eps: keeps quotients finite.
    """
    low, high = first.unflatten(-1, (2, 2)).unbind(-2)
    other_low, other_high = second.unflatten(-1, (2, 2)).unbind(-2)
    size, other_size = high - low, other_high - other_low
    (width, height), (other_width, other_height) = size.unbind(-1), other_size.unbind(-1)
    shared = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(min=0)
    shared = shared[..., 0] * shared[..., 1]
    union = torch.addcmul(width * height, other_width, other_height) - shared + eps
    iou = shared / union
    around = (torch.maximum(high, other_high) - torch.minimum(low, other_low)).clamp(min=0)
    apart = (low + high) - (other_low + other_high)  # twice the distance
    distance = apart.square().sum(-1) / 4 / (around.square().sum(-1) + eps)
    turned = torch.atan(other_width / (other_height + eps)) - torch.atan(width / (height + eps))
    shape = turned.square() * (4 / math.pi**2)
    with torch.no_grad():
        alpha = shape / (shape - iou + (1 + eps))
    return (iou - torch.addcmul(distance, alpha, shape)).clamp(-1, 1)


@MODELS.register_module()
class CIoULoss(nn.Module):
    """``loss_weight * (1 - complete_iou)`` of each pair of boxes.

    Args:
        loss_weight: factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor, reduction_override: str = 'none') -> Tensor:
        """The loss of boxes (n, 4) xyxy, (n); as mmyolo's modules without reduction give it."""
        if reduction_override != 'none':
            raise ValueError(f"reduction_override must be 'none', got {reduction_override!r}")
        return self.loss_weight * (1 - complete_iou(pred, target))
