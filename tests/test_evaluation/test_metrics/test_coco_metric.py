"""Scores of hand-made predictions, whatever the order of the class names."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.registry import METRICS, DefaultScope

from expalign.evaluation import CocoMetric

ANN_FILE = Path(__file__).parents[2] / 'data' / 'coco_permuted.json'
ORDERS = [('cat', 'dog', 'person'), ('person', 'dog', 'cat'), ('dog', 'person', 'cat')]


def perfect_samples(classes, wrong=()):
    """Samples whose predictions equal the ground truth, but for labels of classes in ``wrong``."""
    content = json.loads(ANN_FILE.read_text())
    names = {item['id']: item['name'].strip() for item in content['categories']}
    samples = []
    for image in content['images']:
        annotations = [a for a in content['annotations'] if a['image_id'] == image['id']]
        found = [names[a['category_id']] for a in annotations]
        labels = [(classes.index(name) + (name in wrong)) % len(classes) for name in found]
        boxes = torch.tensor([a['bbox'] for a in annotations], dtype=torch.float32)
        boxes[:, 2:] += boxes[:, :2]
        instances = [
            dict(bbox=box, bbox_label=classes.index(name), ignore_flag=0)
            for box, name in zip(boxes.tolist(), found, strict=True)
        ]
        samples.append(dict(
            img_id=image['id'], ori_shape=(image['height'], image['width']), instances=instances,
            pred_instances=dict(
                bboxes=boxes, labels=torch.tensor(labels), scores=torch.full((len(labels),), 0.9))))
    return samples


def evaluate(classes, samples, ann_file=str(ANN_FILE), **kwargs):
    metric = CocoMetric(ann_file=ann_file, **kwargs)
    metric.dataset_meta = dict(classes=classes)
    metric.process({}, samples)
    return metric.evaluate(size=len(samples))


@pytest.mark.parametrize('classes', ORDERS)
@pytest.mark.parametrize('ann_file', [str(ANN_FILE), None])
def test_perfect_predictions_score_one(classes, ann_file):
    scores = evaluate(classes, perfect_samples(classes), ann_file)
    assert scores['coco/bbox_mAP'] == scores['coco/bbox_mAP_50'] == 1.0


@pytest.mark.parametrize('classes', ORDERS)
def test_class_wise_scores_belong_to_their_names(classes):
    scores = evaluate(classes, perfect_samples(classes, wrong=('dog',)), classwise=True)
    precisions = {name: scores[f'coco/{name.strip()}_precision'] for name in ('cat', 'person')}
    wrong_label = classes[(classes.index('dog') + 1) % 3]
    # The dog's box, labelled as its neighbour, is a false alarm of that class: of three boxes with
    # one score, its recall of 1 is reached at precision 2/3 or 1/2.
    for name, precision in precisions.items():
        assert (precision == 1.0) == (name != wrong_label)
    assert scores['coco/dog _precision'] == 0.0


def test_part_of_the_classes():
    classes = ('person', 'cat')
    samples = perfect_samples(('person', 'cat', 'dog'))
    for sample in samples:
        pred = sample['pred_instances']
        keep = pred['labels'] < 2
        sample['pred_instances'] = {key: value[keep] for key, value in pred.items()}
    assert evaluate(classes, samples)['coco/bbox_mAP'] == 1.0


def test_a_model_that_predicts_nothing_scores_zero():
    samples = perfect_samples(ORDERS[0])
    for sample in samples:
        sample['pred_instances'] = {
            key: value[:0] for key, value in sample['pred_instances'].items()}
    scores = evaluate(ORDERS[0], samples, metric_items=['mAP', 'mAP_50'])
    assert scores == {'coco/bbox_mAP': 0.0, 'coco/bbox_mAP_50': 0.0}


def test_a_class_that_the_file_lacks_is_reported_at_once():
    metric = CocoMetric(ann_file=str(ANN_FILE))
    with pytest.raises(ValueError, match=r"coco_permuted.json has no category named 'persn' "
                                         r"\(did you mean 'person'\?\)"):
        metric.dataset_meta = dict(classes=('cat', 'persn'))


def test_missing_annotation_file():
    with pytest.raises(FileNotFoundError, match="annotation file '/nowhere/x.json' not found: "
                                                "check 'ann_file' of the evaluator"):
        CocoMetric(ann_file='/nowhere/x.json')


def test_predictions_are_kept_unrounded(tmp_path):
    classes = ORDERS[1]
    evaluate(classes, perfect_samples(classes), outfile_prefix=str(tmp_path / 'out'))
    rows = json.loads((tmp_path / 'out.bbox.json').read_text())
    assert [row['category_id'] for row in rows] == [7, 3, 5, 7]


def test_it_is_registered():
    with DefaultScope.overwrite_default_scope('mmdet'):
        assert isinstance(METRICS.build(dict(type='expalign.CocoMetric')), CocoMetric)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(proposal_nums=(1, 10, 300)), r"proposal_nums \[1, 10, 300\] is of metric 'proposal'"),
    (dict(metric=['bbox', 'proposal'], metric_items=['mAP', 'AR@100']), r"not \['AR@100'\]"),
])
def test_arguments_that_would_be_of_no_use(kwargs, message):
    with pytest.raises(ValueError, match=message):
        CocoMetric(ann_file=str(ANN_FILE), **kwargs)


def test_boxes_and_proposals_keep_their_own_limits():
    samples = perfect_samples(ORDERS[0])
    scores = evaluate(ORDERS[0], samples, metric=['bbox', 'proposal'])
    assert scores['coco/bbox_mAP'] == scores['coco/AR@1000'] == 1.0
