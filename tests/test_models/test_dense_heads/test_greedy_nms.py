"""NMS of a batch on its device against one image, one box after the other."""

import pytest
import torch

from expalign.models.dense_heads import greedy_nms as module
from expalign.models.dense_heads.class_wise_nms import class_wise_nms
from expalign.models.dense_heads.greedy_nms import greedy_nms
from tests.test_models.test_dense_heads.test_class_wise_nms import NMS, make_boxes


def batch_of(count, classes, seeds, **options):
    """Boxes (B, n, 4), labels (B, n) and how many of each image are real (B, n)."""
    boxes, _, labels = (torch.stack(x) for x in zip(
        *(make_boxes(count, classes, seed, **options) for seed in seeds), strict=True))
    lengths = torch.tensor([count - 40 * i for i in range(len(seeds))])
    return boxes, labels, torch.arange(count) < lengths[:, None]


def one_by_one(boxes, labels, valid, limit, agnostic=False):
    scores = torch.linspace(1, 0.5, int(valid.sum()))
    nms = dict(NMS, class_agnostic=agnostic)
    return class_wise_nms(boxes[valid], scores, labels[valid], nms, limit).tolist()


@pytest.mark.parametrize('block', [64, 150, 1536])
@pytest.mark.parametrize('limit', [1, 20, 1000])
@pytest.mark.parametrize('classes', [1, 5, 1203])
def test_equals_one_image_after_the_other(monkeypatch, classes, limit, block):
    monkeypatch.setattr(module, 'BLOCK', block)
    boxes, labels, valid = batch_of(400, classes, (0, 1, 2))
    kept, settled = greedy_nms(boxes, labels, valid, 0.7, limit, block)
    assert settled.all()
    for image in range(3):
        found = kept[image].nonzero()[:, 0][:limit].tolist()
        assert found == one_by_one(boxes[image], labels[image], valid[image], limit)


def test_equal_boxes_and_overlaps_of_the_threshold_itself():
    """Of equal boxes the first stays; an IoU of exactly the threshold suppresses nothing."""
    a, b = [0., 0., 8., 8.], [0., 0., 8., 4.]  # IoU 0.5
    boxes = torch.tensor([[a, a, b, a, b], [b, a, b, a, a]])
    labels = torch.tensor([[0, 0, 0, 1, 0], [2, 2, 2, 2, 3]])
    valid = torch.ones(2, 5, dtype=torch.bool)
    kept, _ = greedy_nms(boxes, labels, valid, 0.5, 5, 5)
    assert kept.tolist() == [[True, False, True, True, False], [True, True, False, False, True]]
    kept, _ = greedy_nms(boxes, labels, valid, 0.49, 5, 5)
    assert kept.tolist() == [[True, False, False, True, False], [True, False, False, False, True]]


def test_classes_may_compete_and_boxes_may_have_no_area():
    boxes, labels, valid = batch_of(200, 5, (3,))
    boxes[0, 50:60, 2:] = boxes[0, 50:60, :2]
    kept, _ = greedy_nms(boxes, None, valid, 0.7, 50, 200)
    found = kept[0].nonzero()[:, 0][:50].tolist()
    assert found == one_by_one(boxes[0], labels[0], valid[0], 50, agnostic=True)


def test_a_long_chain_takes_its_rounds():
    """Boxes that each overlap the next alone: every other one stays, known after 40 rounds."""
    left = torch.arange(40)[:, None] * 2.0
    boxes = torch.cat([left, left * 0, left + 10, left * 0 + 10], 1)[None]  # IoU 8 / 12, 6 / 14
    valid = torch.ones(1, 40, dtype=torch.bool)
    kept, settled = greedy_nms(boxes, None, valid, 0.6, 40, 8)
    assert not settled.any()
    kept, settled = greedy_nms(boxes, None, valid, 0.6, 40, 41)
    assert settled.all() and kept[0].tolist() == [True, False] * 20


def test_a_large_batch_is_cut_into_parts(monkeypatch):
    boxes, labels, valid = batch_of(100, 5, (0, 1, 2, 3, 4), objects=5)
    whole, _ = greedy_nms(boxes, labels, valid, 0.7, 30, 100)
    monkeypatch.setattr(module, 'LARGEST_TEMPORARY', 2 * 4 * 100**2)
    for own in (labels, None):
        kept, settled = greedy_nms(boxes, own, valid, 0.7, 30, 100)
        assert kept.shape == (5, 100) and settled.all()
    kept, _ = greedy_nms(boxes, labels, valid, 0.7, 30, 100)
    assert torch.equal(kept, whole)
