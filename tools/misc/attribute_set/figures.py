"""What a detector makes of the test pictures, by split and by length of the prompts.

Every question, a prompt of a picture, is judged for itself, and all of a split are ranked in one
list (:class:`~expalign.evaluation.pooled.Judged`): a score must mean the same for all of them. In
the list of a split are the prompts that are true of something and their rivals, which are not.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from expalign.evaluation.pooled import Judged, judge
from expalign.structures.exclusive_boxes import box_iou

from .records import Record

IOUS = tuple(np.arange(0.5, 1.0, 0.05).round(2).tolist())
RECALL = 0.8
AT = 0.5  # overlap from which a box is at an object's place


class Question(NamedTuple):
    """A prompt of a picture, and what was found for it.

    Attributes:
        split, words: of the prompt.
        true: boxes (g, 4) xyxy, none where it is true of nothing.
        boxes, scores: (n, 4) and (n).
        rival: boxes and scores that were found for its rival; None where it has none.
        hits: (overlaps, n) bool, which boxes are right at each of :data:`IOUS`.
    """

    split: str
    words: int
    true: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    rival: tuple[np.ndarray, np.ndarray] | None
    hits: np.ndarray


def question(split: str, words: int, true: np.ndarray, found: tuple[np.ndarray, np.ndarray],
             rival: tuple[np.ndarray, np.ndarray] | None = None) -> Question:
    """A prompt, judged."""
    boxes, scores = found
    label, truth = np.zeros(len(boxes), int), np.zeros(len(true), int)
    hits = [judge(boxes, scores, label, true, truth, truth > 0, iou)[0] for iou in IOUS]
    return Question(split, words, true, boxes, scores, rival, np.array(hits))


def questions(records: Iterable[Record], found: Iterable[tuple[np.ndarray, ...]]
              ) -> list[Question]:
    """All questions of pictures.

    Args:
        records: of the pictures.
        found: of each boxes (n, 4), scores (n) and labels (n), places among the record's prompts.
    """
    rows = []
    for record, (boxes, scores, labels) in zip(records, found, strict=True):
        of = [(boxes[labels == k], scores[labels == k]) for k in range(len(record.prompts))]
        rows += [
            question(record.splits[k], len(prompt.split()), record.boxes[record.labels == k],
                     of[k], of[record.rivals[k]] if record.rivals[k] >= 0 else None)
            for k, prompt in enumerate(record.prompts)]
    return rows


def average_precision(asked: Sequence[Question]) -> tuple[float, float]:
    """AP over the overlaps 0.5 to 0.95, and AP50, of questions in one list."""
    by_iou = [_judged(asked, place).average_precision() for place in range(len(IOUS))]
    return float(np.mean(by_iou)), by_iou[0]


def threshold_of_recall(asked: Sequence[Question], recall: float = RECALL) -> float:
    """The highest score at which that share of the true boxes is found; 0 where it never is."""
    judged = _judged(asked)
    scores, hits = judged.ranked_hits()
    enough = np.flatnonzero(hits >= math.ceil(recall * judged.truths.sum()))
    return float(scores[enough[0]]) if len(enough) else 0.0


def recall_of(asked: Sequence[Question]) -> float:
    """The share of the true boxes that is found at any score."""
    judged = _judged(asked)
    return float(judged.hits.sum() / judged.truths.sum())


def false_alarms(asked: Sequence[Question], threshold: float) -> float:
    """Boxes that reach a threshold, a question that is true of nothing; NaN without any."""
    counts = [int((q.scores >= threshold).sum()) for q in asked if not len(q.true)]
    return float(np.mean(counts)) if counts else math.nan


def binding(asked: Sequence[Question]) -> float:
    """How often the right prompt scores above its rival at the place of an object.

    Equal scores, both of none among them, count as half; NaN without any pair.
    """
    wins = []
    for q in asked:
        if q.rival is None:
            continue
        for box in q.true:
            ours, theirs = (_best(box, *pair) for pair in ((q.boxes, q.scores), q.rival))
            wins.append((ours > theirs) + 0.5 * (ours == theirs))
    return float(np.mean(wins)) if wins else math.nan


def figures(asked: Sequence[Question], pictures: int) -> dict:
    """All figures of a run: by split, by number of words, and of the whole."""
    by_split, by_words = defaultdict(list), defaultdict(list)
    for q in asked:
        by_split[q.split].append(q)
        if q.split != 'nouns':
            by_words[q.words].append(q)
    threshold = threshold_of_recall(by_split['seen'])
    absent = [q for q in by_split['seen'] if not len(q.true)]
    per_picture = sum(int((q.scores >= threshold).sum()) for q in absent) / pictures
    return dict(
        splits={name: _summary(rows, threshold) for name, rows in by_split.items()},
        words={str(count): _summary(rows, threshold) for count, rows in sorted(by_words.items())},
        threshold=threshold, recall=recall_of(by_split['seen']), false_alarms=per_picture)


def _summary(asked: Sequence[Question], threshold: float) -> dict:
    ap, ap50 = average_precision(asked)
    return dict(questions=len(asked), boxes=sum(len(q.true) for q in asked), ap=ap, ap50=ap50,
                alarms=false_alarms(asked, threshold), binding=binding(asked))


def _best(box: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> float:
    """The best score of a box at a place; 0 without any."""
    at = box_iou(boxes, box[None])[:, 0] >= AT if len(boxes) else np.zeros(0, bool)
    return float(scores[at].max()) if at.any() else 0.0


def _judged(asked: Sequence[Question], overlap: int = 0) -> Judged:
    """All detections of questions as those of one class, right by one of :data:`IOUS`."""
    truths = np.array([sum(len(q.true) for q in asked)])
    if not asked:
        return Judged(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), truths)
    scores = np.concatenate([q.scores for q in asked])
    hits = np.concatenate([q.hits[overlap] for q in asked])
    return Judged(scores, np.zeros(len(scores), int), hits, truths)
