"""Mask loss of YOLOv8-seg: binary cross entropy inside the box, divided by the box's area.

Axes: B images, P locations of an image, each of one instance; G instances; M prototypes; h x w
prototype cells.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Cells of the maps of locations that are there at once: 256 MB a map in float32.
CHUNK_CELLS = 2**26


def mask_loss_sum(
    coeffs: Tensor, prototypes: Tensor, masks: Tensor, instances: Tensor, boxes: Tensor,
    weights: Tensor,
) -> Tensor:
    """Sum over locations of weight * (sum of BCE inside the box) / (area of the box).

    A cell is inside a box if its centre is. The gradient is found together with the value, for a
    fixed number of locations at a time, so that no map of a location is kept for the backward
    pass or made twice. There is no second derivative.

    Args:
        coeffs: (B, P, M).
        prototypes: (B, M, h, w).
        masks: (B, G, h, w) bool, what to learn.
        instances: (B, P) long, the instance of each location.
        boxes: (B, P, 4) its box, xyxy in prototype cells.
        weights: (B, P), 0 at locations that do not count.
    """
    return _MaskLossSum.apply(coeffs, prototypes, masks, instances, boxes, weights)


class _MaskLossSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, coeffs, prototypes, masks, instances, boxes, weights):
        flat = prototypes.flatten(2)  # (B, M, h * w)
        step = max(1, CHUNK_CELLS // (len(flat) * flat.shape[2]))
        total, of_coeffs, of_prototypes = flat.new_zeros(()), [], torch.zeros_like(flat)
        for part in zip(*(x.split(step, 1) for x in (coeffs, instances, boxes, weights)),
                        strict=True):
            loss, of_logits = _loss_and_slope(flat, masks, *part)
            total += loss
            of_coeffs.append(of_logits @ flat.transpose(1, 2))
            of_prototypes.baddbmm_(part[0].transpose(1, 2), of_logits)
        ctx.save_for_backward(torch.cat(of_coeffs, 1), of_prototypes.view_as(prototypes))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        of_coeffs, of_prototypes = ctx.saved_tensors
        return gradient * of_coeffs, gradient * of_prototypes, None, None, None, None


def _loss_and_slope(
    prototypes: Tensor, masks: Tensor, coeffs: Tensor, instances: Tensor, boxes: Tensor,
    weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """The loss of some locations, and its derivative by their logits (B, P, h * w)."""
    size = masks.shape[2:]
    area = ((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])).clamp(min=1e-6)
    scale = (weights / area)[..., None]
    # +1 where a cell is to be background, -1 where foreground, 0 outside the box: with it
    # BCE is softplus(sign * logit), whose slope is sign * sigmoid(sign * logit).
    index = instances[..., None].expand(-1, -1, size[0] * size[1])
    sign = torch.where(masks.flatten(2).gather(1, index), -1.0, 1.0).to(coeffs.dtype)
    inside = cells_inside(boxes, size).flatten(2)
    sign *= inside
    logits = (coeffs @ prototypes).mul_(sign)
    loss = (F.softplus(logits).mul_(inside).sum(-1, keepdim=True) * scale).sum()
    return loss, logits.sigmoid_().mul_(sign).mul_(scale)


def cells_inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Whether the centre of a cell lies in a box: (..., 4) xyxy in cells -> (..., h, w) bool."""
    height, width = size
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    x1, y1, x2, y2 = boxes[..., None].unbind(-2)  # (..., 1) each
    in_x = (x >= x1) & (x < x2)  # (..., w)
    in_y = (y >= y1) & (y < y2)  # (..., h)
    return in_y[..., :, None] & in_x[..., None, :]
