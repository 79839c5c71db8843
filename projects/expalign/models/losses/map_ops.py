"""Steps that the consistency losses share: precision, padding, scale, averaging.

Axes: B images, K prompts, H x W cells.
"""

import torch
from mmdet.utils import reduce_mean
from mmengine.dist import get_world_size
from torch import Tensor
from torch.autograd.function import once_differentiable


def full_precision(tensor: Tensor) -> Tensor:
    """Float32, or float64 where ``tensor`` is that already."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def prepare_map(
    eam: Tensor,
    prompt_masks: Tensor | None,
    normalize: bool,
    norm_scope: str,
    eps: float,
) -> Tensor:
    """A map in full precision, zero at padded prompts and divided by its abs-max.

    A map of zeros has no scale and is left as it is.

    Args:
        eam: (B, K, H, W) in any floating type.
        prompt_masks: (B, K) bool, False at padded prompts; None where all are real.
        normalize: whether to divide by (largest absolute value + ``eps``); the gradient flows
            through the division.
        norm_scope: ``'image'``: one maximum an image; ``'batch'``: one for the tensor.
    """
    check_choice('norm_scope', norm_scope, ('image', 'batch'))
    eam = full_precision(eam)
    if prompt_masks is not None:
        # Also keeps whatever a padded prompt holds, NaN included, out of the backward pass.
        eam = eam.masked_fill(~prompt_masks[:, :, None, None], 0)
    if not normalize:
        return eam
    axes = (1, 2, 3) if norm_scope == 'image' else (0, 1, 2, 3)
    return _OverLargest.apply(eam, axes, eps)


class _OverLargest(torch.autograd.Function):
    """A map over its largest absolute value, whose gradient is shared where several have it.

    The backward pass is a third of the operations of a recorded one. It has no derivative.
    """

    @staticmethod
    def forward(ctx, eam, axes, eps):
        # Two reductions instead of an absolute map of full size.
        largest = torch.maximum(eam.amax(axes, keepdim=True), -eam.amin(axes, keepdim=True))
        scale = torch.where(largest > 0, largest + eps, 1)
        scaled = eam / scale
        ctx.axes = axes
        ctx.save_for_backward(eam, largest, scale, scaled)
        return scaled

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        eam, largest, scale, scaled = ctx.saved_tensors
        slope = gradient * scaled  # the one map of full size that is made here
        by_scale = slope.sum(ctx.axes, keepdim=True)
        torch.div(gradient, scale, out=slope)
        highest, lowest = eam == largest, eam == -largest
        count = (highest | lowest).sum(ctx.axes, keepdim=True)
        share = torch.where(largest > 0, by_scale / (count * scale), 0)
        slope.addcmul_(highest, share, value=-1).addcmul_(lowest, share)
        return slope, None, None


def fill_padded(scores: Tensor, prompt_masks: Tensor | None) -> Tensor:
    """Scores (B, K) with the lowest finite value at padded prompts.

    -inf would turn the softmax of an image whose prompts are all padded into NaN.
    """
    if prompt_masks is None:
        return scores
    return scores.masked_fill(~prompt_masks, torch.finfo(scores.dtype).min)


def local_average(total: Tensor, count: Tensor) -> Tensor:
    """``total / count``; a count of 0 gives 0 with a graph."""
    return total / count.clamp(min=1)


def global_average(total: Tensor, count: Tensor) -> Tensor:
    """This process's ``total`` over the mean of the processes' counts.

    Averaged over processes, as gradients are, it is the quotient of the sums of both: what one
    process computes from the whole batch. Every process must call it.
    """
    return total / reduce_mean(count).clamp(min=1 / get_world_size())


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of ``choices``."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {choices}, got {value!r}')


def check_shapes(eam: Tensor, prompt_masks: Tensor | None, **others: tuple[Tensor, int]) -> None:
    """Refuse tensors that do not belong to a map.

    Args:
        eam: (B, K, H, W).
        prompt_masks: (B, K) or None.
        others: name -> (tensor, n), the tensor having the first n axes of ``eam``.
    """
    if eam.dim() != 4:
        raise ValueError(f'eam must be (B, K, H, W), got {tuple(eam.shape)}')
    if prompt_masks is not None:
        others['prompt_masks'] = (prompt_masks, 2)
    for name, (tensor, axes) in others.items():
        if tensor.shape != eam.shape[:axes]:
            raise ValueError(
                f'{name} must be {tuple(eam.shape[:axes])} for an eam {tuple(eam.shape)}, '
                f'got {tuple(tensor.shape)}')
