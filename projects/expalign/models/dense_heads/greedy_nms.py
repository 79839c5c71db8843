"""Greedy class-wise NMS of a whole batch on its device, without a wait.

Axes: B images, n candidates by falling score, m candidates of a block, r rivals before them.

Whether a candidate stays depends on those before it that stay. Within a block this is solved by
repetition: starting from "all stay", a candidate goes where one that stays overlaps it. After t
rounds every candidate whose chain of overlaps is shorter than t is decided for good, and a round
that changes nothing is the answer of one candidate after the other.
"""

import math

import torch
from torch import Tensor

BLOCK = 1536  # candidates at most; fewer where a batch has many pairs of them
PAIRS = 2**24
LARGEST_TEMPORARY = 2**28  # bytes


def greedy_nms(
    boxes: Tensor, labels: Tensor | None, valid: Tensor, threshold: float, limit: int, rounds: int
) -> tuple[Tensor, Tensor]:
    """Which candidates stay.

    Args:
        boxes: (B, n, 4) xyxy, by falling score.
        labels: (B, n); only boxes of one label compete. None: all do.
        valid: (B, n) bool, False where there is no candidate.
        threshold: a box goes when its IoU with a kept box is strictly greater.
        limit: how many boxes are wanted; those kept behind them may be wrong.
        rounds: repetitions within a block; BLOCK are always enough.

    Returns:
        kept (B, n) bool, and whether an image's result is final, (B) bool.
    """
    # Small blocks compare fewer pairs, large ones take fewer operations.
    size = min(BLOCK, max(256, math.isqrt(PAIRS // len(boxes))))
    images = max(1, LARGEST_TEMPORARY // (4 * min(boxes.shape[1], size)**2))
    if len(boxes) > images:
        parts = zip(*(x.split(images) for x in (boxes, valid)), strict=True)
        labelled = labels.split(images) if labels is not None else [None] * -(-len(boxes) // images)
        found = [greedy_nms(box, label, real, threshold, limit, rounds)
                 for (box, real), label in zip(parts, labelled, strict=True)]
        kept, settled = (torch.cat(x) for x in zip(*found, strict=True))
        return kept, settled
    kept = valid.clone()
    settled = torch.ones_like(valid[:, 0])
    for start in range(0, boxes.shape[1], size):
        block = slice(start, start + size)
        own = boxes[:, block]
        groups = None if labels is None else labels[:, block]
        alive = valid[:, block]
        if start:
            rivals, rival_groups, real = _rivals(boxes, labels, kept, start, limit)
            hit = _overlap(rivals, own, rival_groups, groups, threshold) & real[..., None]
            alive = alive & ~hit.any(1)
        hits = _overlap(own, own, groups, groups, threshold).triu(1)
        kept[:, block], same = _solve(hits, alive, min(rounds, own.shape[1]))
        settled &= same
    return kept, settled


def _rivals(
    boxes: Tensor, labels: Tensor | None, kept: Tensor, stop: int, limit: int
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The first ``limit`` kept boxes before ``stop``, (B, r, 4), their labels, which are real."""
    first = kept[:, :stop].int().sort(dim=1, descending=True, stable=True)
    places = first.indices[:, :limit]
    groups = None if labels is None else labels.gather(1, places)
    return (boxes.gather(1, places[..., None].expand(-1, -1, 4)), groups,
            first.values[:, :limit].bool())


def _overlap(
    rivals: Tensor, boxes: Tensor, rival_labels: Tensor | None, labels: Tensor | None,
    threshold: float,
) -> Tensor:
    """Whether a rival (of r) suppresses a box (of m), (B, r, m) bool."""
    # In the order of mmcv's operators, so that every IoU has the same bits.
    one, other = rivals[:, :, None], boxes[:, None]
    sides = torch.minimum(one[..., 2:], other[..., 2:])
    sides -= torch.maximum(one[..., :2], other[..., :2])
    shared = sides.clamp_(min=0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (one, other)]
    hit = shared / (areas[0] + areas[1] - shared) > threshold
    if labels is not None:
        hit &= rival_labels[:, :, None] == labels[:, None]
    return hit


def _solve(hits: Tensor, alive: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """Kept candidates (B, m) of a block, and whether the last round changed nothing, (B)."""
    # Products of zeros and ones: half precision is exact where it is only asked whether a sum is 0.
    dtype = torch.float16 if hits.is_cuda else torch.float32
    weights, start = hits.to(dtype), alive[:, None].to(dtype)  # (B, m, m), (B, 1, m)
    kept = before = start
    for _ in range(rounds):
        before = kept
        kept = torch.baddbmm(start, kept, weights, alpha=-1).clamp_(min=0)
    return kept[:, 0].bool(), (kept == before).flatten(1).all(1)
