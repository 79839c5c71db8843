"""Expectation alignment of a feature map with the tokens of prompts (paper, Eqs 1-4).

Axes: B images, K prompts, L tokens per prompt, D embedding width, H x W cells.

Every step of the equations but the softmax is linear in the image features, so the expectation
over tokens can be taken before the product with the map. The tensor of token similarities,
(B, K, L, H, W), is never built; the result is the same map.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis among the positions where ``mask`` is True.

    Args:
        scores: (..., L).
        mask: (..., L) bool, broadcastable to ``scores``.

    Returns:
        (..., L) weights that sum to one; zeros in a row whose mask is all False.
    """
    # The lowest finite value, not -inf: a fully masked row must not turn into NaN.
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~mask, lowest).softmax(dim=-1)
    return weights * mask.to(weights.dtype)


def token_weights_from_pooled(
    pooled: Tensor, txt_feats: Tensor, txt_masks: Tensor, tau: float = 1.0
) -> Tensor:
    """Token weights pi of Eqs 2-3, from the spatial mean of the image features.

    Args:
        pooled: (B, D), the mean of F over all cells.
        txt_feats: (B or 1, K, L, D) tokens.
        txt_masks: (B or 1, K, L) bool, True at real tokens.
        tau: softmax temperature, > 0.

    Returns:
        (B, K, L) weights.
    """
    if not tau > 0:
        raise ValueError(f'tau is the temperature of a softmax and must be > 0, got {tau}')
    scores = torch.einsum('bd,bkld->bkl', pooled, txt_feats)
    return masked_softmax(scores / tau, txt_masks)


def expectation_alignment(
    img_feats: Tensor, txt_feats: Tensor, txt_masks: Tensor, tau: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Expectation alignment map of every prompt, Eqs 1-4 in factorised form.

    ``S(x,y,l) = <F(x,y), T(l)>``; ``pi = softmax_l(mean_xy S / tau)``; ``EAM = sum_l pi(l) S(l)``.
    The mean is over all cells, padding of a letterbox included. A prompt whose mask is all
    False gets a zero map and zero weights.

    Args:
        img_feats: (B, D, H, W) embedded image features F.
        txt_feats: (B or 1, K, L, D) tokens T; 1 where all images share their prompts.
        txt_masks: (B or 1, K, L) bool, True at real tokens.
        tau: softmax temperature, > 0.

    Returns:
        eam: (B, K, H, W) alignment maps.
        token_weights: (B, K, L) weights pi.

    Raises:
        ValueError: the shapes do not belong together, or ``tau`` is not positive.
    """
    _check_shapes(img_feats, txt_feats, txt_masks)
    cells = img_feats.flatten(2)  # (B, D, N)
    txt_feats = txt_feats.to(cells.dtype)
    if torch.is_grad_enabled() and (cells.requires_grad or txt_feats.requires_grad):
        eam, weights = _Alignment.apply(cells, txt_feats, txt_masks, tau)
    else:
        eam, weights = _align(cells, txt_feats, txt_masks, tau)[:2]
    # Not unflatten: it would write the sizes of the example into an exported graph.
    return eam.reshape(*eam.shape[:2], *img_feats.shape[2:]), weights


def _align(
    cells: Tensor, txt_feats: Tensor, txt_masks: Tensor, tau: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Maps (B, K, N) of cells (B, D, N), weights (B, K, L), prompts (B, K, D), pooled (B, D)."""
    pooled = cells.mean(dim=2)
    weights = token_weights_from_pooled(pooled, txt_feats, txt_masks, tau)
    prompts = torch.einsum('bkl,bkld->bkd', weights, txt_feats)
    return torch.bmm(prompts, cells), weights, prompts, pooled


class _Alignment(torch.autograd.Function):
    """:func:`_align` whose backward pass walks the cells as often as a single product does.

    What autograd does by itself adds the gradient of the mean to that of the product in passes of
    their own over (B, D, N), a quarter of the time of the whole.
    """

    @staticmethod
    def forward(ctx, cells, txt_feats, txt_masks, tau):
        eam, weights, prompts, pooled = _align(cells, txt_feats, txt_masks, tau)
        ctx.save_for_backward(cells, txt_feats, weights, prompts, pooled)
        ctx.tau = tau
        return eam.to(cells.dtype), weights

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_eam, grad_weights):
        cells, txt_feats, weights, prompts, pooled = ctx.saved_tensors
        dtype = cells.dtype
        grad_prompts = torch.bmm(grad_eam, cells.transpose(1, 2))  # (B, K, D)
        to_weights = grad_weights + torch.einsum('bkd,bkld->bkl', grad_prompts, txt_feats)
        # The softmax's gradient; masked tokens have weight zero, hence none.
        to_scores = weights * (to_weights - (to_weights * weights).sum(-1, keepdim=True))
        to_scores = (to_scores / ctx.tau).to(dtype)
        grad_cells = grad_txt = None
        if ctx.needs_input_grad[0]:
            to_mean = torch.einsum('bkl,bkld->bd', to_scores, txt_feats) / cells.shape[2]
            grad_cells = torch.baddbmm(
                to_mean[:, :, None], prompts.to(dtype).transpose(1, 2), grad_eam)
        if ctx.needs_input_grad[1]:
            # A token is read with its weight in the product and with its score in the softmax.
            factors = torch.stack([weights.to(dtype), to_scores], dim=3)  # (B, K, L, 2)
            values = torch.stack(
                [grad_prompts, pooled.to(dtype)[:, None].expand_as(grad_prompts)], dim=2)
            grad_txt = (factors @ values).sum_to_size(txt_feats.shape)
        return grad_cells, grad_txt, None, None


def _check_shapes(img_feats: Tensor, txt_feats: Tensor, txt_masks: Tensor) -> None:
    if (
        img_feats.dim() != 4
        or txt_feats.dim() != 4
        or txt_feats.shape[:3] != txt_masks.shape
        or txt_feats.shape[0] not in (1, img_feats.shape[0])
        or txt_feats.shape[3] != img_feats.shape[1]
    ):
        raise ValueError(
            'expected img_feats (B, D, H, W), txt_feats (B or 1, K, L, D) and txt_masks '
            f'(B or 1, K, L), got {tuple(img_feats.shape)}, {tuple(txt_feats.shape)} and '
            f'{tuple(txt_masks.shape)}')
