"""Run-length encoded masks through mmdet: metrics, dump, visualizer, inference functions."""

import json
import pickle
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmdet.evaluation import DumpDetResults
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.structures import InstanceData

from expalign.evaluation import CocoMetric
from expalign.structures.rle_masks import RLEMasks

CONFIG = 'configs/mini/expalign_mini-seg.py'
IMAGE = 'demo/data/mini/val2017/000000214753.jpg'
ANN_FILE = 'demo/data/mini/annotations/instances_val2017.json'


def perfect_samples(masks='rle'):
    """Predictions equal to the embedded annotations."""
    content = json.loads(Path(ANN_FILE).read_text())
    names = [category['name'] for category in content['categories']]
    labels = {category['id']: i for i, category in enumerate(content['categories'])}
    samples = []
    for image in content['images']:
        size = (image['height'], image['width'])
        found = [a for a in content['annotations'] if a['image_id'] == image['id']]
        boxes = torch.tensor([a['bbox'] for a in found]).float().reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        rles = RLEMasks(
            (coco_mask.merge(coco_mask.frPyObjects(a['segmentation'], *size)) for a in found),
            size)
        sample = DetDataSample(metainfo=dict(img_id=image['id'], ori_shape=size))
        sample.pred_instances = InstanceData(
            bboxes=boxes, scores=torch.full((len(found),), 0.9),
            labels=torch.tensor([labels[a['category_id']] for a in found]),
            masks=rles if masks == 'rle' else torch.from_numpy(rles.to_ndarray()))
        samples.append(sample)
    return samples, names


@pytest.mark.parametrize('metric_class', [MMDetCocoMetric, CocoMetric])
@pytest.mark.parametrize('masks', ['rle', 'dense'])
def test_perfect_masks_score_one(metric_class, masks):
    samples, names = perfect_samples(masks)
    metric = metric_class(ann_file=ANN_FILE, metric=['bbox', 'segm'])
    metric.dataset_meta = dict(classes=tuple(names))
    metric.process({}, [sample.to_dict() for sample in samples])
    scores = metric.evaluate(size=len(samples))
    assert scores['coco/segm_mAP'] == scores['coco/bbox_mAP'] == 1.0


def test_a_model_that_predicts_nothing_scores_zero():
    samples, names = perfect_samples()
    metric = CocoMetric(ann_file=ANN_FILE, metric='segm')
    metric.dataset_meta = dict(classes=tuple(names))
    empty = [sample.clone() for sample in samples]
    for sample in empty:
        sample.pred_instances = sample.pred_instances[:0]
    metric.process({}, [sample.to_dict() for sample in empty])
    assert metric.evaluate(size=len(empty))['coco/segm_mAP'] == 0.0


def test_dump_has_plain_encodings(tmp_path):
    samples, _ = perfect_samples()
    dump = DumpDetResults(out_file_path=str(tmp_path / 'out.pkl'))
    dump.process({}, [sample.to_dict() for sample in samples])
    dump.evaluate(size=len(samples))
    written = pickle.loads((tmp_path / 'out.pkl').read_bytes())
    for sample, result in zip(samples, written, strict=True):
        masks = result['pred_instances']['masks']
        assert type(masks) is list and {type(mask) for mask in masks} <= {dict}
        assert masks == [dict(mask) for mask in sample.pred_instances.masks]


@pytest.mark.parametrize('threshold', [0.3, 0.95])
def test_visualizer_draws_what_is_above_the_threshold(threshold):
    sample = perfect_samples()[0][0]
    image = np.full((*sample.ori_shape, 3), 128, dtype=np.uint8)
    visualizer = DetLocalVisualizer()
    visualizer.dataset_meta = dict(classes=[str(i) for i in range(80)], palette='random')
    visualizer.add_datasample('a', image, sample, draw_gt=False, pred_score_thr=threshold)
    changed = (visualizer.get_image() != 128).any(-1)
    union = sample.pred_instances.masks.to_ndarray().any(0)
    assert changed[union].mean() > 0.9 if threshold < 0.9 else not changed.any()


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Weights of an untrained model with biases that let boxes through."""
    torch.manual_seed(0)
    model = init_detector(Config.fromfile(CONFIG), device='cpu')
    torch.nn.init.normal_(model.text_adapter.ffn.w3.weight, std=0.05)
    for bias in model.bbox_head.head_module.biases:
        torch.nn.init.constant_(bias, -3.0)
    for branch in model.bbox_head.head_module.coeff_branches:
        torch.nn.init.normal_(branch[-1].weight)
    path = tmp_path_factory.mktemp('weights') / 'mini-seg.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return str(path)


def test_inferencer_and_inference_detector(checkpoint, tmp_path):
    model = init_detector(CONFIG, checkpoint, device='cpu')
    text = dict(text_prompt='cat . dog', custom_entities=True)
    found = inference_detector(model, IMAGE, **text).pred_instances
    assert 0 < len(found.masks) == len(found) <= 300
    model.bbox_head.test_cfg.mask_format = 'dense'
    dense = inference_detector(model, IMAGE, **text).pred_instances
    height, width = found.masks.size
    assert dense.masks.shape == (len(dense), height, width) and dense.masks.any()
    np.testing.assert_array_equal(found.masks.to_ndarray(), dense.masks.numpy())
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing='ij')
    for box, mask in zip(dense.bboxes.tolist(), dense.masks, strict=True):
        inside = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
        assert not mask[~inside].any()

    inferencer = DetInferencer(model=CONFIG, weights=checkpoint, device='cpu', show_progress=False)
    for number in (5, 0):
        inferencer.model.bbox_head.test_cfg.max_per_img = number
        out = inferencer(
            IMAGE, texts='cat . dog', custom_entities=True, out_dir=str(tmp_path),
            no_save_pred=False, pred_score_thr=0.0)['predictions'][0]
        expected = [
            dict(mask, counts=mask['counts'].decode()) for mask in found.masks[:number]]
        assert out['masks'] == expected and len(expected) == number
        written = json.loads((tmp_path / 'preds' / f'{Path(IMAGE).stem}.json').read_text())
        assert written['masks'] == expected
    assert (tmp_path / 'vis' / Path(IMAGE).name).is_file()
