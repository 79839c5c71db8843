"""The assigner gives mmyolo's targets, and every foreground prior once among its candidates."""

import pytest
import torch
from mmyolo.models.task_modules import BatchTaskAlignedAssigner

from expalign.models.task_modules import TaskAlignedAssigner
from tests.helpers.dispatch_counts import count

SETTINGS = dict(topk=10, alpha=0.5, beta=6.0, eps=1e-9)
TARGETS = ('assigned_bboxes', 'assigned_scores', 'fg_mask_pre_prior')


def case(seed, images=3, instances=7, prompts=5, size=96, crowded=False):
    """Predictions near the instances, which overlap; the second image has fewer."""
    gen = torch.Generator().manual_seed(seed)
    priors = torch.cat([
        torch.stack([*torch.meshgrid(*[(torch.arange(size // s) + 0.5) * s] * 2, indexing='xy'),
                     torch.full((size // s,) * 2, float(s))], -1).flatten(0, 1)
        for s in (8, 16, 32)])
    spread = 0.2 if crowded else 0.7
    low = torch.rand(images, instances, 2, generator=gen) * spread * size
    gt_boxes = torch.cat([low, low + 6 + torch.rand(low.shape, generator=gen) * size / 2], 2)
    real = torch.ones(images, instances, 1)
    real[1, 2:] = 0
    gt_boxes = gt_boxes * real
    labels = torch.randint(prompts, (images, instances, 1), generator=gen) * real.long()
    nearest = torch.cdist(priors[:, :2], (gt_boxes[..., :2] + gt_boxes[..., 2:]) / 2).argmin(2)
    boxes = gt_boxes.gather(1, nearest[..., None].expand(-1, -1, 4))
    boxes = boxes + torch.randn(boxes.shape, generator=gen) * 5
    boxes[..., 2:] = boxes[..., 2:].maximum(boxes[..., :2] + 1)
    scores = torch.rand(images, len(priors), prompts, generator=gen)
    return boxes, scores, priors, labels, gt_boxes, real


@pytest.mark.parametrize('use_ciou', [True, False])
@pytest.mark.parametrize('crowded', [True, False])
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_targets_are_those_of_mmyolo(seed, crowded, use_ciou, dtype, tolerance):
    args = [part.to(dtype) if part.is_floating_point() else part
            for part in case(seed, crowded=crowded)]
    theirs = BatchTaskAlignedAssigner(num_classes=5, use_ciou=use_ciou, **SETTINGS)
    expected = theirs(*args)
    found = TaskAlignedAssigner.like(theirs)(*args)
    foreground = found['fg_mask_pre_prior']
    assert foreground.any(1).all() and not foreground.all()
    torch.testing.assert_close(
        {name: found[name] for name in TARGETS}, {name: expected[name] for name in TARGETS},
        rtol=tolerance, atol=0)
    assert torch.equal(found['assigned_labels'], expected['assigned_labels'])
    # The instance of each prior, and every foreground prior once in the list.
    boxes = args[4].gather(1, found['assigned_instances'][..., None].expand(-1, -1, 4))
    assert torch.equal(boxes, found['assigned_bboxes'])
    for image in range(3):
        listed = found['candidates'][image, found['chosen'][image]]
        assert listed.sort().values.tolist() == foreground[image].nonzero()[:, 0].tolist()


def test_nothing_to_assign():
    """One image of padding alone."""
    boxes, scores, priors, labels, gt_boxes, real = case(0)
    found = TaskAlignedAssigner(**SETTINGS)(
        boxes, scores, priors, labels * 0, gt_boxes * 0, real * 0)
    assert not found['fg_mask_pre_prior'].any() and not found['chosen'].any()
    assert not found['assigned_scores'].any()


def test_fewer_priors_than_topk():
    boxes, scores, priors, labels, gt_boxes, real = case(0)
    found = TaskAlignedAssigner(**SETTINGS)(
        boxes[:, -9:], scores[:, -9:], priors[-9:], labels, gt_boxes, real)
    assert found['candidates'].shape == (3, 7 * 9)


def test_no_wait():
    assigner, args = TaskAlignedAssigner(use_ciou=True, **SETTINGS), case(0)
    assert not count(lambda: assigner(*args)).waits
