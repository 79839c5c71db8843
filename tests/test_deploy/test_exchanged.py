"""Boxes that NMS exchanges because scores are equal up to rounding, by hand.

Boxes are 100 wide and 10 high, named by their left edge: x px apart, IoU is (100 - x) / (100 + x).
The threshold is 0.5, so boxes suppress each other up to 33 px apart (67 / 133 = 0.504), and from
34 px on (66 / 134 = 0.493) they do not.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from expalign.deploy.parity import TIE, Parity
from expalign.runtime.postprocess import Candidates, class_wise_nms

SETTINGS = SimpleNamespace(iou_threshold=0.5, class_agnostic=False, max_per_img=300)
SIZE = (10, 1000)
LITTLE = TIE / 4


def candidates(rows, limit=300):
    """Candidates of rows (left edge, score, prompt)."""
    rows = sorted(rows, key=lambda row: -row[1])
    boxes = np.array([[x, 0, x + 100, 10] for x, *_ in rows], np.float32).reshape(-1, 4)
    return Candidates(
        boxes, np.array([row[1] for row in rows], np.float32), np.array([row[2] for row in rows]),
        SIZE, SimpleNamespace(**vars(SETTINGS) | dict(max_per_img=limit)))


def kept(given):
    keep = class_wise_nms(given.boxes, given.labels, given.settings)
    return SimpleNamespace(
        bboxes=given.boxes[keep].clip(0, [1000, 10] * 2), scores=given.scores[keep],
        labels=given.labels[keep])


def compare(ours, theirs, limit=300):
    """Numbers of boxes (without counterpart, exchanged) for candidates of two programs."""
    ours, theirs = candidates(ours, limit), candidates(theirs, limit)
    parity = Parity()
    parity.add(kept(ours), kept(theirs), lambda: ours)
    assert parity.boxes == len(kept(theirs).scores)
    return parity.unmatched, parity.exchanged


def raised(rows, edge, by=LITTLE):
    """The same candidates, one of them with another score."""
    return [(x, score + by * (x == edge), prompt) for x, score, prompt in rows]


PAIR = [(0, 0.5, 0), (20, 0.5 - LITTLE / 2, 0), (500, 0.4, 0)]


def test_two_boxes_of_one_score():
    assert compare(PAIR, PAIR) == (0, 0)
    assert compare(PAIR, raised(PAIR, 20)) == (0, 2)
    assert compare(raised(PAIR, 20), PAIR) == (0, 2)
    # One that reaches out of the image: NMS sees all of it.
    edge = [(950, 0.5, 0), (970, 0.5 - LITTLE / 2, 0)]
    assert compare(edge, raised(edge, 970)) == (0, 2)


def test_scores_that_differ():
    wide = [(0, 0.5, 0), (20, 0.5 - 4 * TIE, 0)]
    assert compare(wide, raised(wide, 20, 8 * TIE)) == (2, 0)


def test_boxes_that_do_not_suppress_each_other():
    apart = [(0, 0.5, 0), (34, 0.5, 0)]
    assert compare(apart, apart[:1]) == (1, 0)
    assert compare(apart[1:], apart) == (1, 0)
    others = [(0, 0.5, 0), (20, 0.5, 1)]
    assert compare(others, others[:1]) == (1, 0)


def test_boxes_that_only_one_program_has():
    """Equal scores and overlap excuse no box that was computed wrongly."""
    shifted = [(x + 4, score, prompt) for x, score, prompt in PAIR]
    assert compare(PAIR, shifted) == (4, 0)
    assert compare(PAIR, [(x + 0.06, *rest) for x, *rest in PAIR]) == (4, 0)
    assert compare(PAIR, [(0, 0.5, 0), (500, 0.4, 0), (700, 0.3, 0)]) == (1, 0)
    assert compare(PAIR[:1], PAIR[1:2]) == (2, 0)
    # An exchange in the same image is still told apart.
    assert compare(PAIR, [*raised(PAIR, 20), (700, 0.3, 0)]) == (1, 2)


# 0 suppresses 20 and 20 suppresses 0; 20 suppresses 50, 50 suppresses 80, 80 suppresses 110.
CHAIN = [(0, 0.5, 0), (20, 0.5 - LITTLE / 2, 0), (50, 0.4, 0), (80, 0.3, 0), (110, 0.2, 0)]


def test_what_follows_from_an_exchange():
    # Ours keeps 0, 50, 110; theirs 20, 80.
    assert kept(candidates(CHAIN)).bboxes[:, 0].tolist() == [0, 50, 110]
    assert kept(candidates(raised(CHAIN, 20))).bboxes[:, 0].tolist() == [20, 80]
    assert compare(CHAIN, raised(CHAIN, 20)) == (0, 5)
    assert compare(raised(CHAIN, 20), CHAIN) == (0, 5)
    # Without the equal scores nothing excuses the rest.
    assert compare(CHAIN, raised(CHAIN, 20, 8 * TIE)) == (5, 0)
    # Theirs keeps 20 alone. With 20 in place of 0, ours would keep 80 as well, which theirs lacks.
    broken = [row for row in raised(CHAIN, 20) if row[0] not in (80, 110)]
    assert compare(CHAIN, broken) == (1, 3)


def test_the_last_boxes():
    # Ours keeps 0, 50 and is full; theirs 20 and, as 50 is suppressed, 500.
    rows = [*CHAIN[:3], (500, 0.3, 1)]
    assert compare(rows, raised(rows, 20), limit=2) == (0, 4)
    # Two boxes of equal scores and one place left for them.
    last = [(0, 0.5, 0), (300, 0.2, 0), (600, 0.2 - LITTLE / 2, 1)]
    assert compare(last, raised(last, 600), limit=2) == (0, 2)
    assert compare(last, raised(last, 600, 8 * TIE), limit=2) == (2, 0)
    # A box of ours that theirs does not have crowds one out.
    assert compare(last, last[1:], limit=2) == (2, 0)


@pytest.mark.parametrize('seed', range(5))
def test_rounding_alone_is_always_explained(seed):
    random = np.random.default_rng(seed)
    rows = [(float(x), round(float(score), 1), int(label)) for x, score, label in zip(
        random.integers(0, 900, 200), random.uniform(0.1, 1, 200), random.integers(0, 3, 200),
        strict=True)]
    noisy = [(x, score + random.uniform(-1, 1) * TIE / 4, label) for x, score, label in rows]
    unmatched, exchanged = compare(rows, noisy, limit=40)
    assert unmatched == 0 and exchanged > 0


def test_without_candidates_all_count():
    parity = Parity()
    parity.add(kept(candidates(PAIR)), kept(candidates(raised(PAIR, 20))))
    assert (parity.unmatched, parity.exchanged) == (2, 0)
    assert str(parity).startswith('2 boxes: 2 without a counterpart, 0 exchanged')
