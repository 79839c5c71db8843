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
    max_per_prompt: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The best-scoring (prior, prompt) pairs of one image.

    The threshold is applied to logits, so that the sigmoid is taken of the survivors only, and only
    the returned pairs are sorted.

    Args:
        logits: (K, N), N priors.
        prompt_mask: (K) bool, False for prompts that must not be predicted.
        score_thr: pairs must score above it, in [0, 1).
        max_candidates: at most so many pairs are returned.
        multi_label: whether one prior may stand for several prompts.
        max_per_prompt: with it each prompt's best so many priors are candidates, and a prior may
            stand for several prompts: where every prompt is a question of its own, as in
            grounding, a prompt of low scores must not lose its boxes to others.

    Returns:
        scores (n), prior_inds (n), labels (n), sorted by falling score.
    """
    threshold = math.log(score_thr / (1 - score_thr)) if score_thr > 0 else -math.inf
    if max_per_prompt is not None:
        best, inds = logits.topk(min(max_per_prompt, logits.shape[1]), dim=1)  # (K, n)
        labels, columns = ((best > threshold) & prompt_mask[:, None]).nonzero(as_tuple=True)
        kept, prior_inds = best[labels, columns], inds[labels, columns]
    elif multi_label:
        keep = (logits > threshold) & prompt_mask[:, None]
        labels, prior_inds = keep.nonzero(as_tuple=True)
        kept = logits[labels, prior_inds]
    else:
        best, labels = logits.masked_fill(~prompt_mask[:, None], -math.inf).max(dim=0)
        prior_inds = (best > threshold).nonzero(as_tuple=True)[0]
        kept, labels = best[prior_inds], labels[prior_inds]
    order = best_first(kept, max_candidates)
    return torch.sigmoid(kept[order]), prior_inds[order], labels[order]


def best_first(values: Tensor, limit: int) -> Tensor:
    """Indices of the ``limit`` largest of n values, falling; of equal ones the first come first.

    What a stable sort of everything gives, at the price of a selection where n is large.
    """
    if len(values) <= limit:
        return values.sort(descending=True, stable=True).indices
    floor = values.topk(limit, sorted=False).values.min()
    above = (values > floor).nonzero()[:, 0]
    level = (values == floor).nonzero()[:limit - len(above), 0]
    chosen = torch.cat([above, level])
    # Two groups, each in order of place, the second with lower values: stability carries over.
    return chosen[values[chosen].sort(descending=True, stable=True).indices]
