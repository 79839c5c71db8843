"""No metric counts what is no number, or a label of no class; none scores a part in silence."""

import copy
import json

import numpy as np
import pytest
import torch

from expalign.datasets.odinw_sets import ODINW
from expalign.evaluation import (
    AbsentPromptMetric,
    ClassAgnosticRecall,
    CocoMetric,
    LVISMetric,
    ODinWMetric,
    PhraseGroundingMetric,
    RefExpMetric,
)
from expalign.evaluation.prediction_checks import (
    BadPredictions,
    check_mask_sizes,
    check_predictions,
)
from tests.helpers.annotations import coco_content, write_json
from tests.helpers.grounded import grounded_sample

CLASSES = ('cat', 'dog')
BOX = (10., 10., 50., 50.)
RACCOON = next(row for row in ODINW if row.name == 'Raccoon')


def sample_of(image_id=1, **meta):
    """An image with a cat, found, and a dog."""
    return grounded_sample(CLASSES, [(0, BOX), (1, BOX)], [(0, .9, BOX)], img_id=image_id,
                           img_path=f'{image_id}.jpg', **meta)


@pytest.fixture
def metrics(tmp_path):
    """Every metric of the package, ready for :func:`sample_of`; two images are annotated."""
    content = coco_content(
        [dict(id=i, file_name=f'{i}.jpg', height=100, neg_category_ids=[20],
              not_exhaustive_category_ids=[]) for i in (1, 2)],
        [dict(image_id=i, category_id=10, bbox=[10, 10, 40, 40], area=1600) for i in (1, 2)],
        list(CLASSES))
    for category in content['categories']:
        category['frequency'] = 'f'
    path = str(write_json(tmp_path / 'a.json', content))
    raccoon = json.loads(json.dumps(content))
    raccoon['categories'] = [dict(id=10, name=RACCOON.classes[0])]
    raccoon_path = str(write_json(tmp_path / 'raccoon.json', raccoon))
    made = [CocoMetric(path), ClassAgnosticRecall(path), LVISMetric(path),
            AbsentPromptMetric(path), RefExpMetric(), PhraseGroundingMetric(topk=[1]),
            ODinWMetric()]
    for metric in made[:-1]:
        metric.dataset_meta = dict(classes=CLASSES)
    made[-1].dataset_meta = dict(table='odinw13', missing=(), sets=[
        dict(row=RACCOON, ann_file=raccoon_path, images=2)])
    return made


def with_fault(key, value):
    sample = sample_of(source='Raccoon')
    sample['pred_instances'][key][0] = value
    return sample


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('bboxes', torch.tensor([10, 10, np.nan, 50]), '1 of 1 boxes are not finite'),
    ('bboxes', torch.tensor([-np.inf, 10, 50, 50]), '1 of 1 boxes are not finite'),
    ('scores', np.nan, '1 of 1 scores are not finite'),
    ('scores', np.inf, '1 of 1 scores are not finite'),
    ('labels', -1, r'1 of 1 labels are of no class \(the first is -1'),
    ('labels', 2, r'1 of 1 labels are of no class \(the first is 2'),
])
def test_every_metric_refuses_what_is_no_prediction(metrics, key, value, message):
    sample = with_fault(key, value)
    for metric in metrics:
        with pytest.raises(BadPredictions, match=rf'image 1 \(1.jpg\).*{message}'):
            metric.process({}, [copy.deepcopy(sample)])


def test_every_metric_refuses_a_part_of_the_data_set(metrics):
    for metric in metrics:
        metric.process({}, [sample_of(source='Raccoon')])
        with pytest.raises(RuntimeError, match='results of 1 images, the data set has 2'):
            metric.evaluate(2)


def test_images_that_were_not_tested_are_reported(metrics, monkeypatch):
    lines = []
    monkeypatch.setattr('expalign.evaluation.prediction_checks.print_log',
                        lambda message, *args, **kwargs: lines.append(message))
    for metric in metrics[:4]:  # those that read an annotation file
        metric.process({}, [sample_of()])
        metric.evaluate(1)
    assert len(lines) == 4
    for line in lines:
        assert '1 of 2 images of' in line and line.endswith(
            'were not tested and count as without detections (ids 2)')


def test_an_image_of_another_file_is_named(metrics):
    for metric in metrics[:4]:
        with pytest.raises(ValueError, match=r'image (of )?id 7|no image of id 7'):
            metric.process({}, [sample_of(7)])


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(labels=torch.zeros(1)), r'labels \(n,\) whole numbers, got .* of float32'),
    (dict(labels=torch.zeros(1, dtype=torch.bool)), 'whole numbers, got .* of bool'),
    (dict(bboxes=torch.ones(1, 5)), r'boxes must be \(n, 4\)'),
    (dict(scores=torch.ones(1, 1)), r'scores \(n,\)'),
    (dict(scores=torch.ones(1).bfloat16()), r"'scores' in bfloat16: convert them with .float\(\)"),
    (dict(bboxes=torch.tensor([[50., 10, 10, 50]])), '1 of 1 boxes have a negative width or'),
])
def test_every_metric_refuses_other_forms(metrics, changes, message):
    sample = sample_of(source='Raccoon')
    sample['pred_instances'].update(changes)
    for metric in metrics:
        with pytest.raises(BadPredictions, match=rf'image 1 \(1.jpg\).*{message}'):
            metric.process({}, [copy.deepcopy(sample)])


def test_what_is_left_out_is_named():
    with pytest.raises(BadPredictions, match="the predictions of image 1 have no 'scores'"):
        check_predictions(dict(img_id=1, pred_instances=dict(bboxes=torch.zeros(0, 4))))


@pytest.mark.parametrize('masks', [
    None, [[[1, 1, 5, 1, 5, 5]]], [dict(size=[100, 100], counts=[10000])], [dict(counts=b'1')]])
def test_masks_of_other_forms(masks):
    sample = sample_of()
    sample['pred_instances']['masks'] = masks
    with pytest.raises(BadPredictions, match='image 1 .* have masks that are neither an array'):
        check_mask_sizes(sample, (100, 100))


def test_numbers_must_agree():
    sample = sample_of()
    sample['pred_instances']['scores'] = torch.ones(2)
    with pytest.raises(BadPredictions, match='image 1 .* are 1 boxes, 2 scores and 1 labels'):
        check_predictions(sample)


def test_nothing_found_is_a_prediction():
    check_predictions(dict(img_id=1, pred_instances=dict(
        bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0))), 2)
