"""Detections of samples judged by their annotations, as one list, and thresholds by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .coco_ground_truth import CocoGroundTruth
from .pooled import Judged, judge
from .prediction_checks import check_predictions


class SampleJudge:
    """Judges the predictions of samples by an annotation file.

    Args:
        truth: the annotations.
        classes: names; predicted label i is the category of the name i.
        iou_threshold: overlap from which a box is right.

    Raises:
        ValueError: a class that the file does not have.
    """

    def __init__(self, truth: CocoGroundTruth, classes: Sequence[str],
                 iou_threshold: float = 0.5) -> None:
        self.truth = truth
        self.classes = list(classes)
        self.iou_threshold = iou_threshold
        ids = truth.get_cat_ids(cat_names=self.classes)
        self._labels = {category: label for label, category in enumerate(ids)}

    def __call__(self, sample: Mapping[str, Any]) -> Judged:
        """The detections of an image; of an image alone, too, ``truths`` has all K classes.

        Args:
            sample: ``img_id`` and ``pred_instances``, see
                :func:`~.prediction_checks.check_predictions`.

        Raises:
            BadPredictions: boxes, scores or labels that cannot be judged.
            ValueError: the file has no such image.
        """
        check_predictions(sample, len(self.classes))
        boxes, scores, labels = (np.asarray(sample['pred_instances'][key].cpu())
                                 for key in ('bboxes', 'scores', 'labels'))
        truth, truth_labels, crowd = self._annotated(sample['img_id'])
        hits, counted = judge(boxes.astype(np.float64), scores, labels, truth, truth_labels, crowd,
                              self.iou_threshold)
        truths = np.bincount(truth_labels[~crowd], minlength=len(self.classes))
        return Judged(scores[counted], labels[counted], hits[counted], truths)

    def _annotated(self, image_id: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (g, 4) xyxy, labels and whether each is a crowd, of the classes asked for."""
        if image_id not in self.truth.imgs:
            raise ValueError(f'{self.truth.name} has no image of id {image_id!r}')
        rows = [row for row in self.truth.imgToAnns.get(image_id, ())
                if row['category_id'] in self._labels]
        boxes = np.array([row['bbox'] for row in rows], np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([self._labels[row['category_id']] for row in rows], int)
        return boxes, labels, np.array([row['iscrowd'] for row in rows], bool)


def by_class(judged: Judged) -> list[tuple[float, float] | None]:
    """Threshold and F1 of every class, see :meth:`~.pooled.Judged.best_threshold`."""
    return [judged.of_class(label).best_threshold() for label in range(len(judged.truths))]


def gather(parts: Sequence[Judged], num_classes: int) -> Judged:
    """The detections of several images as one list."""
    if not parts:
        return Judged(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), np.zeros(num_classes, int))
    scores, labels, hits = (np.concatenate([part[place] for part in parts]) for place in range(3))
    return Judged(scores, labels, hits, np.sum([part.truths for part in parts], axis=0))
