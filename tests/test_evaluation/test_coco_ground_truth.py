"""Annotation files of other people: any ids, no area, no crowd flag, no mask. Perfect is 1.0."""

import json

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch

from expalign.evaluation import CocoMetric, LVISMetric
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from tests.helpers.annotations import coco_content, write_json

CLASSES = ('cat', 'dog')
SIZE = 100, 120  # height, width
BOXES = [[10, 10, 20, 30], [50, 20, 40, 40], [5, 60, 30, 35], [70, 70, 40, 20]]


def outline(box):
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def content_of(boxes_by_image=(BOXES, BOXES[:1]), **changes):
    """Images with boxes of both classes in turn, each with its outline as mask."""
    images = [dict(id=i, file_name=f'{i}.jpg', height=SIZE[0], width=SIZE[1], neg_category_ids=[],
                   not_exhaustive_category_ids=[]) for i in range(len(boxes_by_image))]
    annotations = [
        dict(image_id=i, category_id=10 + 10 * (k % 2), bbox=box, area=box[2] * box[3],
             segmentation=[outline(box)], **changes)
        for i, boxes in enumerate(boxes_by_image) for k, box in enumerate(boxes)]
    content = coco_content(images, annotations, list(CLASSES))
    for category in content['categories']:
        category['frequency'] = 'f'
    return content


