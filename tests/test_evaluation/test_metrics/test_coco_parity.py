"""``expalign.CocoMetric`` against pycocotools used directly, on the embedded photographs.

Predictions are noisy copies of the truth (shifted boxes and masks, wrong labels, misses) and false
positives. What the metric hands to its evaluator is checked too, as its report is rounded.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.evaluation.metrics import coco_metric as mmdet_coco_metric
from mmdet.structures.mask import encode_mask_results
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from expalign.evaluation import CocoMetric
from tests.helpers.grounded import evaluate

MINI = Path(__file__).parents[3] / 'demo/data/mini/annotations/instances_val2017.json'
MAX_DETS = [1, 10, 100]
ITEMS = ['mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l']


def noisy_predictions(api: COCO, seed: int) -> dict[int, list]:
    """Per image (category id, score, box xywh, mask); scores have ties."""
    rng = np.random.default_rng(seed)
    cat_ids = api.getCatIds()
    found = {}
    for image_id, image in api.imgs.items():
        rows = found.setdefault(image_id, [])
        size = image['height'], image['width']
        for truth in api.imgToAnns[image_id]:
            if rng.random() < .2:
                continue
            category = truth['category_id'] if rng.random() < .8 else int(rng.choice(cat_ids))
            shift = rng.integers(-6, 7, 2)
            box = np.array(truth['bbox']) + [*shift, *rng.normal(0, 4, 2)]
            mask = np.roll(api.annToMask(truth), tuple(shift[::-1]), axis=(0, 1))
            rows.append((category, round(rng.random(), 2), np.maximum(box, 1), mask))
        for _ in range(rng.integers(0, 6)):
            x, y = rng.integers(0, 100, 2)
            mask = np.zeros(size, dtype=np.uint8)
            mask[y:y + 40, x:x + 30] = 1
            rows.append((int(rng.choice(cat_ids)), round(rng.random(), 2),
                         np.array([x, y, 30., 40.]), mask))
    return found


def as_samples(api: COCO, found: dict[int, list], classes: list[str]) -> list[dict]:
    """The predictions as a model gives them: labels index ``classes``, masks are encoded."""
    names = {category['id']: category['name'] for category in api.dataset['categories']}
    samples = []
    for image_id, rows in found.items():
        boxes = torch.tensor(np.array([row[2] for row in rows]).reshape(-1, 4))
        boxes[:, 2:] += boxes[:, :2]
        image = api.imgs[image_id]
        samples.append(dict(
            img_id=image_id, ori_shape=(image['height'], image['width']),
            pred_instances=dict(
                bboxes=boxes,
                scores=torch.tensor([row[1] for row in rows], dtype=torch.float64),
                labels=torch.tensor(
                    [classes.index(names[row[0]]) for row in rows], dtype=torch.long),
                masks=encode_mask_results([row[3] for row in rows]))))
    return samples


def official(api: COCO, found: dict[int, list], kind: str) -> COCOeval:
    """pycocotools' own evaluation of the predictions."""
    detections = []
    for image_id, rows in found.items():
        for category, score, box, mask in rows:
            detection = dict(image_id=image_id, category_id=category, score=score)
            if kind == 'segm':
                detection['segmentation'] = encode_mask_results([mask])[0]
            else:
                detection['bbox'] = box.tolist()
            detections.append(detection)
    evaluator = COCOeval(api, api.loadRes(detections), kind)
    evaluator.params.maxDets = MAX_DETS
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator


@pytest.fixture
def evaluators(monkeypatch):
    """The evaluators that the metric makes, in order."""
    made = []

    class Recorded(COCOeval):
        def __init__(self, *args) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(mmdet_coco_metric, 'COCOeval', Recorded)
    return made


