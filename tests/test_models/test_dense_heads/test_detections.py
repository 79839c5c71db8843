"""Detections of a batch: the same through every look, on either path, and how often it waits."""

import numpy as np
import pytest
import torch

from expalign.models.dense_heads import class_wise_nms, detections
from expalign.structures.letterbox import letterbox_frames

CONFIG = dict(score_thr=0.001, nms_pre=600, max_per_img=30, nms=dict(
    type='nms', iou_threshold=0.7))


def find_detections(logits, boxes, masks, config, metas):
    """The first attempt and what follows."""
    frames = None if metas is None else letterbox_frames(metas, boxes)
    attempt = detections.first_attempt(logits, boxes, masks, config, frames)
    return detections.find_detections(attempt, masks, config, frames)


def scene(images, prompts=6, priors=252, seed=0):
    """Logits (B, K, N) and boxes (B, N, 4) in clusters, so that NMS has something to do."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(images, 9, 2, generator=generator) * 80
    owners = torch.randint(9, (images, priors, 1), generator=generator).expand(-1, -1, 2)
    corners = centres.gather(1, owners) + torch.rand(images, priors, 2, generator=generator) * 3
    sides = 14 + torch.rand(images, priors, 2, generator=generator) * 4
    logits = torch.randn(images, prompts, priors, generator=generator) * 2 - 4
    return logits.half().float(), torch.cat([corners, corners + sides], 2)  # with ties


def reference(logits, boxes, masks, config, size):
    """Today's steps written plainly: threshold, stable sort, NMS of each class, cut, clip."""
    kept = []
    scores = logits.sigmoid()
    order = torch.where(masks[:, None], logits, -torch.inf).flatten().sort(
        descending=True, stable=True).indices[:config['nms_pre']]
    for place in order.tolist():
        label, prior = divmod(place, logits.shape[1])
        if not masks[label] or scores[label, prior] <= config['score_thr']:
            continue
        if all(other != label or iou(boxes[prior], boxes[rival]) <= 0.7 for other, rival in kept):
            kept.append((label, prior))
        if len(kept) == config['max_per_img']:
            break
    limit = torch.tensor([size[1], size[0]] * 2)
    return [(label, prior, scores[label, prior].item(),
             torch.minimum(boxes[prior].clamp(min=0), limit).tolist()) for label, prior in kept]


def iou(a, b):
    inner = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    return inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner)


@pytest.mark.parametrize('rounds', [(16, 128, 1536), (1, 2, 300)])
@pytest.mark.parametrize('device_path', [False, True])
@pytest.mark.parametrize('limit', [3, 30, 100])
def test_equals_the_plain_steps(monkeypatch, limit, device_path, rounds):
    monkeypatch.setattr(class_wise_nms, 'on_gpu', lambda boxes: device_path)
    monkeypatch.setattr(detections, 'ROUNDS', rounds)
    logits, boxes = scene(3)
    logits[1] -= 7.5  # an image with few candidates
    masks = torch.ones(3, 6, dtype=torch.bool)
    masks[2, :3] = False
    config = dict(CONFIG, max_per_img=limit)
    metas = [dict(ori_shape=(70, 60), scale_factor=(1.0, 1.0))] * 3
    found = find_detections(logits, boxes, masks, config, metas)
    for image, instances in enumerate(found.instances()):
        expected = reference(logits[image], boxes[image], masks[image], config, (70, 60))
        assert len(instances) == len(expected) == found.counts[image]
        labels, priors, scores, corners = zip(*expected, strict=True)
        assert instances.labels.tolist() == list(labels)
        assert found.priors[image, :len(expected)].tolist() == list(priors)
        torch.testing.assert_close(instances.scores, torch.tensor(scores))
        assert instances.bboxes.tolist() == list(corners)
    assert found.counts[1] < limit or limit == 3


def test_a_look_further_is_made_where_few_boxes_stay(monkeypatch):
    looks = []
    select = detections.select_candidates
    monkeypatch.setattr(detections, 'select_candidates', lambda *args: (
        looks.append(args[3]), select(*args))[1])
    logits, boxes = scene(2)
    boxes[1] = boxes[1, :1]  # all boxes of an image are one
    found = find_detections(
        logits, boxes, torch.ones(2, 6, dtype=torch.bool), dict(CONFIG, nms_pre=1000), None)
    assert looks == [120, 480, 1000]
    assert found.counts == [30, 6]


def test_results_do_not_hold_the_batch():
    logits, boxes = scene(2)
    found = find_detections(logits, boxes, torch.ones(2, 6, dtype=torch.bool), CONFIG, None)
    for instances in found.instances():
        assert instances.bboxes.untyped_storage().nbytes() == instances.bboxes.nbytes
        assert instances.labels.dtype == torch.int64 and instances.scores.dtype == torch.float32


def test_soft_nms_sees_every_candidate():
    logits, boxes = scene(2)
    config = dict(CONFIG, nms=dict(type='soft_nms', iou_threshold=0.3, min_score=0.05))
    found = find_detections(logits, boxes, torch.ones(2, 6, dtype=torch.bool), config, None)
    assert all(count == 30 for count in found.counts)
    assert np.isfinite(found.fetched).all()