def perfect(content, keep=lambda annotation: True):
    """The annotations as predictions, with their outlines as masks."""
    samples = []
    for image in content['images']:
        rows = [a for a in content['annotations'] if a['image_id'] == image['id'] and keep(a)]
        boxes = torch.tensor([a['bbox'] for a in rows], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        samples.append(dict(img_id=image['id'], ori_shape=SIZE, pred_instances=dict(
            bboxes=boxes, scores=torch.linspace(.9, .8, len(rows)),
            labels=torch.tensor([a['category_id'] // 10 - 1 for a in rows], dtype=torch.long),
            masks=[coco_mask.merge(coco_mask.frPyObjects([outline(a['bbox'])], *SIZE))
                   for a in rows])))
    return samples


def scores_of(path, samples, metric=('bbox', 'segm'), make=CocoMetric, **kwargs):
    metric = make(str(path), metric=list(metric), **kwargs)
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


NUMBERINGS = {
    'from 0': lambda i: i, 'negative': lambda i: -2 - i, 'all 0': lambda i: 0,
    'twice': lambda i: i // 2, 'text': str, 'reversed': lambda i: 4 - i}


@pytest.mark.parametrize('numbering', NUMBERINGS)
@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_ids_of_annotations_do_not_matter(tmp_path, numbering, make):
    content = content_of()
    for index, annotation in enumerate(content['annotations']):
        annotation['id'] = NUMBERINGS[numbering](index)
    path = write_json(tmp_path / 'a.json', content)
    report = scores_of(path, perfect(content), make=make)
    found = {name: value for name, value in report.items() if name.endswith('AP')}
    assert len(found) == 2
    assert set(found.values()) == {1.0}


def test_one_annotation_of_id_0_is_found(tmp_path):
    content = content_of([BOXES[:1]])
    content['annotations'][0]['id'] = 0
    report = scores_of(write_json(tmp_path / 'a.json', content), perfect(content))
    assert report['coco/bbox_mAP'] == report['coco/segm_mAP'] == 1.0


def test_absent_and_null_ids_are_given(tmp_path):
    content = content_of()
    del content['annotations'][0]['id']
    content['annotations'][1]['id'] = None
    report = scores_of(write_json(tmp_path / 'a.json', content), perfect(content))
    assert report['coco/bbox_mAP'] == 1.0


@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_sizes_of_images_may_be_text(tmp_path, make):
    content = content_of()
    samples = perfect(content)
    content['images'][0].update(width='120.0', height=' 100 ')
    report = scores_of(write_json(tmp_path / 'a.json', content), samples, make=make)
    assert {value for name, value in report.items() if name.endswith('AP')} == {1.0}
    del content['images'][1]['width']
    path = write_json(tmp_path / 'b.json', content)
    with pytest.raises(ValueError, match="b.json', image 1: 'height' and 'width' must be positive"):
        scores_of(path, samples, make=make)


@pytest.mark.parametrize('ids', [['a', 'b'], ['7', '12'], [-5, -4], [-1, 2**64]])
@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_ids_of_images_may_be_anything_that_can_be_sorted(tmp_path, make, ids):
    content = content_of()
    for image in content['images']:
        image['id'] = ids[image['id']]
    for annotation in content['annotations']:
        annotation['image_id'] = ids[annotation['image_id']]
    report = scores_of(write_json(tmp_path / 'a.json', content), perfect(content), make=make)
    assert {value for name, value in report.items() if name.endswith('AP')} == {1.0}


@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_nothing_found_in_any_form(tmp_path, make):
    content = content_of()
    samples = perfect(content, keep=lambda annotation: annotation['image_id'] == 0)
    samples[1]['pred_instances'] = dict(
        bboxes=torch.zeros(0), scores=torch.zeros(0), labels=torch.zeros(0), masks=[])
    report = scores_of(write_json(tmp_path / 'a.json', content), samples, make=make)
    # Four of five cats and dogs: the recall of one class is 2 / 3, of 101 points 67 count.
    found = [value for name, value in report.items() if name.endswith('AP')]
    np.testing.assert_allclose(found, (67 / 101 + 1) / 2, atol=1e-3)


@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_ids_of_images_that_no_evaluator_can_sort(tmp_path, make):
    content = content_of()
    content['images'][1]['id'] = 'one'
    content['annotations'][-1]['image_id'] = 'one'
    path = write_json(tmp_path / 'a.json', content)
    with pytest.raises(ValueError, match="a.json', image 0 and image 'one': image ids of which"):
        scores_of(path, perfect(content), make=make)


@pytest.mark.parametrize('key', ['area', 'iscrowd'])
@pytest.mark.parametrize('value', ['absent', None])
def test_area_and_crowd_flag_may_be_absent(tmp_path, key, value):
    content = content_of()
    for annotation in content['annotations']:
        annotation.pop(key, None)
        if value is None:
            annotation[key] = None
    path = write_json(tmp_path / 'a.json', content)
    report = scores_of(path, perfect(content))
    assert report['coco/bbox_mAP'] == report['coco/segm_mAP'] == 1.0
    areas = [a['area'] for a in CocoGroundTruth(str(path)).dataset['annotations']]
    assert areas == [w * h for _, _, w, h in [*BOXES, BOXES[0]]]


def test_a_crowd_flag_that_is_text(tmp_path):
    content = content_of(iscrowd='0')
    content['annotations'][0]['iscrowd'] = '1'
    path = write_json(tmp_path / 'a.json', content)
    assert [a['iscrowd'] for a in CocoGroundTruth(str(path)).dataset['annotations']] == [
        1, 0, 0, 0, 0]
    samples = perfect(content, keep=lambda a: a['iscrowd'] == '0')
    assert scores_of(path, samples)['coco/bbox_mAP'] == 1.0


@pytest.mark.parametrize('segmentation', [[], None, 'absent', [[1, 2, 3, 4]], {},
                                          dict(size=list(SIZE), counts=[SIZE[0] * SIZE[1]])])
@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_mask_ap_is_over_the_instances_with_a_mask(tmp_path, segmentation, make):
    content = content_of()
    annotation = content['annotations'][1]
    annotation['segmentation'] = segmentation
    if segmentation == 'absent':
        del annotation['segmentation']
    path = write_json(tmp_path / 'a.json', content)
    # A detection where there is no mask to compare it with is neither a hit nor a false alarm.
    for keep in (lambda a: True, lambda a: a['id'] != annotation['id']):
        report = scores_of(path, perfect(content, keep), make=make)
        names = [name for name in report if name.endswith('AP')]
        assert report[names[1]] == 1.0
    assert report[names[0]] < 1  # the box AP still asks for it


def test_a_false_alarm_beside_an_instance_without_a_mask_counts(tmp_path):
    content = content_of([[BOXES[0], BOXES[3], BOXES[1]]])
    content['annotations'][2]['segmentation'] = []  # a cat's, as the first
    (sample,) = perfect(content)
    sample['pred_instances']['scores'] = torch.tensor([.5, .9, .9])
    sample['pred_instances']['masks'][2] = coco_mask.merge(
        coco_mask.frPyObjects([outline([60, 0, 10, 10])], *SIZE))
    report = scores_of(write_json(tmp_path / 'a.json', content), [sample])
    # cat: one of two detections is right, the worse one, so the precision is 1/2; dog: 1.
    assert report['coco/segm_mAP'] == .75


def test_instances_without_a_mask_are_counted_once(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr('expalign.evaluation.ground_truth_masks.print_log',
                        lambda message, *args, **kwargs: lines.append(message))
    content = content_of()
    content['annotations'][1]['segmentation'] = []
    path = write_json(tmp_path / 'a.json', content)
    for kind in (['bbox'], ['bbox', 'segm']):
        scores_of(path, perfect(content), kind)
    assert len(lines) == 1
    assert lines[0].startswith(f'1 of 5 instances of {path} have no mask: mask AP is over the 4')


@pytest.mark.parametrize(('segmentation', 'message'), [
    (dict(size=[10, 10], counts=[50, 50]), r'size \[10, 10\] .* does not fit the image'),
    (dict(size=list(SIZE), counts=[5, 5]), "'counts' of a run-length encoding do not fill"),
    (dict(size=list(SIZE), counts='garbage'), "'counts' of a run-length encoding"),
    ([[1, 2, 3, 4, 5, float('nan')]], 'coordinate that is not finite'),
    ([1, 2, 3, 4, 5, 6], 'a polygon must be a list of coordinates'),
    ('a mask', 'a segmentation must be a list of polygons'),
])
@pytest.mark.parametrize('make', [CocoMetric, LVISMetric])
def test_masks_are_read_before_anything_is_run(tmp_path, segmentation, message, make):
    content = content_of()
    content['annotations'][1]['segmentation'] = segmentation
    path = write_json(tmp_path / 'a.json', content)
    make(str(path), metric='bbox')
    with pytest.raises(ValueError, match=rf"a.json', image 0 \('0.jpg'\), annotation.*{message}"):
        make(str(path), metric='segm')


@pytest.mark.parametrize(('key', 'value'), [
    ('bbox', [1, 2, 3]), ('bbox', None), ('bbox', [0, 0, float('nan'), 1]),
    ('iscrowd', 'perhaps'), ('iscrowd', 7)])
def test_annotations_that_cannot_be_evaluated_are_named(tmp_path, key, value):
    content = content_of()
    content['annotations'][1][key] = value
    path = write_json(tmp_path / 'a.json', content)
    with pytest.raises(ValueError, match=r"a.json', image 0, annotation 2:"):
        CocoMetric(str(path))


def test_masks_come_with_the_samples(tmp_path):
    content = content_of()
    content['annotations'][1]['segmentation'] = None
    samples = perfect(content)
    for sample in samples:
        boxes = sample['pred_instances']['bboxes'].tolist()
        truth = [a for a in content['annotations'] if a['image_id'] == sample['img_id']]
        sample['instances'] = [
            dict(bbox=box, bbox_label=a['category_id'] // 10 - 1, ignore_flag=0,
                 mask=a['segmentation']) for box, a in zip(boxes, truth, strict=True)]
    metric = CocoMetric(metric=['bbox', 'segm'])
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    report = metric.evaluate(len(samples))
    assert report['coco/bbox_mAP'] == report['coco/segm_mAP'] == 1.0


def test_the_copy_on_disk_stays(tmp_path):
    path = write_json(tmp_path / 'a.json', content_of())
    before = path.read_bytes()
    scores_of(path, perfect(json.loads(before)))
    assert path.read_bytes() == before
    assert np.all([a['id'] for a in json.loads(before)['annotations']])
