"""The segmentation pipelines of configs/_base_/datasets: masks stay with image and box."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import DefaultScope

ROOT = Path(__file__).parents[2]
BASES = ROOT / 'configs' / '_base_' / 'datasets'
NON_CROWD_BOXES = 2359  # of coco-mini's training images
WITH_POLYGONS = 1430


@pytest.fixture(autouse=True)
def mmdet_scope(monkeypatch):
    monkeypatch.chdir(ROOT)
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def step_names(pipeline):
    return [step.type.split('.')[1] for step in pipeline]


@pytest.mark.parametrize('name', ['mini', 'coco'])
def test_difference_to_detection(name):
    """The same transforms with the same settings in the same order, on masks where it matters."""
    detection = Config.fromfile(BASES / f'{name}_detection.py')
    segmentation = Config.fromfile(BASES / f'{name}_segmentation.py')
    renamed = {'LoadAnnotations': 'LoadInstances'}
    for key in ('train_pipeline', 'train_pipeline_stage2'):
        if key not in detection:
            continue
        assert step_names(segmentation[key]) == [
            renamed.get(name, name) for name in step_names(detection[key])]
        for a, b in zip(detection[key], segmentation[key], strict=True):
            skip = ('type', 'pre_transform')
            assert {k: v for k, v in a.items() if k not in skip} == {
                k: v for k, v in b.items() if k not in skip}
            if 'pre_transform' in a:
                assert step_names(b.pre_transform) == ['LoadImageFromFile', 'LoadInstances']
    assert segmentation.train_dataloader.dataset.pipeline == segmentation.train_pipeline
    for key in ('type', 'ann_file', 'data_root', 'data_prefix'):
        assert segmentation.train_dataloader.dataset[key] == detection.train_dataloader.dataset[key]
    assert segmentation.test_pipeline == detection.test_pipeline
    assert segmentation.val_evaluator.metric == segmentation.test_evaluator.metric == [
        'bbox', 'segm']
    assert segmentation.val_evaluator.type == 'expalign.CocoMetric'


def test_mini_masks_fit_their_boxes():
    cfg = Config.fromfile(BASES / 'mini_segmentation.py')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    number = 0
    for index in range(len(dataset)):
        item = dataset[index]
        found = item['data_samples'].gt_instances
        assert found.has_mask.all() and len(found) == len(found.masks)
        height, width = item['inputs'].shape[1:]
        assert (found.masks.height, found.masks.width) == (height, width) == (320, 320)
        for polygons, box in zip(found.masks, found.bboxes.tensor, strict=True):
            points = torch.from_numpy(np.concatenate(polygons)).view(-1, 2)
            extent = torch.cat([points.min(0).values, points.max(0).values])
            # The resizes of mmyolo and mmdet round differently, by one pixel at most.
            torch.testing.assert_close(extent, box, rtol=0, atol=1.6)
        number += len(found)
    annotations = json.loads((ROOT / cfg.data_root / 'annotations' / 'instances_train2017.json')
                             .read_text())['annotations']
    assert number == len(annotations)


COLORS = {f'class {i}': (20 * i, 250 - 20 * i, (70 * i) % 256) for i in range(12)}


def write_triangles(folder):
    """Twelve photographs of a triangle of one colour each; every third has no mask."""
    content = dict(images=[], annotations=[], categories=[])
    triangle = [[60, 40, 240, 40, 150, 160]]
    for index, (name, color) in enumerate(COLORS.items()):
        image = np.full((200, 300, 3), 114, dtype=np.uint8)
        cv2.fillPoly(image, [np.array(triangle[0]).reshape(-1, 2)], color)
        cv2.imwrite(str(folder / f'{index}.png'), image)
        content['images'].append(dict(id=index, file_name=f'{index}.png', width=300, height=200))
        content['categories'].append(dict(id=index, name=name))
        content['annotations'].append(dict(
            id=index + 1, image_id=index, category_id=index, bbox=[60, 40, 180, 120], area=10800,
            iscrowd=0, segmentation=triangle if index % 3 else []))
    (folder / 'triangles.json').write_text(json.dumps(content))


def test_masks_follow_mosaic_affine_and_flip(tmp_path):
    """In the augmented image the pixels of a mask have the colour of its prompt, others do not."""
    write_triangles(tmp_path)
    cfg = Config.fromfile(BASES / 'coco_segmentation.py').train_dataloader.dataset
    assert 'expalign.Mosaic' in [step.type for step in cfg.pipeline]
    cfg.update(
        data_root=str(tmp_path), ann_file='triangles.json', data_prefix=dict(img=''),
        metainfo=dict(classes=list(COLORS)),
        pipeline=[step for step in cfg.pipeline if 'HSV' not in step.type])
    dataset = DATASETS.build(cfg)
    overlaps, without = [], 0
    for index in range(24):
        item = dataset[index % 12]
        sample = item['data_samples']
        found, image = sample.gt_instances, item['inputs'].permute(1, 2, 0).int()
        drawn = found.masks.to_ndarray()
        for row, label in enumerate(found.labels.tolist()):
            name = sample.text[label]
            assert bool(found.has_mask[row]) == bool(int(name.split()[1]) % 3)
            if not found.has_mask[row]:
                without += 1
                continue
            colored = ((image - torch.tensor(COLORS[name])).abs().sum(-1) < 12).numpy()
            if (found.labels == label).sum() == 1:  # the same photograph may be there twice
                overlaps.append((drawn[row] & colored).sum() / (drawn[row] | colored).sum())
    assert without > 5 and len(overlaps) > 20
    assert min(overlaps) > 0.85 and np.mean(overlaps) > 0.95


@pytest.mark.real_data
def test_all_boxes_of_coco_mini_survive(real_data):
    """Without geometric augmentation; 929 of them have no polygons."""
    cfg = Config.fromfile(BASES / 'coco_segmentation.py')
    dataset_cfg = cfg.train_dataloader.dataset
    geometric = ('RandomAffine', 'RandomFlip', 'HSV')
    pipeline = [step for step in cfg.train_pipeline_stage2
                if not any(name in step.type for name in geometric)]
    dataset_cfg.update(data_root=str(real_data / 'coco-mini'), pipeline=pipeline)
    segmentation = DATASETS.build(dataset_cfg)
    plain = {'expalign.LoadInstances': 'mmdet.LoadAnnotations'}
    dataset_cfg.pipeline = [dict(step, type=plain.get(step.type, step.type)) for step in pipeline]
    detection = DATASETS.build(dataset_cfg)
    boxes = masks = 0
    for index in range(len(segmentation)):
        found = segmentation[index]['data_samples'].gt_instances
        expected = detection[index]['data_samples'].gt_instances
        assert torch.equal(found.bboxes.tensor, expected.bboxes.tensor)
        boxes += len(found)
        masks += int(found.has_mask.sum())
        assert all(found.masks[np.flatnonzero(found.has_mask.numpy())].to_ndarray().any((1, 2)))
    assert (boxes, masks) == (NON_CROWD_BOXES, WITH_POLYGONS)
