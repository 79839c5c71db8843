"""Selection of candidate boxes from class logits, without scoring what cannot be kept.

Axes: B images, K prompts, N priors, n candidates.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

LARGEST_GROUP = 64  # values of which the largest is looked at first
LOW_BITS = 2**32 - 1


class Candidates(NamedTuple):
    """The best (prior, prompt) pairs of every image, by falling score.

    Attributes:
        scores: (B, n).
        priors: (B, n).
        labels: (B, n), prompts.
        valid: (B, n) bool, False behind the last pair that scores above the threshold.
    """

    scores: Tensor
    priors: Tensor
    labels: Tensor
    valid: Tensor


def select_candidates(
    logits: Tensor,
    prompt_masks: Tensor,
    score_thr: float,
    max_candidates: int,
    multi_label: bool = True,
    max_per_prompt: int | None = None,
) -> Candidates:
    """The best-scoring (prior, prompt) pairs of a batch, without a wait for the device.

    The threshold is applied to logits, so that the sigmoid is taken of the survivors only. Of equal
    logits the first pair, counted prompt by prompt, comes first.

    Args:
        logits: (B, K, N), N priors.
        prompt_masks: (B, K) bool, False for prompts that must not be predicted.
        score_thr: pairs must score above it, in [0, 1).
        max_candidates: at most so many pairs an image are returned.
        multi_label: whether one prior may stand for several prompts.
        max_per_prompt: with it each prompt's best so many priors are candidates, and a prior may
            stand for several prompts: where every prompt is a question of its own, as in
            grounding, a prompt of low scores must not lose its boxes to others.
    """
    threshold = math.log(score_thr / (1 - score_thr)) if score_thr > 0 else -math.inf
    width = logits.shape[2]
    if max_per_prompt is not None:
        best, priors = logits.topk(min(max_per_prompt, width), dim=2)  # (B, K, m)
        values, pairs = best_values(best, prompt_masks, max_candidates)
        labels = pairs // best.shape[2]
        priors = priors.flatten(1).gather(1, pairs)
    elif multi_label:
        values, pairs = best_values(logits, prompt_masks, max_candidates)
        labels, priors = pairs // width, pairs % width
    else:
        best, owners = logits.masked_fill(~prompt_masks[..., None], -math.inf).max(dim=1)
        values, priors = best_values(
            best[:, None], prompt_masks.any(1, keepdim=True), max_candidates)
        labels = owners.gather(1, priors)
    return Candidates(torch.sigmoid(values), priors, labels, values > threshold)


def best_values(values: Tensor, masks: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """The ``limit`` largest values of every image in the order of a stable sort of everything.

    Values are ranked by keys that no two of them share, so that a selection gives what the sort
    would. Where there are many, the groups with the largest maxima are selected first: a value
    among the best ``limit`` cannot lie outside of the best ``limit`` groups.

    Args:
        values: (B, K, N), in float32 or less.
        masks: (B, K) bool, False where no value of a row may be taken.
        limit: 1 or more.

    Returns:
        values (B, n), falling, in float32 at least (-inf where masks or NaN leave less than n),
        and where they lie in the flattened (K * N), (B, n); n = min(limit, K * N).
    """
    images, rows, width = values.shape
    limit = min(limit, rows * width)
    size = _group_size(width)
    groups = values.view(images, -1, size)
    if limit < groups.shape[1]:
        maxima = groups.amax(2).view(images, rows, -1)
        chosen = _best_keys(maxima.masked_fill(~masks[..., None], -math.inf).flatten(1), limit)
        places = (chosen[..., None] * size + torch.arange(size, device=values.device)).flatten(1)
    else:
        places = torch.arange(rows * width, device=values.device).expand(images, -1)
    found = values.flatten(1).gather(1, places)
    allowed = masks.gather(1, places // width)
    found = found.masked_fill(~allowed, -math.inf)
    best = _best_keys(found, limit, places)
    found = values.flatten(1).gather(1, best).masked_fill(
        ~masks.gather(1, best // width), -math.inf).nan_to_num(-math.inf, math.inf, -math.inf)
    return found if found.dtype == torch.float64 else found.float(), best


def _best_keys(values: Tensor, limit: int, places: Tensor | None = None) -> Tensor:
    """Places (B, limit) of the largest of (B, m) values, falling; of equals the first come first.

    Args:
        values: (B, m).
        limit: at most m.
        places: (B, m), distinct numbers below 2^32 of an image's values; None: 0 to m - 1.
    """
    if places is None:
        places = torch.arange(values.shape[1], device=values.device)
    # Adding 0 makes one zero of two, and NaN is the last of all.
    exact = (values.float() + 0).nan_to_num(-math.inf, math.inf, -math.inf)
    bits = exact.view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7fffffff)  # integers in the order of the values
    keys = (ordered.long() << 32) | (LOW_BITS - places)
    return LOW_BITS - (keys.topk(limit, dim=1).values & LOW_BITS)


def _group_size(width: int) -> int:
    """The largest divisor of a row's width that a group may have."""
    return next(size for size in range(min(LARGEST_GROUP, width), 0, -1) if width % size == 0)
