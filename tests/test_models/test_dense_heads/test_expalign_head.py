"""The head: logits, losses against a reference written from the formulas, any number of prompts."""

import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import nn

from expalign.models.dense_heads import ExpAlignHead
from expalign.models.layers import fold_tokens, folded_alignment
from expalign.models.necks import EAHOutput

STRIDES = (8, 16, 32)


def make_head(channels=(16, 16, 16)):
    torch.manual_seed(0)
    return ExpAlignHead(
        head_module=dict(type='expalign.ExpAlignHeadModule', in_channels=list(channels)),
        train_cfg=ConfigDict(assigner=dict(
            type='mmyolo.BatchTaskAlignedAssigner', num_classes=80, use_ciou=True, topk=10,
            alpha=0.5, beta=6.0, eps=1e-9)),
        test_cfg=ConfigDict(
            multi_label=True, nms_pre=30000, score_thr=0.001,
            nms=dict(type='nms', iou_threshold=0.7), max_per_img=300))


def random_maps(batch, prompts, size=96, dtype=torch.float32, seed=0):
    gen = torch.Generator().manual_seed(seed)
    logits = [torch.randn(batch, prompts, size // s, size // s, generator=gen, dtype=torch.float64)
              for s in STRIDES]
    dists = [torch.randn(batch, 64, size // s, size // s, generator=gen, dtype=torch.float64)
             for s in STRIDES]
    return [x.to(dtype) for x in logits], [x.to(dtype) for x in dists]


def truth(boxes, labels):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long))


def test_logits_are_scaled_and_shifted_maps():
    head = make_head()
    module = head.head_module
    eams = [torch.randn(2, 3, 4, 4) for _ in STRIDES]
    logits, dists = module([torch.randn(2, 16, 4, 4) for _ in STRIDES], eams)
    for level, stride in enumerate(STRIDES):
        prior = math.log(5 / 80 / (640 / stride)**2)
        torch.testing.assert_close(logits[level], eams[level] * math.exp(0.07) + prior)
        assert dists[level].shape == (2, 64, 4, 4)


@torch.no_grad()
def test_logits_of_a_table_are_those_of_its_maps():
    head = make_head().double()
    head.head_module.logit_scales[1].fill_(-0.4)
    levels = [(nn.Conv2d(6, 5, 1).double(), nn.BatchNorm2d(5).double()) for _ in STRIDES]
    masks = torch.tensor([[True, True], [True, False], [False, False]])
    table = head.head_module.fold(fold_tokens(levels, torch.randn(3, 2, 5).double(), masks))
    hidden = [torch.randn(2, 6, 4, 4).double() for _ in STRIDES]
    pyramid = tuple(torch.randn(2, 16, 4, 4).double() for _ in STRIDES)
    maps = folded_alignment(hidden, table)
    found = head(EAHOutput(pyramid, maps, ()))
    expected = head(EAHOutput(pyramid, tuple(maps), ()))
    for a, b in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_box_branch_parameters_by_hand():
    # Per level C x 64 x 9 + 64 x 64 x 9 + 4 x 64 (norms) + 64 x 64 + 64; scale and bias.
    head = make_head((256, 512, 512))
    by_hand = sum(c * 64 * 9 + 64 * 64 * 9 + 4 * 64 + 64 * 64 + 64 for c in (256, 512, 512)) + 6
    assert sum(p.numel() for p in head.parameters()) == by_hand == 861_126


def reference_losses(head, logits, dists, prompt_masks, instances):
    """YOLOv8's losses written from their formulas, one image and one prior at a time."""
    points, cells, flat_logits, flat_dists = [], [], [], []
    for logit, dist, stride in zip(logits, dists, STRIDES, strict=True):
        height, width = logit.shape[2:]
        for y in range(height):
            for x in range(width):
                points.append(((x + 0.5) * stride, (y + 0.5) * stride))
                cells.append(stride)
                flat_logits.append(logit[:, :, y, x])
                flat_dists.append(dist[:, :, y, x])
    points = torch.tensor(points, dtype=logits[0].dtype)
    cells = torch.tensor(cells, dtype=logits[0].dtype)
    cls = torch.stack(flat_logits, 1)  # (B, N, K)
    dist = torch.stack(flat_dists, 1).unflatten(-1, (4, 16))  # (B, N, 4, 16)
    sides = (dist.softmax(-1) * torch.arange(16)).sum(-1) * cells[:, None]
    boxes = torch.stack(
        [points[:, 0] - sides[..., 0], points[:, 1] - sides[..., 1],
         points[:, 0] + sides[..., 2], points[:, 1] + sides[..., 3]], -1)
    total = dict(cls=0.0, box=0.0, dfl=0.0)
    score_sum = 0.0
    for b, gt in enumerate(instances):
        target = torch.zeros_like(cls[b])
        for n, g, score in reference_assignment(boxes[b], cls[b].sigmoid(), points, gt):
            target[n, gt.labels[g]] = score
            score_sum += score
            box = gt.bboxes[g].to(boxes.dtype)
            total['box'] += score * (1 - ciou(boxes[b, n], box))
            goal = torch.stack(
                [points[n, 0] - box[0], points[n, 1] - box[1],
                 box[2] - points[n, 0], box[3] - points[n, 1]]) / cells[n]
            goal = goal.clamp(0, 15 - 0.01)
            low = goal.floor().long()
            log_p = dist[b, n].log_softmax(-1)
            side = torch.arange(4)
            nll = -(log_p[side, low] * (low + 1 - goal) + log_p[side, low + 1] * (goal - low))
            total['dfl'] += score * nll.mean()
        bce = torch.nn.functional.binary_cross_entropy_with_logits(
            cls[b], target, reduction='none')
        total['cls'] += bce[:, prompt_masks[b]].sum()
    norm = max(float(score_sum), 1.0)
    images = len(instances)
    return dict(
        loss_cls=0.5 * total['cls'] / norm * images,
        loss_bbox=7.5 * total['box'] / norm * images,
        loss_dfl=1.5 * total['dfl'] / norm * images)