def check_parity(ann_file: Path, seed: int, evaluators: list) -> None:
    api = COCO(str(ann_file))
    found = noisy_predictions(api, seed)
    classes = [category['name'] for category in api.dataset['categories']]
    np.random.default_rng(seed).shuffle(classes)  # not the file's order
    metric = CocoMetric(ann_file=str(ann_file), metric=['bbox', 'segm'], proposal_nums=MAX_DETS)
    metric.dataset_meta = dict(classes=classes)
    report = evaluate(metric, as_samples(api, found, classes))
    for kind, ours in zip(('bbox', 'segm'), evaluators, strict=True):
        theirs = official(api, found, kind)
        np.testing.assert_allclose(ours.stats, theirs.stats, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            ours.eval['precision'], theirs.eval['precision'], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(ours.eval['recall'], theirs.eval['recall'])
        assert 0.05 < theirs.stats[0] < 0.95  # neither trivial
        for item, value in zip(ITEMS, theirs.stats, strict=False):
            assert report[f'coco/{kind}_{item}'] == pytest.approx(value, abs=5.001e-4)


@pytest.mark.parametrize('seed', [0, 1])
def test_every_figure_is_pycocotools(seed, evaluators):
    check_parity(MINI, seed, evaluators)


@pytest.mark.real_data
def test_every_figure_is_pycocotools_on_coco_mini(real_data, evaluators):
    check_parity(real_data / 'coco-mini/annotations/instances_val2017.json', 2, evaluators)


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_perfect_predictions_score_exactly_one(kind, evaluators):
    api = COCO(str(MINI))
    found = {image_id: [
        (truth['category_id'], .9, np.array(truth['bbox']), api.annToMask(truth))
        for truth in api.imgToAnns[image_id] if not truth['iscrowd']] for image_id in api.imgs}
    classes = [category['name'] for category in api.dataset['categories']]
    metric = CocoMetric(ann_file=str(MINI), metric=kind, proposal_nums=MAX_DETS)
    metric.dataset_meta = dict(classes=classes)
    assert evaluate(metric, as_samples(api, found, classes))[f'coco/{kind}_mAP'] == 1.0
    assert evaluators[0].stats[0] == pytest.approx(1, abs=1e-12)


def test_predictions_written_to_a_file_are_read_by_pycocotools(tmp_path, evaluators):
    api = COCO(str(MINI))
    found = noisy_predictions(api, 3)
    classes = [category['name'] for category in api.dataset['categories']]
    metric = CocoMetric(
        ann_file=str(MINI), metric=['bbox', 'segm'], proposal_nums=MAX_DETS,
        outfile_prefix=str(tmp_path / 'out'))
    metric.dataset_meta = dict(classes=classes)
    evaluate(metric, as_samples(api, found, classes))
    for kind, ours in zip(('bbox', 'segm'), evaluators, strict=True):
        detections = json.loads((tmp_path / f'out.{kind}.json').read_text())
        assert len(detections) == sum(map(len, found.values()))
        if kind == 'segm':  # pycocotools takes areas from boxes where there are any
            detections = [{k: v for k, v in row.items() if k != 'bbox'} for row in detections]
        again = COCOeval(api, api.loadRes(detections), kind)
        again.params.maxDets = MAX_DETS
        again.evaluate()
        again.accumulate()
        again.summarize()
        np.testing.assert_array_equal(again.stats, ours.stats)


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_more_than_100_detections_of_a_class_in_an_image(kind, evaluators, tmp_path):
    """All but AP once counted 1,000 detections, where pycocotools counts 100."""
    rng = np.random.default_rng(5)
    boxes = [[10 * (i % 16), 10 * (i // 16), 8 + i % 3, 9] for i in range(150)]
    path = tmp_path / 'crowded.json'
    path.write_text(json.dumps(dict(
        images=[dict(id=1, file_name='1.jpg', width=180, height=110)],
        categories=[dict(id=1, name='cup')],
        annotations=[dict(
            id=i + 1, image_id=1, category_id=1, bbox=[x, y, w, h], area=w * h, iscrowd=0,
            segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]])
            for i, (x, y, w, h) in enumerate(boxes)])))
    api = COCO(str(path))
    found = {1: [(1, float(rng.random()), np.array(a['bbox']) + rng.normal(0, .3, 4),
                  api.annToMask(a)) for a in api.dataset['annotations']]}
    metric = CocoMetric(ann_file=str(path), metric=kind)
    metric.dataset_meta = dict(classes=['cup'])
    report = evaluate(metric, as_samples(api, found, ['cup']))
    theirs = official(api, found, kind)
    np.testing.assert_array_equal(evaluators[0].stats, theirs.stats)
    assert report[f'coco/{kind}_mAP_50'] == round(theirs.stats[1], 3) < 0.7  # 100 of 150
