"""NMS down to a number of boxes against NMS of each class alone, over everything."""

import pytest
import torch

from expalign.models.dense_heads.class_wise_nms import class_wise_nms

NMS = dict(type='nms', iou_threshold=0.7)


def make_boxes(count, classes, seed, objects=20, spread=3.0):
    """Clusters of boxes around a few places, sorted by falling score."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(objects, 2, generator=generator) * 600
    own = torch.randint(objects, (count,), generator=generator)
    corners = centres[own] + torch.randn(count, 2, generator=generator) * spread
    sides = 12 + torch.rand(count, 2, generator=generator) * 30
    scores = torch.rand(count, generator=generator).sort(descending=True).values
    labels = torch.randint(classes, (count,), generator=generator)
    return torch.cat([corners, corners + sides], 1), scores, labels


def reference(boxes, scores, labels, limit):
    """Each class by itself, in float64, without any shift."""
    boxes, kept = boxes.double(), []
    for i in range(len(boxes)):
        rivals = [j for j in kept if labels[j] == labels[i]]
        if all(iou(boxes[i], boxes[j]) <= NMS['iou_threshold'] for j in rivals):
            kept.append(i)
    return kept[:limit]


def iou(a, b):
    inner = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    return inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner)


@pytest.mark.parametrize(('classes', 'seed'), [(1, 0), (5, 1), (1203, 2)])
@pytest.mark.parametrize('limit', [1, 20, 1000])
def test_each_class_by_itself(classes, seed, limit):
    boxes, scores, labels = make_boxes(300, classes, seed)
    found = class_wise_nms(boxes, scores, labels, NMS, limit)
    assert found.tolist() == reference(boxes, scores, labels, limit)


def test_looks_further_where_few_boxes_stay():
    """399 copies of one box, and below them the second box that is wanted."""
    boxes = torch.tensor([[5., 5., 20., 20.]] * 399 + [[50., 50., 70., 70.]])
    scores = torch.linspace(1, .5, 400)
    found = class_wise_nms(boxes, scores, torch.full((400,), 7), NMS, 2)
    assert found.tolist() == [0, 399]


def test_small_boxes_of_the_last_of_many_classes():
    """Overlaps just above and below the threshold, where a shift of 1,202 images blurs them."""
    # Two boxes of width 9 shifted by d have IoU (9 - d) / (9 + d): 0.7 at d = 1.588.
    for shift, stay in ((1.57, 1), (1.61, 2)):
        boxes = torch.tensor([[600., 600., 609., 609.], [600. + shift, 600., 609. + shift, 609.]])
        labels = torch.full((2,), 1202)
        far = torch.tensor([[0., 0., 640., 640.]])
        labels_of_three = torch.cat([labels, labels[:1] - 5])
        found = class_wise_nms(
            torch.cat([boxes, far]), torch.tensor([.9, .8, .1]), labels_of_three, NMS, 10)
        assert len(found) == stay + 1


def test_classes_may_compete():
    boxes, scores, labels = make_boxes(200, 5, 3)
    found = class_wise_nms(boxes, scores, labels, dict(NMS, class_agnostic=True), 50)
    assert found.tolist() == reference(boxes, scores, torch.zeros_like(labels), 50)


def test_no_boxes():
    empty = class_wise_nms(
        torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long), NMS, 5)
    assert empty.tolist() == [] and empty.dtype == torch.long
