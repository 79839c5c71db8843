"""Pooled F1, AP and thresholds of three hand-made images."""

from math import isnan

import pytest

from expalign.evaluation import PooledMetric
from expalign.evaluation.calibration import SampleJudge, by_class, gather
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.grounded import evaluate, grounded_sample

CLASSES = ('owl', 'dog', 'cat')  # another order than the file's
OWL, DOG, CAT = range(3)
BOX, FAR = (0, 0, 10, 10), (50, 50, 60, 60)


@pytest.fixture
def ann_file(tmp_path):
    """Image 1 has a cat, image 2 a dog and a crowd of cats, image 3 nothing."""
    images = [dict(id=i, file_name=f'{i}.jpg', width=99, height=99) for i in (1, 2, 3)]
    annotations = [
        dict(image_id=1, category_id=10, bbox=[0, 0, 10, 10]),
        dict(image_id=2, category_id=20, bbox=[0, 0, 10, 10]),
        dict(image_id=2, category_id=10, bbox=[40, 40, 30, 30], iscrowd=1)]
    return str(write_json(
        tmp_path / 'a.json', coco_content(images, annotations, ['cat', 'dog', 'owl'])))


def samples():
    found = ([(CAT, .9, BOX), (DOG, .05, BOX)],
             [(DOG, .15, BOX), (CAT, .8, FAR), (OWL, .4, BOX)],  # the cat is one of the crowd
             [(CAT, .3, BOX), (DOG, .1, BOX)])
    return [grounded_sample(CLASSES, [], rows, img_id=i) for i, rows in enumerate(found, start=1)]


def test_by_hand(ann_file):
    metric = PooledMetric(ann_file, score_thrs=(0.2, 0.1))
    metric.dataset_meta = dict(classes=CLASSES)
    # By score: cat .9 right, owl .4, cat .3, dog .15 right, dog .1, dog .05; two instances.
    assert evaluate(metric, samples()) == pytest.approx({
        'pooled/AP': (51 * 1 + 50 * 2 / 4) / 101, 'pooled/best_F1': 2 * 1 / (1 + 2),
        'pooled/best_thr': 0.65, 'pooled/F1@0.2': 2 * 1 / (3 + 2), 'pooled/F1@0.1': 2 * 2 / (4 + 2),
        'pooled/own_F1': 1.0})
    assert metric.judged.truths.tolist() == [0, 1, 1]


def test_thresholds_by_class(ann_file):
    judge = SampleJudge(CocoGroundTruth(ann_file), CLASSES)
    owl, dog, cat = by_class(gather([judge(sample) for sample in samples()], 3))
    assert owl is None and dog == (pytest.approx(0.125), 1.0) and cat == (pytest.approx(0.6), 1.0)
    assert by_class(gather([], 3)) == [None, None, None]
    with pytest.raises(ValueError, match='fox'):
        SampleJudge(CocoGroundTruth(ann_file), ['fox'])
    with pytest.raises(ValueError, match=r'a\.json has no image of id 9'):
        judge(grounded_sample(CLASSES, [], [], img_id=9))


def test_nothing_found(ann_file):
    metric = PooledMetric(ann_file)
    metric.dataset_meta = dict(classes=CLASSES)
    scores = evaluate(metric, [grounded_sample(CLASSES, [], [], img_id=i) for i in (1, 2, 3)])
    assert isnan(scores.pop('pooled/best_thr'))
    assert set(scores.values()) == {0.0}
