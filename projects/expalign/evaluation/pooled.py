"""Detections of all prompts in one list: what a single threshold makes of a detector.

AP by class ranks the boxes of each prompt among themselves. A picture shows those of all prompts
above one score, and there it matters that a score means the same for each of them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from mmdet.evaluation.functional import bbox_overlaps

RECALLS = np.linspace(0, 1, 101)  # COCO's


class Judged(NamedTuple):
    """Detections of a data set, each right or wrong.

    Attributes:
        scores: (n).
        labels: (n), classes.
        hits: (n) bool, whether the box is that of an instance of its class.
        truths: (K), annotated instances of every class.
    """

    scores: np.ndarray
    labels: np.ndarray
    hits: np.ndarray
    truths: np.ndarray

    def of_class(self, label: int) -> 'Judged':
        """Those of one class, by the same labels."""
        mine = self.labels == label
        truths = np.where(np.arange(len(self.truths)) == label, self.truths, 0)
        return Judged(self.scores[mine], self.labels[mine], self.hits[mine], truths)

    def ranked_hits(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n), falling, and how many hits there are down to each (n)."""
        order = np.argsort(-self.scores, kind='stable')
        return self.scores[order], np.cumsum(self.hits[order])

    def f1(self, score_thr: float) -> float:
        """F1 of the detections that score above ``score_thr``; 0 where there is nothing."""
        shown = self.scores > score_thr
        total = shown.sum() + self.truths.sum()
        return float(2 * self.hits[shown].sum() / total) if total else 0.0

    def best_threshold(self) -> tuple[float, float] | None:
        """The threshold of the best F1, and that F1; None where nothing is right.

        It lies halfway between the last score that is shown and the first that is not. Of several
        best ones it is the highest.
        """
        if not self.hits.any():
            return None
        scores, hits = self.ranked_hits()
        return _best(scores, 2 * hits / (np.arange(1, len(hits) + 1) + self.truths.sum()))

    def class_thresholds(self, prior: float) -> list[float | None]:
        """The threshold of each class with its best F1; None where nothing at all is right.

        A handful of instances alone choose badly. So each class counts as if it had ``prior`` more
        instances, which are found, and taken for found, like those of all classes on average.
        """
        if not self.hits.any():
            return [None] * len(self.truths)
        order = np.argsort(-self.scores, kind='stable')
        scores, labels, hits = (part[order] for part in self[:3])
        share = prior / self.truths.sum()
        right, shown = np.cumsum(hits) * share, np.arange(1, len(hits) + 1) * share
        thresholds = []
        for label, truths in enumerate(self.truths):
            mine = labels == label
            total = np.cumsum(mine) + shown + truths + prior
            f1 = 2 * (np.cumsum(mine & hits) + right) / np.maximum(total, 1)
            thresholds.append(_best(scores, f1)[0])
        return thresholds

    def average_precision(self) -> float:
        """AP of the list, by COCO's rule; NaN where there is nothing to find."""
        if not self.truths.sum():
            return float('nan')
        _, hits = self.ranked_hits()
        precision = hits / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / self.truths.sum(), RECALLS, side='left')
        return float(np.append(precision, 0.0)[places].mean())

    def reliability(self, edges: Sequence[float]) -> Iterator[tuple]:
        """How often detections of a score are right, by bins (edges[i], edges[i + 1]].

        Yields:
            Both edges, how many detections, their mean score, the share that is right; no bin
            without a detection.
        """
        for low, high in zip(edges, edges[1:], strict=False):
            inside = (self.scores > low) & (self.scores <= high)
            if inside.any():
                yield (low, high, int(inside.sum()), float(self.scores[inside].mean()),
                       float(self.hits[inside].mean()))


def _best(scores: np.ndarray, f1: np.ndarray) -> tuple[float, float]:
    """The threshold with the best F1 (n, by how many are shown), and that F1.

    Detections of one score are shown or hidden together.
    """
    f1 = np.where(np.append(scores[:-1] == scores[1:], False), -1.0, f1)
    best = int(f1.argmax())
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + below) / 2), float(f1[best])


def judge(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, truth: np.ndarray,
    truth_labels: np.ndarray, crowd: np.ndarray, iou_threshold: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections of an image are right, as COCO's evaluation has it.

    By falling score each box takes the free instance of its class that it overlaps most, if by
    ``iou_threshold``. One that lies in a crowd of its class, and takes none, does not count.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n).
        labels: (n).
        truth: (g, 4) xyxy.
        truth_labels: (g).
        crowd: (g) bool.
        iou_threshold: the least overlap.

    Returns:
        hits (n) bool, and counted (n) bool.
    """
    hits, counted = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    for label in np.intersect1d(labels, truth_labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(-scores[rows], kind='stable')]
        single, group = (truth[(truth_labels == label) & (crowd == flag)] for flag in (False, True))
        overlaps = bbox_overlaps(boxes[rows], single)
        in_crowd = bbox_overlaps(boxes[rows], group, mode='iof') >= iou_threshold
        free = np.ones(len(single), bool)
        for row, overlap, ignored in zip(rows, overlaps, in_crowd, strict=True):
            overlap = np.where(free, overlap, 0.0)
            if len(overlap) and overlap.max() >= iou_threshold:
                free[overlap.argmax()] = False
                hits[row] = True
            else:
                counted[row] = not ignored.any()
    return hits, counted
