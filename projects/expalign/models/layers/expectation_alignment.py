"""Expectation alignment of a feature map with the tokens of prompts (paper, Eqs 1-4).

Axes: B images, K prompts, L tokens per prompt, D embedding width, H x W cells.

Every step of the equations but the softmax is linear in the image features, so the expectation
over tokens can be taken before the product with the map. The tensor of token similarities,
(B, K, L, H, W), is never built; the result is the same map.
"""

import torch
from torch import Tensor


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
    pooled = img_feats.mean(dim=(2, 3))  # (B, D)
    weights = token_weights_from_pooled(pooled, txt_feats, txt_masks, tau)  # (B, K, L)
    prompts = torch.einsum('bkl,bkld->bkd', weights, txt_feats)  # (B, K, D)
    eam = torch.einsum('bdhw,bkd->bkhw', img_feats, prompts)
    return eam, weights


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
