"""Selection of candidate boxes from class logits, without scoring what cannot be kept."""

import math

import torch
from torch import Tensor


def select_candidates(
    logits: Tensor,
    prompt_mask: Tensor,
    score_thr: float,
    max_candidates: int,
    multi_label: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best-scoring (prior, prompt) pairs of one image.

    The threshold is applied to logits, so that the sigmoid is taken of the survivors only.

    Args:
        logits: (K, N), N priors.
        prompt_mask: (K) bool, False for prompts that must not be predicted.
        score_thr: pairs must score above it, in [0, 1).
        max_candidates: at most so many pairs are returned.
        multi_label: whether one prior may stand for several prompts.

    Returns:
        scores (n), prior_inds (n), labels (n), sorted by falling score.
    """
    threshold = math.log(score_thr / (1 - score_thr)) if score_thr > 0 else -math.inf
    if multi_label:
        keep = (logits > threshold) & prompt_mask[:, None]
        labels, prior_inds = keep.nonzero(as_tuple=True)
        kept = logits[labels, prior_inds]
    else:
        best, labels = logits.masked_fill(~prompt_mask[:, None], -math.inf).max(dim=0)
        prior_inds = (best > threshold).nonzero(as_tuple=True)[0]
        kept, labels = best[prior_inds], labels[prior_inds]
    kept, order = kept.sort(descending=True, stable=True)
    kept, order = kept[:max_candidates], order[:max_candidates]
    return torch.sigmoid(kept), prior_inds[order], labels[order]
