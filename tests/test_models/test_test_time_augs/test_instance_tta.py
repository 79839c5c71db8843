"""Views that differ by flips only give the predictions of one of them."""

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from expalign.models.test_time_augs import InstanceTTAModel
from expalign.structures.rle_masks import RLEMasks

DetTTAModel = InstanceTTAModel.__base__
SIZE = (40, 60)
BOXES = torch.tensor([[2., 4., 20., 30.], [30., 6., 55., 36.], [3., 20., 11., 38.]])
LABELS = torch.tensor([1, 0, 1])
NAMES = ['dog', 'cat', 'dog']
DIRECTIONS = ['horizontal', 'vertical', 'diagonal']
AXES = dict(horizontal=[1], vertical=[0], diagonal=[0, 1])


def make_masks() -> np.ndarray:
    """A mask inside each box that no flip maps to itself: the upper left corner is cut away."""
    masks = np.zeros((len(BOXES), *SIZE), dtype=bool)
    for mask, (x1, y1, x2, y2) in zip(masks, BOXES.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
        mask[y1:y1 + 5, x1:x1 + 3] = False
    return masks


def view(direction=None, scores=(.9, .8, .7), mask_format=None, rows=slice(None)):
    boxes = BOXES if direction is None else bbox_flip(BOXES, SIZE, direction)
    sample = DetDataSample(metainfo=dict(
        img_id=3, ori_shape=SIZE, flip=direction is not None, flip_direction=direction))
    fields = dict(bboxes=boxes[rows], scores=torch.tensor(scores)[rows], labels=LABELS[rows],
                  label_names=NAMES[rows])
    if mask_format is not None:
        masks = np.stack([np.flip(m, AXES.get(direction, [])) for m in make_masks()])[rows]
        rles = [coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in masks]
        fields['masks'] = (
            RLEMasks(rles, SIZE) if mask_format == 'rle' else torch.from_numpy(masks.copy()))
    sample.pred_instances = InstanceData(**fields)
    return sample


class Detector(torch.nn.Module):
    """As much of a model as the wrapper asks for."""

    def test_step(self, data):
        return data


def tta(kind=InstanceTTAModel, max_per_img=10):
    settings = dict(nms=dict(type='nms', iou_threshold=0.7), max_per_img=max_per_img)
    return kind(module=Detector(), tta_cfg=ConfigDict(settings))


def test_limits_that_are_not_given_are_the_model_s():
    model = Detector()
    model.bbox_head = torch.nn.Module()
    model.bbox_head.test_cfg = ConfigDict(
        nms=dict(type='nms', iou_threshold=0.6), max_per_img=20, score_thr=0.1)
    assert InstanceTTAModel(module=model).tta_cfg == dict(
        nms=dict(type='nms', iou_threshold=0.6), max_per_img=20)
    assert InstanceTTAModel(module=model, tta_cfg=dict(max_per_img=7)).tta_cfg.max_per_img == 7


@pytest.mark.parametrize('direction', DIRECTIONS)
@pytest.mark.parametrize('mask_format', ['rle', 'dense'])
def test_masks_are_flipped_back_with_their_boxes(direction, mask_format):
    # Of each instance the view with the higher score stays.
    views = [view(direction, (.95, .3, .85), mask_format), view(None, (.9, .8, .7), mask_format)]
    (merged,) = tta().merge_preds([views])
    assert not merged.flip
    found = merged.pred_instances
    torch.testing.assert_close(found.scores, torch.tensor([.95, .85, .8]))
    torch.testing.assert_close(found.bboxes, BOXES[[0, 2, 1]])
    assert found.labels.tolist() == [1, 1, 0]
    assert found.label_names == ['dog', 'dog', 'cat']
    masks = found.masks.to_ndarray() if mask_format == 'rle' else found.masks.numpy()
    np.testing.assert_array_equal(masks, make_masks()[[0, 2, 1]])


def test_boxes_are_those_of_mmdet():
    scores = (.5, .9, .2), (.6, .1, .3)
    results = [
        tta(kind, max_per_img=2).merge_preds([[view('horizontal', scores[0]),
                                               view(None, scores[1])]])[0].pred_instances
        for kind in (InstanceTTAModel, DetTTAModel)]
    for name in ('bboxes', 'scores', 'labels'):
        torch.testing.assert_close(results[0][name], results[1][name])
    assert len(results[0]) == 2


@pytest.mark.parametrize('mask_format', ['rle', 'dense', None])
def test_nothing_found(mask_format):
    views = [view('horizontal', mask_format=mask_format, rows=slice(0, 0)),
             view(mask_format=mask_format, rows=slice(0, 0))]
    (merged,) = tta().merge_preds([views])
    assert len(merged.pred_instances.bboxes) == 0
    if mask_format:
        assert len(merged.pred_instances.masks) == 0
