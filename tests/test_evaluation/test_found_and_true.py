"""Matches, thresholds, confusion and mistakes of detections, by hand; AP by class by parity."""

import json

import numpy as np
import pytest

from expalign.evaluation.class_precision import class_precision, mean_precision
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from expalign.evaluation.found_and_true import (
    FoundAndTrue,
    best_thresholds,
    confusion_matrix,
    match,
    mistakes_of,
)


def box(x: float) -> list[float]:
    """10 x 10 pixels; others are far away unless x is near."""
    return [x, 0, x + 10, 10]


def image(found, true, ignored=()) -> FoundAndTrue:
    """found: (x, score, label) by falling score; true: (x, label)."""
    return FoundAndTrue(
        'x.jpg', np.array([box(x) for x, _, _ in found], float).reshape(-1, 4),
        np.array([score for _, score, _ in found], float),
        np.array([label for _, _, label in found], int),
        np.array([box(x) for x, _ in true], float).reshape(-1, 4),
        np.array([label for _, label in true], int),
        np.array([row in ignored for row in range(len(true))], bool))


def test_the_best_score_has_the_first_choice():
    boxes = np.array([box(0), box(1), box(50)], float)
    assert match(boxes, np.array([box(2), box(20)], float)).tolist() == [0, -1, -1]
    assert match(boxes, np.zeros((0, 4))).tolist() == [-1, -1, -1]
    assert match(np.zeros((0, 4)), boxes).tolist() == []


def test_the_threshold_has_the_best_f1_and_lies_half_way():
    # Of class 0 there are three: right at 0.9 and 0.7, wrong at 0.8 and 0.4, right at 0.3.
    found = [(0, .9, 0), (200, .8, 0), (20, .7, 0), (300, .4, 0), (40, .3, 0), (0, .2, 1)]
    first, second = best_thresholds(
        [image(found, [(0, 0), (20, 0), (40, 0), (60, 1)])], 2)
    # F1 is 1/2, 2/5, 2/3, 4/7, 3/4 down the list; the best of all six boxes are the same five.
    assert first.score == pytest.approx(0.25) and first.f1 == pytest.approx(0.75)
    assert (first.precision, first.recall, first.true) == (pytest.approx(3 / 5), 1.0, 3)
    # Nothing of it is right: that of the other.
    assert second.score == pytest.approx(0.25) and (second.f1, second.true) == (0.0, 1)
    (none,) = best_thresholds([image([(200, .8, 0)], [(0, 0)])], 1)
    assert (none.score, none.f1, none.true) == (None, 0.0, 1)


def test_what_lies_in_a_crowd_does_not_count():
    found = [(0, .9, 0), (100, .8, 0)]
    (row,) = best_thresholds([image(found, [(0, 0), (100, 0)], ignored=[1])], 1)
    assert (row.f1, row.true) == (1.0, 1)


def test_confusion_by_hand():
    found = [(0, .9, 0), (20, .8, 1), (200, .7, 1)]
    table = confusion_matrix([image(found, [(0, 0), (20, 0), (40, 1)])], 2)
    assert table.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_mistakes_by_hand():
    found = [(0, .9, 0), (1, .8, 0), (20, .6, 1), (200, .5, 0)]
    mistakes = mistakes_of(image(found, [(0, 0), (20, 0), (40, 1)]))
    assert mistakes.right.tolist() == [True, False, False, False]
    assert mistakes.seen_as.tolist() == [0, 0, 0, -1]  # twice, of another class, nothing there
    assert mistakes.missed.tolist() == [False, False, True]
    assert mistakes.weight == pytest.approx(0.8 + 0.6 + 0.5 + 1)


def test_ap_by_class_is_that_of_the_metric(tmp_path):
    from expalign.evaluation import CocoMetric
    rng = np.random.default_rng(0)
    categories = [dict(id=9, name='b'), dict(id=4, name='a')]  # not in the order of the labels
    images, annotations, found, samples = [], [], [], []
    for number in range(1, 7):
        images.append(dict(id=number, file_name=f'{number}.jpg', width=400, height=400))
        true = [(40 * k, int(rng.integers(2))) for k in range(5)]
        for x, label in true:
            annotations.append(dict(id=len(annotations) + 1, image_id=number, bbox=[x, 0, 10, 10],
                                    category_id=(4, 9)[label], iscrowd=0, area=100))
        rows = sorted(((x + float(rng.integers(4)), float(rng.random()), int(rng.integers(2)))
                       for x, _ in true), key=lambda row: -row[1])
        found.append(image(rows, true))
        samples.append(as_sample(found[-1], number))
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(dict(
        images=images, annotations=annotations, categories=categories)))
    metric = CocoMetric(ann_file=str(path), classwise=True)
    metric.dataset_meta = dict(classes=('a', 'b'))
    metric.process({}, samples)
    expected = metric.evaluate(6)
    rows = class_precision(CocoGroundTruth(str(path)), range(1, 7), found, [4, 9])
    assert rows[0].ap == pytest.approx(expected['coco/a_precision'], abs=5.1e-4)
    assert rows[1].ap == pytest.approx(expected['coco/b_precision'], abs=5.1e-4)
    ap, ap50 = mean_precision(rows)
    assert ap == pytest.approx(expected['coco/bbox_mAP'], abs=5.1e-4)
    assert ap50 == pytest.approx(expected['coco/bbox_mAP_50'], abs=5.1e-4)
    assert 0.05 < ap < ap50 < 0.9
    nothing = class_precision(CocoGroundTruth(str(path)), [1], [image([], [(0, 1)])], [4, 9])
    assert np.isnan(nothing[0].ap) and nothing[1] == (0.0, 0.0, 1)


def as_sample(found: FoundAndTrue, number: int) -> dict:
    """A prediction as metrics get it."""
    import torch
    instances = dict(bboxes=torch.from_numpy(found.boxes), scores=torch.from_numpy(found.scores),
                     labels=torch.from_numpy(found.labels))
    return dict(img_id=number, ori_shape=(400, 400), pred_instances=instances)
