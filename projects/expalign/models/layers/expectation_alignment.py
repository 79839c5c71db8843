"""Expectation alignment of a feature map with the tokens of prompts (paper, Eqs 1-4).

Axes: B images, K prompts, L tokens per prompt, D embedding width, H x W cells.

Every step of the equations but the softmax is linear in the image features, so the expectation
over tokens can be taken before the product with the map. The tensor of token similarities,
(B, K, L, H, W), is never built; the result is the same map.
"""

from collections.abc import Sequence

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
    absent = ~mask
    weights = scores.masked_fill(absent, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(absent, 0)


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
    return _token_weights(pooled[:, None], txt_feats, txt_masks, tau)[:, 0]


def _token_weights(pooled: Tensor, txt_feats: Tensor, txt_masks: Tensor, tau: float) -> Tensor:
    """Weights (B, S, K, L) of the means (B, S, D) of S levels, at least in float32."""
    if not tau > 0:
        raise ValueError(f'tau is the temperature of a softmax and must be > 0, got {tau}')
    rows = pooled.reshape(txt_feats.shape[0], -1, pooled.shape[2])  # shared prompts: (1, B * S, D)
    scores = torch.bmm(rows, txt_feats.flatten(1, 2).transpose(1, 2))  # not mT: ONNX has none
    scores = scores.reshape(*pooled.shape[:2], *txt_feats.shape[1:3])
    if tau != 1:
        scores = scores / tau
    return masked_softmax(scores, txt_masks[:, None])


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
    eams, weights = align_levels([img_feats], txt_feats, txt_masks, tau)
    return eams[0], weights[0]


def align_levels(
    img_feats: Sequence[Tensor], txt_feats: Tensor, txt_masks: Tensor, tau: float = 1.0
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """:func:`expectation_alignment` of several maps F, which share the operations on tokens.

    Returns:
        per map the alignment maps (B, K, H_s, W_s), and the weights (B, K, L).
    """
    for feats in img_feats:
        _check_shapes(feats, txt_feats, txt_masks)
    cells = [feats.flatten(2) for feats in img_feats]  # S times (B, D, N)
    txt_feats = txt_feats.to(cells[0].dtype)
    if torch.is_grad_enabled() and any(x.requires_grad for x in (*cells, txt_feats)):
        weights, *eams = _Alignment.apply(txt_feats, txt_masks, tau, *cells)
    else:
        eams, weights = _align(cells, txt_feats, txt_masks, tau)[:2]
    # Not unflatten: it would write the sizes of the example into an exported graph.
    maps = (eam.reshape(*eam.shape[:2], *feats.shape[2:])
            for eam, feats in zip(eams, img_feats, strict=True))
    return tuple(maps), weights.unbind(1)


def _align(
    cells: Sequence[Tensor], txt_feats: Tensor, txt_masks: Tensor, tau: float
) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Maps (B, K, N) of S levels' cells (B, D, N), weights (B, S, K, L), prompts (B, S, K, D) and
    pooled (B, S, D)."""
    pooled = torch.stack([x.mean(dim=2) for x in cells], dim=1)
    weights = _token_weights(pooled, txt_feats, txt_masks, tau)
    prompts = torch.bmm(
        _by_prompt(weights.to(txt_feats.dtype), len(txt_feats)), txt_feats.flatten(0, 1))
    prompts = _by_image(prompts, weights.shape[0], len(txt_feats))
    eams = [torch.bmm(own, x) for own, x in zip(prompts.unbind(1), cells, strict=True)]
    return eams, weights, prompts, pooled


def _by_prompt(x: Tensor, groups: int) -> Tensor:
    """(B, S, K, .) to (K, B * S, .) where images share prompts (one group), else (B * K, S, .)."""
    if groups == 1:
        return x.flatten(0, 1).transpose(0, 1)
    return x.transpose(1, 2).flatten(0, 1)


def _by_image(x: Tensor, images: int, groups: int) -> Tensor:
    """The way back from :func:`_by_prompt`."""
    if groups == 1:
        return x.transpose(0, 1).reshape(images, -1, x.shape[0], x.shape[2])
    return x.reshape(images, -1, *x.shape[1:]).transpose(1, 2)


class _Alignment(torch.autograd.Function):
    """:func:`_align` whose backward pass walks the cells as often as a single product does.

    What autograd does by itself adds the gradient of the mean to that of the product in passes of
    their own over (B, D, N), a quarter of the time of the whole.
    """

    @staticmethod
    def forward(ctx, txt_feats, txt_masks, tau, *cells):
        eams, weights, prompts, pooled = _align(cells, txt_feats, txt_masks, tau)
        ctx.save_for_backward(txt_feats, weights, prompts, pooled, *cells)
        ctx.tau = tau
        ctx.set_materialize_grads(False)
        return weights, *(eam.to(cells[0].dtype) for eam in eams)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_weights, *grad_eams):
        txt_feats, weights, prompts, pooled, *cells = ctx.saved_tensors
        dtype, groups = txt_feats.dtype, len(txt_feats)
        grad_eams = [x.new_zeros(len(x), prompts.shape[2], x.shape[2])
                     if grad is None else grad for grad, x in zip(grad_eams, cells, strict=True)]
        grad_prompts = torch.stack(
            [torch.bmm(grad, x.mT) for grad, x in zip(grad_eams, cells, strict=True)], dim=1)
        by_prompt = _by_prompt(grad_prompts, groups)
        tokens = txt_feats.flatten(0, 1)  # (B * K or K, L, D)
        to_weights = torch.bmm(by_prompt, tokens.mT)  # ..., S or B * S, L
        if grad_weights is not None:
            to_weights = to_weights + _by_prompt(grad_weights, groups)
        own = _by_prompt(weights, groups)
        # Masked tokens have weight zero, hence no gradient.
        to_scores = own * (to_weights - (to_weights * own).sum(-1, keepdim=True))
        to_scores = (to_scores / ctx.tau if ctx.tau != 1 else to_scores).to(dtype)
        grad_txt = None
        if ctx.needs_input_grad[0]:
            # A token is read with its weight in the product and with its score in the softmax.
            means = _by_prompt(pooled.to(dtype)[:, :, None].expand_as(grad_prompts), groups)
            grad_txt = torch.bmm(
                torch.cat([own.to(dtype), to_scores], dim=1).mT,
                torch.cat([by_prompt, means], dim=1)).view_as(txt_feats)
        grad_cells = [None] * len(cells)
        if any(ctx.needs_input_grad[3:]):
            scores = _by_image(to_scores, len(weights), groups)  # (B, S, K, L)
            scores = scores.reshape(groups, -1, scores.shape[2] * scores.shape[3])
            to_mean = torch.bmm(scores, txt_feats.flatten(1, 2)).view(*pooled.shape, 1)
            grad_cells = [
                torch.baddbmm(mean, keys.to(dtype).mT, grad, beta=1 / x.shape[2])
                for mean, keys, grad, x in zip(
                    to_mean.unbind(1), prompts.unbind(1), grad_eams, cells, strict=True)]
        return grad_txt, None, None, *grad_cells


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
