"""Pooled F1, AP and thresholds, by hand."""

import numpy as np
import pytest

from expalign.evaluation.pooled import Judged, judge


def judged(rows, truths):
    """Rows of score, label and whether it is right."""
    scores, labels, hits = zip(*rows, strict=True) if rows else ((), (), ())
    return Judged(np.array(scores, float), np.array(labels, int), np.array(hits, bool),
                  np.array(truths))


LIST = judged([(0.9, 0, 1), (0.8, 1, 0), (0.6, 0, 1), (0.3, 1, 1), (0.2, 0, 0)], [3, 1])


@pytest.mark.parametrize('threshold, expected', [
    # 2 hits / (shown + 4 instances)
    (0.95, 0.0), (0.85, 2 * 1 / (1 + 4)), (0.7, 2 * 1 / (2 + 4)), (0.5, 2 * 2 / (3 + 4)),
    (0.3, 2 * 2 / (3 + 4)), (0.25, 2 * 3 / (4 + 4)), (0.0, 2 * 3 / (5 + 4))])
def test_f1(threshold, expected):
    assert LIST.f1(threshold) == pytest.approx(expected)


def test_best_threshold():
    assert LIST.best_threshold() == (pytest.approx(0.25), pytest.approx(0.75))
    assert LIST.of_class(0).best_threshold() == (pytest.approx(0.4), pytest.approx(4 / 5))
    # Nothing below the last one: half of its score.
    assert LIST.of_class(1).best_threshold() == (pytest.approx(0.15), pytest.approx(2 / 3))
    assert judged([(0.9, 0, 0)], [2]).best_threshold() is None
    assert judged([], [2]).best_threshold() is None


def test_thresholds_of_classes():
    # Of LIST by falling score: label 0 right, 1 wrong, 0 right, 1 right, 0 wrong; 3 and 1 truths.
    # Without a prior those of each class for itself, halfway to the next score of any class.
    assert LIST.class_thresholds(0) == [pytest.approx(0.45), pytest.approx(0.25)]
    # With 4 more instances of the average class, label 0 has F1 2(1 + 1)/(1 + 1 + 7), 2(1 + 1)/
    # (1 + 2 + 7), 2(2 + 2)/(2 + 3 + 7), 2(2 + 3)/(2 + 4 + 7), 2(2 + 3)/(3 + 5 + 7).
    assert LIST.class_thresholds(4)[0] == pytest.approx(0.25)
    # Label 1: 2/(0 + 1 + 5), 2/(1 + 2 + 5), 4/(1 + 3 + 5), 8/(2 + 4 + 5), 8/(2 + 5 + 5).
    assert LIST.class_thresholds(4)[1] == pytest.approx(0.25)
    # One class is its own average.
    one = LIST.of_class(0)
    assert one.class_thresholds(4)[0] == one.best_threshold()[0]
    assert judged([(0.9, 0, 0)], [2, 1]).class_thresholds(4) == [None, None]


def test_equal_scores_are_shown_together():
    # Of two at 0.5 one is right: showing one alone would have F1 1.
    found = judged([(0.5, 0, 1), (0.5, 0, 0), (0.1, 0, 0)], [1])
    threshold, f1 = found.best_threshold()
    assert (threshold, f1) == (pytest.approx(0.3), pytest.approx(2 / 3))
    assert found.f1(threshold) == pytest.approx(f1)


def test_average_precision():
    # Recall 1/4 at precision 1, 2/4 at 3/4 (after the wrong one: 2/3, then 3/4), 3/4 at 3/4.
    expected = (26 * 1.0 + 50 * 0.75 + 25 * 0.0) / 101
    assert LIST.average_precision() == pytest.approx(expected)
    assert judged([(0.5, 0, 1)], [1]).average_precision() == pytest.approx(1)
    assert judged([], [1]).average_precision() == 0
    assert np.isnan(judged([], [0]).average_precision())


def test_scores_of_one_prompt_that_are_all_lower_cost_pooled_ap_alone():
    same = judged([(0.9, 0, 1), (0.8, 1, 1), (0.7, 0, 0), (0.6, 1, 0)], [1, 1])
    shifted = judged([(0.9, 0, 1), (0.08, 1, 1), (0.7, 0, 0), (0.06, 1, 0)], [1, 1])
    for label in (0, 1):
        assert same.of_class(label).average_precision() == shifted.of_class(
            label).average_precision() == pytest.approx(1)
    assert same.average_precision() == pytest.approx(1)
    assert shifted.average_precision() == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_reliability():
    rows = list(LIST.reliability([0, 0.25, 0.5, 0.75, 1]))
    assert [row[:3] for row in rows] == [(0, 0.25, 1), (0.25, 0.5, 1), (0.5, 0.75, 1), (0.75, 1, 2)]
    assert rows[3][3:] == (pytest.approx(0.85), pytest.approx(0.5))


def test_judging():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [0, 20, 40, 60]], float)
    truth_labels, crowd = np.array([0, 0, 1]), np.array([False, False, True])
    boxes = np.array([
        [0, 0, 10, 9],     # the first, IoU 0.9
        [0, 0, 10, 10],    # the first exactly, but it scores less: wrong
        [20, 0, 30, 4],    # IoU 0.4
        [0, 0, 10, 10],    # of another class
        [0, 20, 10, 30],   # in the crowd
        [30, 30, 60, 40],  # a third in the crowd
    ], float)
    scores, labels = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([0, 0, 0, 1, 1, 1])
    hits, counted = judge(boxes, scores, labels, truth, truth_labels, crowd)
    assert hits.tolist() == [True, False, False, False, False, False]
    assert counted.tolist() == [True, True, True, True, False, True]
    hits, _ = judge(boxes, scores, labels, truth, truth_labels, crowd, iou_threshold=0.4)
    assert hits.tolist() == [True, False, True, False, False, False]


def test_nothing_to_judge():
    none = np.zeros((0, 4))
    hits, counted = judge(none, np.zeros(0), np.zeros(0, int), none, np.zeros(0, int),
                          np.zeros(0, bool))
    assert hits.shape == counted.shape == (0,)
    hits, counted = judge(np.ones((1, 4)), np.ones(1), np.zeros(1, int), none, np.zeros(0, int),
                          np.zeros(0, bool))
    assert not hits.any() and counted.all()
