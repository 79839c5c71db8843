"""What was found in images against what is there: thresholds, mistakes, confusion.

Axes: n found boxes, m true boxes, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expalign.structures.exclusive_boxes import box_iou

from .calibration import gather
from .pooled import Judged, judge

PRIOR = 10  # instances of the average class that count with those of each class
IOU = 0.5  # a found box with this much of a true one's place is at its place


@dataclass(frozen=True)
class FoundAndTrue:
    """One image.

    Attributes:
        path: of the image.
        boxes: (n, 4) xyxy, found, by falling score.
        scores: (n).
        labels: (n), 0...K-1.
        true_boxes: (m, 4) xyxy.
        true_labels: (m).
        ignored: (m) bool, of crowds: to find one is neither right nor wrong.
    """

    path: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    true_boxes: np.ndarray
    true_labels: np.ndarray
    ignored: np.ndarray

    def above(self, thresholds: np.ndarray) -> 'FoundAndTrue':
        """The same with the found boxes that reach the thresholds (K) of their classes."""
        keep = self.scores >= thresholds[self.labels]
        return FoundAndTrue(self.path, self.boxes[keep], self.scores[keep], self.labels[keep],
                            self.true_boxes, self.true_labels, self.ignored)


@dataclass(frozen=True)
class Threshold:
    """The score at which a class is told best.

    Attributes:
        score: from which its boxes count; None where there is nothing to choose it by.
        f1, precision, recall: at that score, by the images that it was chosen on.
        true: boxes of the class there.
    """

    score: float | None
    f1: float
    precision: float
    recall: float
    true: int


def match(boxes: np.ndarray, true_boxes: np.ndarray, iou: float = IOU) -> np.ndarray:
    """Which true box each found one is; -1: none. The best score chooses first.

    Args:
        boxes: (n, 4) by falling score.
        true_boxes: (m, 4).
        iou: at least.
    """
    overlaps = box_iou(boxes, true_boxes)
    matched = np.full(len(boxes), -1)
    if overlaps.size:
        for row in range(len(boxes)):
            best = int(overlaps[row].argmax())
            if overlaps[row, best] >= iou:
                matched[row] = best
                overlaps[:, best] = -1
    return matched


def judge_image(image: FoundAndTrue, num_classes: int) -> Judged:
    """Which found boxes of an image are right."""
    hits, counted = judge(image.boxes, image.scores, image.labels, image.true_boxes,
                          image.true_labels, image.ignored, IOU)
    truths = np.bincount(image.true_labels[~image.ignored], minlength=num_classes)
    return Judged(image.scores[counted], image.labels[counted], hits[counted], truths)


def best_thresholds(images: Sequence[FoundAndTrue], num_classes: int) -> list[Threshold]:
    """The threshold of every class, see :meth:`Judged.class_thresholds`."""
    judged = gather([judge_image(image, num_classes) for image in images], num_classes)
    return [_threshold(judged.of_class(label), score)
            for label, score in enumerate(judged.class_thresholds(PRIOR))]


def _threshold(judged: Judged, score: float | None) -> Threshold:
    true = int(judged.truths.sum())
    if score is None:
        return Threshold(None, 0.0, 0.0, 0.0, true)
    shown = judged.scores > score
    right = int(judged.hits[shown].sum())
    return Threshold(score, judged.f1(score), right / max(int(shown.sum()), 1),
                     right / max(true, 1), true)


def match_any(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """How much of each box (n) lies in the region that covers most of it; 0 without regions."""
    if not len(regions) or not len(boxes):
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).clip(min=1e-9).prod(-1)
    return ((high - low).clip(min=0).prod(-1) / area[:, None]).max(1)


def confusion_matrix(images: Sequence[FoundAndTrue], num_classes: int) -> np.ndarray:
    """What each true box was found as, whatever its class: (K + 1, K + 1) numbers of boxes.

    Rows are true classes, columns found ones; the last column is what was missed, the last row
    what was found where nothing is. Thresholds are the caller's (:meth:`FoundAndTrue.above`).
    """
    table = np.zeros((num_classes + 1, num_classes + 1), dtype=int)
    for image in images:
        wanted = ~image.ignored
        matched = match(image.boxes, image.true_boxes[wanted])
        labels = image.true_labels[wanted]
        loose = (matched < 0) & (match_any(
            image.boxes, image.true_boxes[image.ignored]) < IOU)
        np.add.at(table, (labels[matched[matched >= 0]], image.labels[matched >= 0]), 1)
        np.add.at(table, (np.full(int(loose.sum()), num_classes), image.labels[loose]), 1)
        missed = np.setdiff1d(np.arange(len(labels)), matched)
        np.add.at(table, (labels[missed], np.full(len(missed), num_classes)), 1)
    return table


@dataclass(frozen=True)
class Mistakes:
    """What is wrong in an image, of boxes that reach their thresholds.

    Attributes:
        image: with these boxes alone.
        right: (n) bool, the best found box of its class at the place of a true one.
        seen_as: (n) label of the true box at the place of a found one, -1: nothing is there.
        missed: (m) bool, true boxes that nothing was found at the place of.
        weight: how bad it is: sure mistakes and missed boxes count most.
    """

    image: FoundAndTrue
    right: np.ndarray
    seen_as: np.ndarray
    missed: np.ndarray
    weight: float


def mistakes_of(image: FoundAndTrue) -> Mistakes:
    """Compare found boxes, which reach their thresholds, with the true ones."""
    matched = match(image.boxes, image.true_boxes)
    overlaps = box_iou(image.boxes, np.concatenate([image.true_boxes, np.zeros((1, 4))]))
    nearest = np.where(overlaps.max(1) >= IOU, overlaps.argmax(1), -1)
    # Of what matches nothing some lie on a box that another one matches already.
    truth = np.append(image.true_labels, -1)[np.where(matched >= 0, matched, nearest)]
    crowd = match_any(image.boxes, image.true_boxes[image.ignored]) >= IOU
    right = ((matched >= 0) & (truth == image.labels)) | ((matched < 0) & crowd)
    missed = ~image.ignored
    missed[matched[matched >= 0]] = False
    weight = float(image.scores[~right].sum() + missed.sum())
    return Mistakes(image, right, truth, missed, weight)