def ciou(a, b):
    """Complete IoU of two boxes (Zheng et al., 2020)."""
    inter = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    size_a, size_b = a[2:] - a[:2], b[2:] - b[:2]
    iou = inter / (size_a.prod() + size_b.prod() - inter)
    hull = torch.maximum(a[2:], b[2:]) - torch.minimum(a[:2], b[:2])
    rho = (((a[:2] + a[2:]) - (b[:2] + b[2:])) / 2).square().sum()
    v = 4 / math.pi**2 * (
        torch.atan(size_b[0] / size_b[1]) - torch.atan(size_a[0] / size_a[1]))**2
    return iou - rho / hull.square().sum() - (v / (1 - iou + v)).detach() * v


def reference_assignment(boxes, scores, points, gt):
    """Task-aligned assignment (TOOD): (prior, instance, soft score) of every positive."""
    num = len(gt.bboxes)
    if not num:
        return []
    overlap = torch.stack([
        torch.stack([ciou(box, g.to(boxes.dtype)).clamp(min=0) for box in boxes])
        for g in gt.bboxes])
    metric = scores[:, gt.labels].T.sqrt() * overlap.pow(6)
    inside = torch.stack([
        (points[:, 0] - g[0] > 1e-9) & (points[:, 1] - g[1] > 1e-9)
        & (g[2] - points[:, 0] > 1e-9) & (g[3] - points[:, 1] > 1e-9) for g in gt.bboxes])
    chosen = torch.zeros_like(inside)
    for g in range(num):
        top = (metric[g] * inside[g]).topk(10).indices
        chosen[g, top] = inside[g, top]
    crowded = chosen.sum(0) > 1
    winner = overlap.argmax(0)
    for n in crowded.nonzero()[:, 0]:
        chosen[:, n] = False
        chosen[winner[n], n] = True
    result = []
    for g in range(num):
        mine = chosen[g].nonzero()[:, 0]
        if len(mine):
            factor = overlap[g, mine].max() / (metric[g, mine].max() + 1e-9)
            result += [(n, g, (metric[g, n] * factor).detach()) for n in mine]
    return result


def test_losses_equal_the_formulas():
    head = make_head()
    logits, dists = random_maps(2, 5, dtype=torch.float64)
    instances = [
        truth([[10, 12, 60, 70], [30, 30, 90, 84]], [1, 4]), truth([[5, 5, 40, 40]], [0])]
    masks = torch.tensor([[True] * 5, [True, True, False, True, False]])
    ours = head.loss_by_feat(logits, dists, masks, instances)
    reference = reference_losses(head, logits, dists, masks, instances)
    for name, value in reference.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-6)


def test_padded_prompts_get_no_gradient_and_no_prediction():
    head = make_head()
    logits, dists = random_maps(1, 4)
    logits = [x.requires_grad_() for x in logits]
    masks = torch.tensor([[True, False, True, False]])
    losses = head.loss_by_feat(logits, dists, masks, [truth([[10, 12, 60, 70]], [2])])
    sum(losses.values()).backward()
    for x in logits:
        assert x.grad[:, [1, 3]].abs().max() == 0
        assert x.grad[:, [0, 2]].abs().max() > 0
    result = head.predict_by_feat(
        logits, dists, masks, [dict(ori_shape=(96, 96), scale_factor=(1.0, 1.0))])[0]
    assert set(result.labels.tolist()) == {0, 2}


def test_batch_without_instances_has_a_graph_and_finite_losses():
    head = make_head()
    logits, dists = random_maps(2, 3)
    dists = [x.requires_grad_() for x in dists]
    losses = head.loss_by_feat(
        logits, dists, torch.ones(2, 3, dtype=torch.bool), [truth([], []), truth([], [])])
    assert losses['loss_bbox'] == 0 and losses['loss_dfl'] == 0
    assert losses['loss_cls'] > 0
    (losses['loss_bbox'] + losses['loss_dfl']).backward()
    assert dists[0].grad is not None


