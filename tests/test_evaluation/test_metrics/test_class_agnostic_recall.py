"""Class-agnostic recall on hand-made boxes: labels do not matter, the number of boxes does."""

import logging

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import METRICS

from expalign.evaluation import ClassAgnosticRecall
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.grounded import evaluate, grounded_sample

CLASSES = ('cat', 'dog')
A, B = (10, 10, 50, 50), (55, 10, 95, 50)


@pytest.fixture
def ann_file(tmp_path):
    annotations = [dict(image_id=1, category_id=10, bbox=[10, 10, 40, 40], area=1600),
                   dict(image_id=1, category_id=20, bbox=[55, 10, 40, 40], area=1600)]
    return str(write_json(tmp_path / 'a.json', coco_content(
        [dict(id=1, file_name='1.jpg')], annotations, list(CLASSES))))


def recall(ann_file, found):
    metric = ClassAgnosticRecall(ann_file)
    metric.dataset_meta = dict(classes=CLASSES)
    return evaluate(metric, [grounded_sample(CLASSES, [], found)])


def test_wrong_labels_do_not_matter(ann_file):
    scores = recall(ann_file, [(1, .9, A), (0, .8, B)])
    assert scores['class_agnostic/AR@100'] == scores['class_agnostic/AR@1000'] == 1.0
    assert scores['class_agnostic/AR_m@1000'] == 1.0


def test_one_of_two_boxes(ann_file):
    assert recall(ann_file, [(0, .9, A)])['class_agnostic/AR@100'] == 0.5


def test_recall_is_averaged_over_overlaps(ann_file):
    # The IoU with A is 32 / 40 = 0.8: found at 0.5, 0.55, ... 0.8, seven of ten thresholds.
    scores = recall(ann_file, [(0, .9, (10, 10, 50, 42)), (1, .9, B)])
    assert scores['class_agnostic/AR@100'] == pytest.approx((0.7 + 1) / 2)


def test_only_the_best_n_boxes_count(ann_file):
    rng = np.random.default_rng(0)
    wrong = [(0, .9, (x, 60, x + 5, 65)) for x in rng.uniform(0, 90, 150)]
    scores = recall(ann_file, [*wrong, (0, .1, A), (0, .1, B)])
    assert scores['class_agnostic/AR@100'] == 0.0
    assert scores['class_agnostic/AR@300'] == scores['class_agnostic/AR@1000'] == 1.0


def test_too_few_boxes_for_1000_are_reported(ann_file, caplog):
    logger = MMLogger.get_instance('class_agnostic_test')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        recall(ann_file, [(0, .9, A)])
    assert 'no image has more than 1 boxes' in caplog.text


def test_a_model_that_predicts_nothing(ann_file):
    assert set(recall(ann_file, []).values()) == {0.0}


def test_it_is_registered(ann_file):
    metric = METRICS.build(dict(type='expalign.ClassAgnosticRecall', ann_file=ann_file))
    assert metric.proposal_nums == [100, 300, 1000]
