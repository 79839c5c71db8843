"""How far detections of one program are from those of another, in numpy.

Two programs round differently. Where two boxes have scores that differ by rounding alone, NMS may
keep the one here and the other there, and what each of them suppresses, or crowds out at
``max_per_img``, differs with it. Whether that is all is not guessed from the two results but tried:
scores of the candidates that the other program kept are raised by :data:`TIE`, and NMS is repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from expalign.runtime.postprocess import Candidates, class_wise_nms, clip_boxes
from expalign.structures.detections import Detections

# Scores that differ by rounding alone have no order: their boxes may change places.
TIE = 2e-6
BOX_TOLERANCE, SCORE_TOLERANCE = 0.05, 1e-4


class Kept(NamedTuple):
    """What a program found: ``bboxes`` (n, 4), ``scores`` (n) and ``labels`` (n)."""

    bboxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass
class Parity:
    """Differences over images.

    Attributes:
        boxes: expected detections.
        unmatched: detections of either side without a counterpart of the same prompt, with box
            and score within the tolerances (0.05 px, 1e-4).
        exchanged: the same, where :data:`TIE` in the scores of the candidates makes the difference.
        disordered: counterparts in another order, although their scores differ.
        moved: counterparts in another order, of scores that differ by less than :data:`TIE`.
        worst_box, worst_score: largest differences between counterparts.
    """

    boxes: int = 0
    unmatched: int = 0
    exchanged: int = 0
    disordered: int = 0
    moved: int = 0
    worst_box: float = 0.0
    worst_score: float = 0.0

    def add(self, found: Any, expected: Any,
            candidates: Callable[[], Candidates] | None = None) -> None:
        """Compare the detections of one image.

        Args:
            found: :class:`Detections`, what shows of them; or ``bboxes`` (n, 4), ``scores`` and
                ``labels`` (n) by falling score, arrays or tensors.
            expected: the same.
            candidates: gives what ``found`` was chosen from; asked only where boxes have no
                counterpart. None: these all count as unmatched.
        """
        found, expected = _kept(found), _kept(expected)
        self.boxes += len(expected.scores)
        places = counterparts(found, expected)
        alone = left = _count_alone(places, expected)
        if alone and candidates is not None:
            replayed = choose_again(candidates(), expected)
            left = min(alone, _count_alone(counterparts(replayed, expected), expected))
        self.unmatched += left
        self.exchanged += alone - left
        self._measure(found, expected, places)

    def _measure(self, found: Kept, expected: Kept, places: np.ndarray) -> None:
        last = -1
        for index in np.flatnonzero(places >= 0):
            place = places[index]
            if place < last:
                tied = expected.scores[place] - expected.scores[last] < TIE
                self.moved += int(tied)
                self.disordered += int(not tied)
            last = place
            apart = np.abs(found.bboxes[index] - expected.bboxes[place]).max()
            self.worst_box = max(self.worst_box, float(apart))
            self.worst_score = max(
                self.worst_score, abs(float(found.scores[index]) - float(expected.scores[place])))

    def __str__(self) -> str:
        return (f'{self.boxes} boxes: {self.unmatched} without a counterpart, {self.exchanged} '
                f'exchanged and {self.moved} in another place at equal scores, {self.disordered} '
                f'in another order; largest differences {self.worst_box:.2g} px and '
                f'{self.worst_score:.2g} in score')


def _kept(side: Any) -> Kept:
    if isinstance(side, Detections):
        return Kept(side.boxes, side.scores, side.labels)
    return Kept(*(np.asarray(getattr(side, name)) for name in Kept._fields))


def counterparts(
    found: Kept, expected: Kept, score_tolerance: float = SCORE_TOLERANCE
) -> np.ndarray:
    """The place (n) among ``expected`` of each box of ``found``, or -1; no place twice."""
    free = np.ones(len(expected.scores), dtype=bool)
    places = np.full(len(found.scores), -1)
    for index, (box, score, label) in enumerate(zip(*found, strict=True)):
        rivals = np.flatnonzero(free & (expected.labels == label)
                                & (np.abs(expected.scores - score) < score_tolerance))
        apart = np.abs(expected.bboxes[rivals] - box).max(axis=1, initial=0)
        if len(rivals) and apart.min() < BOX_TOLERANCE:
            places[index] = rivals[apart.argmin()]
            free[places[index]] = False
    return places


def choose_again(candidates: Candidates, expected: Kept) -> Kept:
    """What NMS keeps of the candidates if those that are expected score :data:`TIE` more.

    Only candidates with the expected box and, up to :data:`TIE`, the expected score.
    """
    all_of_them = Kept(
        clip_boxes(candidates.boxes, candidates.size), candidates.scores, candidates.labels)
    favoured = counterparts(all_of_them, expected, TIE) >= 0
    order = np.argsort(-(candidates.scores.astype(float) + TIE * favoured), kind='stable')
    keep = order[class_wise_nms(
        candidates.boxes[order], candidates.labels[order], candidates.settings)]
    return Kept(*(values[keep] for values in all_of_them))


def _count_alone(places: np.ndarray, expected: Kept) -> int:
    """Boxes of either side that have no counterpart."""
    matched = int((places >= 0).sum())
    return len(places) + len(expected.scores) - 2 * matched
