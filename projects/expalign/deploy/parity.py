"""How far detections of one program are from those of another, in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Scores that differ by rounding alone have no order: their boxes may change places.
TIE = 2e-6
BOX_TOLERANCE, SCORE_TOLERANCE = 0.05, 1e-4


@dataclass
class Parity:
    """Differences over images.

    Attributes:
        boxes: expected detections.
        unmatched: detections of either side without a counterpart of the same prompt, with box
            and score within the tolerances (0.05 px, 1e-4).
        disordered: counterparts in another order, although their scores differ.
        moved: counterparts in another order, of scores that differ by less than :data:`TIE`.
        worst_box, worst_score: largest differences between counterparts.
    """

    boxes: int = 0
    unmatched: int = 0
    disordered: int = 0
    moved: int = 0
    worst_box: float = 0.0
    worst_score: float = 0.0

    def add(self, found: Any, expected: Any) -> None:
        """Compare the detections of one image.

        Args:
            found: with ``bboxes`` (n, 4), ``scores`` and ``labels`` (n), by falling score.
            expected: the same, as arrays or tensors.
        """
        scores, boxes, labels = (
            np.asarray(getattr(expected, name)) for name in ('scores', 'bboxes', 'labels'))
        self.boxes += len(scores)
        free = np.ones(len(scores), dtype=bool)
        last = -1
        for score, box, label in zip(found.scores, found.bboxes, found.labels, strict=True):
            rivals = np.flatnonzero(
                free & (labels == label) & (np.abs(scores - score) < SCORE_TOLERANCE))
            apart = np.abs(boxes[rivals] - box).max(axis=1, initial=0)
            if not len(rivals) or apart.min() >= BOX_TOLERANCE:
                self.unmatched += 1
                continue
            place = int(rivals[apart.argmin()])
            free[place] = False
            if place < last:
                self.moved += scores[place] - scores[last] < TIE
                self.disordered += scores[place] - scores[last] >= TIE
            last = place
            self.worst_box = max(self.worst_box, float(apart.min()))
            self.worst_score = max(self.worst_score, abs(float(score) - float(scores[place])))
        self.unmatched += int(free.sum())

    def __str__(self) -> str:
        return (f'{self.boxes} boxes: {self.unmatched} without a counterpart, {self.disordered} in '
                f'another order, {self.moved} changed places at equal scores; largest differences '
                f'{self.worst_box:.2g} px and {self.worst_score:.2g} in score')