def test_copies_of_an_image_double_the_losses():
    head = make_head()
    logits, dists = random_maps(1, 3, size=288)
    # Boxes that many cells predict well, so that the normaliser is not at its lower bound of one.
    dists = [torch.zeros_like(x) for x in dists]
    gt = truth([[24, 24, 264, 264]], [2])
    masks = torch.ones(1, 3, dtype=torch.bool)
    one = head.loss_by_feat(logits, dists, masks, [gt])
    two = head.loss_by_feat(
        [x.expand(2, -1, -1, -1) for x in logits], [x.expand(2, -1, -1, -1) for x in dists],
        masks.expand(2, -1), [gt, gt])
    for name in one:
        torch.testing.assert_close(two[name], 2 * one[name])


@pytest.mark.parametrize('size', [416, 640])
@pytest.mark.parametrize('prompts', [1, 7, 40, 80, 81, 1203])
def test_any_number_of_prompts(prompts, size):
    head = make_head()
    last = prompts - 1
    logits = [torch.full((1, prompts, size // s, size // s), -20.0) for s in STRIDES]
    dists = [torch.zeros(1, 64, size // s, size // s) for s in STRIDES]
    # One confident cell of stride 16 at row 3, column 5, every side at 4 cells.
    logits[1][0, last, 3, 5] = 4.0
    for side in range(4):
        dists[1][0, side * 16 + 4, 3, 5] = 50.0
    meta = dict(
        ori_shape=(size // 2, size // 2), scale_factor=(2.0, 2.0), pad_param=(0, 0, 0, 0))
    masks = torch.ones(1, prompts, dtype=torch.bool)
    result = head.predict_by_feat(logits, dists, masks, [meta])[0]
    assert result.labels.tolist() == [last]
    torch.testing.assert_close(result.scores, torch.tensor([4.0]).sigmoid())
    # Centre (88, 56) in the input, 64 px to each side, halved and clipped at the border.
    torch.testing.assert_close(result.bboxes, torch.tensor([[12.0, 0.0, 76.0, 60.0]]))
    losses = head.loss_by_feat(logits, dists, masks, [truth([[24, 4, 152, 120]], [last])])
    assert all(torch.isfinite(value) for value in losses.values())


def test_letterbox_is_undone():
    head = make_head()
    logits, dists = random_maps(1, 1)
    masks = torch.ones(1, 1, dtype=torch.bool)
    plain = dict(ori_shape=(96, 96), scale_factor=(1.0, 1.0), pad_param=(0, 0, 0, 0))
    boxed = dict(ori_shape=(200, 200), scale_factor=(0.5, 0.5), pad_param=(6, 6, 10, 10))
    a = head.predict_by_feat(logits, dists, masks, [plain], rescale=False)[0]
    b = head.predict_by_feat(logits, dists, masks, [boxed])[0]
    expected = (a.bboxes - torch.tensor([10.0, 6.0, 10.0, 6.0])) * 2
    torch.testing.assert_close(b.bboxes, expected.clamp(0, 200), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(a.scores, b.scores)


def test_half_precision_maps_are_scored_in_float32():
    head = make_head()
    logits, dists = random_maps(1, 3, dtype=torch.bfloat16)
    masks = torch.ones(1, 3, dtype=torch.bool)
    gt = [truth([[10, 12, 60, 70]], [2])]
    half = head.loss_by_feat(logits, dists, masks, gt)
    full = head.loss_by_feat([x.float() for x in logits], [x.float() for x in dists], masks, gt)
    for name in full:
        assert half[name].dtype is torch.float32
        torch.testing.assert_close(half[name], full[name])


def test_sums_are_divided_by_the_scores_of_all_processes(monkeypatch):
    """As if each of 4 processes had these images: the mean is the same, the batch is 4 times it."""
    head = make_head()
    logits, dists = random_maps(1, 3, size=288)
    dists = [torch.zeros_like(x) for x in dists]
    args = (logits, dists, torch.ones(1, 3, dtype=torch.bool), [truth([[24, 24, 264, 264]], [2])])
    alone = head.loss_by_feat(*args)
    module = 'expalign.models.dense_heads.expalign_head'
    monkeypatch.setattr(f'{module}.get_world_size', lambda: 4)
    four = head.loss_by_feat(*args)
    for name in alone:
        torch.testing.assert_close(four[name], 4 * alone[name])
    # Where the mean over processes is four times what this one assigns.
    monkeypatch.setattr(f'{module}.reduce_mean', lambda total: total * 4)
    uneven = head.loss_by_feat(*args)
    for name in alone:
        torch.testing.assert_close(uneven[name], alone[name])


def test_predictions_that_are_no_numbers_give_losses_that_are_none():
    """Training goes on until the log is written: nothing may index with them."""
    head = make_head()
    logits, dists = ([torch.full_like(x, float('nan')) for x in maps] for maps in random_maps(2, 3))
    gt = [truth([[10, 12, 60, 70]], [2]), truth([], [])]
    losses = head.loss_by_feat(logits, dists, torch.ones(2, 3, dtype=torch.bool), gt)
    assert losses['loss_cls'].isnan()
