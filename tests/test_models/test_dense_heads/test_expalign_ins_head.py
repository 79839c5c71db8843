"""The segmentation head: size, mask loss against a reference, instances without a mask, masks."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import PolygonMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from expalign.models.dense_heads import ExpAlignHead, ExpAlignInsHead
from expalign.structures.rle_masks import RLEMasks
from tests.test_models.test_dense_heads.test_mask_loss import reference_loss

STRIDES = (8, 16, 32)
SIZE = 96
TRAIN_CFG = ConfigDict(assigner=dict(
    type='mmyolo.BatchTaskAlignedAssigner', num_classes=80, use_ciou=True, topk=10, alpha=0.5,
    beta=6.0, eps=1e-9))


def make_head(channels=(16, 16, 16), kind='Ins', **test_cfg):
    torch.manual_seed(0)
    head_class = dict(Ins=ExpAlignInsHead, Det=ExpAlignHead)[kind]
    module = dict(Ins='expalign.ExpAlignInsHeadModule', Det='expalign.ExpAlignHeadModule')[kind]
    return head_class(
        head_module=dict(type=module, in_channels=list(channels)),
        train_cfg=TRAIN_CFG,
        test_cfg=ConfigDict(dict(
            multi_label=True, nms_pre=30000, score_thr=0.001,
            nms=dict(type='nms', iou_threshold=0.7), max_per_img=20) | test_cfg))


def random_maps(batch=2, prompts=5, size=SIZE, dtype=torch.float32, seed=0):
    """Logits, distributions, coefficients of three levels, and prototypes."""
    gen = torch.Generator().manual_seed(seed)

    def maps(channels):
        return [torch.randn(batch, channels, size // s, size // s, generator=gen,
                            dtype=torch.float64).to(dtype) for s in STRIDES]

    prototypes = torch.randn(batch, 32, size // 4, size // 4, generator=gen, dtype=torch.float64)
    return maps(prompts), maps(64), maps(32), prototypes.to(dtype)


def middle(low, high):
    """A border between two cells near the middle, where no centre of a cell is."""
    return 4 * round((low + high) / 8)


def corner(box):
    """All of a box, and a little more, but its lower right quarter."""
    x1, y1, x2, y2 = box
    x, y = middle(x1, x2), middle(y1, y2)
    x1, y1, x2, y2 = x1 - 3, y1 - 3, x2 + 3, y2 + 3
    return [np.array([x1, y1, x2, y1, x2, y, x, y, x, y2, x1, y2], dtype=np.float32)]


def truth(boxes, labels, has_mask=None):
    instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
        masks=PolygonMasks([corner(box) for box in boxes], SIZE, SIZE))
    if has_mask is not None:
        instances.has_mask = torch.tensor(has_mask, dtype=torch.bool)
    return instances


BATCH = [([[10, 12, 60, 70], [30, 30, 90, 84]], [1, 4]), ([[5, 5, 40, 40]], [0])]
ALL_PROMPTS = torch.ones(2, 5, dtype=torch.bool)


def test_parameters_by_hand():
    """Prototypes: 3x3, transposed 2x2, 3x3, 1x1 from 256 by 256 to 32; coefficients: 64 wide."""
    prototypes = 2 * (256 * 256 * 9 + 2 * 256) + (256 * 256 * 4 + 256) + (256 * 32 + 2 * 32)
    coeffs = sum(
        c * 64 * 9 + 64 * 64 * 9 + 4 * 64 + 64 * 32 + 32 for c in (256, 512, 512))
    module = make_head((256, 512, 512)).head_module
    assert sum(p.numel() for p in module.prototype_branch.parameters()) == prototypes == 1_451_328
    assert sum(p.numel() for p in module.coeff_branches.parameters()) == coeffs == 854_880
    detection = make_head((256, 512, 512), kind='Det').head_module
    added = sum(p.numel() for p in module.parameters()) - sum(
        p.numel() for p in detection.parameters())
    assert added == prototypes + coeffs == 2_306_208


def test_coefficients_are_32_wide_on_narrow_pyramids():
    module = make_head((64, 96, 128)).head_module
    assert module.coeff_branches[0][0].conv.out_channels == 32


@pytest.mark.parametrize(('height', 'width'), [(64, 64), (32, 96)])
def test_maps(height, width):
    module = make_head().head_module
    pyramid = [torch.randn(2, 16, height // s, width // s) for s in STRIDES]
    eams = [torch.randn(2, 3, height // s, width // s) for s in STRIDES]
    logits, dists, coeffs, prototypes = module(pyramid, eams)
    for level, stride in enumerate(STRIDES):
        assert logits[level].shape == (2, 3, height // stride, width // stride)
        assert dists[level].shape == (2, 64, height // stride, width // stride)
        assert coeffs[level].shape == (2, 32, height // stride, width // stride)
    assert prototypes.shape == (2, 32, height // 4, width // 4)


def reference_mask_loss(head, maps, instances):
    """Gain x images x mean over the locations that the assigner gives to instances with masks."""
    logits, dists, coeffs, prototypes = maps
    _, targets = head._losses_and_targets(logits, dists, ALL_PROMPTS, instances)
    total, count = 0.0, 0
    for image, gt in enumerate(instances):
        flat = torch.cat([x[image].flatten(1).T for x in coeffs])  # (N, 32)
        for prior in targets['fg_mask_pre_prior'][image].nonzero()[:, 0].tolist():
            box = targets['assigned_bboxes'][image, prior].float()
            index = gt.bboxes.tolist().index(box.tolist())
            if 'has_mask' in gt and not gt.has_mask[index]:
                continue
            x1, y1, x2, y2 = box.tolist()
            mask = torch.tensor([[
                4 * x < middle(x1, x2) or 4 * y < middle(y1, y2) for x in range(SIZE // 4)]
                for y in range(SIZE // 4)])
            total += reference_loss(
                flat[[prior]], prototypes[image], mask[None], torch.tensor([0]), box[None] / 4)
            count += 1
    return 7.5 * len(instances) * total / max(count, 1), count


@pytest.mark.parametrize('has_mask', [
    (None, None), ([True, False], [True]), ([False, False], [True]), ([False, False], [False])])
def test_mask_loss_equals_the_formula(has_mask):
    head = make_head()
    maps = random_maps(dtype=torch.float64)
    instances = [truth(*gt, flag) for gt, flag in zip(BATCH, has_mask, strict=True)]
    expected, count = reference_mask_loss(head, maps, instances)
    assert (count > 0) == any(flag is None or any(flag) for flag in has_mask)
    losses = head.loss_by_feat(*maps, ALL_PROMPTS, instances)
    assert float(losses['loss_mask']) == pytest.approx(expected, rel=1e-5)


def test_instances_without_a_mask_count_for_boxes_and_classes_alone():
    head, detection = make_head(), make_head(kind='Det')
    maps = random_maps()
    without = [truth(*gt, [False] * len(gt[1])) for gt in BATCH]
    losses = head.loss_by_feat(*maps, ALL_PROMPTS, without)
    plain = detection.loss_by_feat(*maps[:2], ALL_PROMPTS, without)
    assert plain == {name: losses[name] for name in plain}
    assert losses['loss_mask'] == 0 and losses['loss_bbox'] > 0
    for instances in without:
        del instances.masks, instances.has_mask
    assert head.loss_by_feat(*maps, ALL_PROMPTS, without) == losses


def test_shape_of_a_placeholder_does_not_matter():
    head, maps = make_head(), random_maps()
    instances = [truth(*gt, flag) for gt, flag in zip(BATCH, ([True, False], [True]), strict=True)]
    before = head.loss_by_feat(*maps, ALL_PROMPTS, instances)
    instances[0].masks.masks[1] = [np.zeros(6)]
    assert head.loss_by_feat(*maps, ALL_PROMPTS, instances) == before


def test_no_mask_and_no_instance_leave_a_graph():
    head = make_head()
    for instances in ([truth(*gt, [False] * len(gt[1])) for gt in BATCH],
                      [truth([], []), truth([], [])]):
        logits, dists, coeffs, prototypes = random_maps()
        coeffs, prototypes = [x.requires_grad_() for x in coeffs], prototypes.requires_grad_()
        loss = head.loss_by_feat(
            logits, dists, coeffs, prototypes, ALL_PROMPTS, instances)['loss_mask']
        loss.backward()
        assert loss == 0
        assert all(x.grad is not None and not x.grad.any() for x in (*coeffs, prototypes))


def test_one_image_of_a_batch_without_masks():
    head, maps = make_head(), random_maps()
    alone = [x[:1] if isinstance(x, torch.Tensor) else [y[:1] for y in x] for x in maps]
    one = head.loss_by_feat(*alone, ALL_PROMPTS[:1], [truth(*BATCH[0])])
    two = head.loss_by_feat(*maps, ALL_PROMPTS, [truth(*BATCH[0]), truth([], [])])
    # The same mean over locations, times two images.
    torch.testing.assert_close(two['loss_mask'], 2 * one['loss_mask'])


def test_two_processes_compute_what_one_would(monkeypatch):
    """Each has one image; the mean of their losses is the loss of the batch of both."""
    head, maps = make_head(), random_maps()
    instances = [truth(*gt) for gt in BATCH]
    whole = head.loss_by_feat(*maps, ALL_PROMPTS, instances)['loss_mask']
    shares = [[x[i:i + 1] if isinstance(x, torch.Tensor) else [y[i:i + 1] for y in x]
               for x in maps] for i in range(2)]
    counts = []
    module = 'expalign.models.dense_heads.expalign_ins_head'
    monkeypatch.setattr(f'{module}.reduce_mean', lambda x: counts.append(x) or x)
    for share, gt in zip(shares, instances, strict=True):
        head.loss_by_feat(*share, ALL_PROMPTS[:1], [gt])
    assert len(set(map(float, counts))) == 2
    monkeypatch.setattr(f'{module}.reduce_mean', lambda x: sum(counts) / 2)
    monkeypatch.setattr(f'{module}.get_world_size', lambda: 2)
    parts = [head.loss_by_feat(*share, ALL_PROMPTS[:1], [gt])['loss_mask']
             for share, gt in zip(shares, instances, strict=True)]
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_gradients_reach_coefficients_of_foreground_and_prototypes_alone():
    head = make_head()
    logits, dists, coeffs, prototypes = random_maps()
    coeffs, prototypes = [x.requires_grad_() for x in coeffs], prototypes.requires_grad_()
    instances = [truth(*gt) for gt in BATCH]
    _, targets = head._losses_and_targets(logits, dists, ALL_PROMPTS, instances)
    head.loss_by_feat(
        logits, dists, coeffs, prototypes, ALL_PROMPTS, instances)['loss_mask'].backward()
    moved = torch.cat([x.grad.flatten(2).abs().sum(1) for x in coeffs], 1) > 0  # (B, N)
    assert torch.equal(moved, targets['fg_mask_pre_prior'].bool())
    assert prototypes.grad[1, :, 11:].abs().max() == 0  # below its only box, which ends at 40
    assert prototypes.grad[1, :, 2:9, 2:9].abs().min() > 0


def test_half_precision_maps_are_computed_in_float32():
    head = make_head()
    maps = random_maps(dtype=torch.bfloat16)
    instances = [truth(*gt) for gt in BATCH]
    full = [x.float() if isinstance(x, torch.Tensor) else [y.float() for y in x] for x in maps]
    with torch.autocast('cpu', torch.bfloat16):
        half_loss = head.loss_by_feat(*maps, ALL_PROMPTS, instances)['loss_mask']
    assert half_loss.dtype is torch.float32
    # Boxes decoded under autocast may change an assignment, masks must not add to it.
    with torch.autocast('cpu', torch.bfloat16):
        full_loss = head.loss_by_feat(*full, ALL_PROMPTS, instances)['loss_mask']
    torch.testing.assert_close(half_loss, full_loss)


METAS = [dict(ori_shape=(57, 91), scale_factor=(1.05, 1.05), pad_param=(18, 18, 0, 0)),
         dict(ori_shape=(131, 120), scale_factor=(0.73, 0.7325), pad_param=(0, 0, 4, 4))]


def test_masks_of_several_images_in_both_formats():
    maps = random_maps()
    encoded = make_head().predict_by_feat(*maps, ALL_PROMPTS, METAS)
    dense = make_head(mask_format='dense').predict_by_feat(*maps, ALL_PROMPTS, METAS)
    boxes = make_head(kind='Det').predict_by_feat(*maps[:2], ALL_PROMPTS, METAS)
    for a, b, c, meta in zip(encoded, dense, boxes, METAS, strict=True):
        assert len(a) == len(b) == len(c) == 20
        assert isinstance(a.masks, RLEMasks) and b.masks.dtype is torch.bool
        assert b.masks.shape == (20, *meta['ori_shape'])
        np.testing.assert_array_equal(a.masks.to_ndarray(), b.masks.numpy())
        for name in ('bboxes', 'scores', 'labels'):
            assert torch.equal(a[name], c[name]) and torch.equal(b[name], c[name])
        assert 0 < b.masks.float().mean() < 0.5


def test_masks_come_from_the_priors_of_their_boxes():
    """One cell per level predicts; its coefficients pick one prototype, a half plane each."""
    head = make_head(score_thr=0.5, mask_format='dense')
    logits = [torch.full((1, 2, SIZE // s, SIZE // s), -9.0) for s in STRIDES]
    dists = [torch.zeros(1, 64, SIZE // s, SIZE // s) for s in STRIDES]
    coeffs = [torch.zeros(1, 32, SIZE // s, SIZE // s) for s in STRIDES]
    prototypes = torch.zeros(1, 32, SIZE // 4, SIZE // 4)
    ramp = torch.arange(SIZE // 4) - 11.5
    prototypes[0, 0], prototypes[0, 1] = ramp[None, :], ramp[:, None]  # right half, lower half
    for level, (cell, prototype, sign) in enumerate((((6, 5), 0, 1.0), ((3, 2), 1, -1.0))):
        logits[level][0, level, cell[0], cell[1]] = 4.0 - level
        for side in range(4):
            dists[level][0, side * 16 + 2, cell[0], cell[1]] = 50.0  # two cells to each side
        coeffs[level][0, prototype, cell[0], cell[1]] = sign
    meta = dict(ori_shape=(48, 48), scale_factor=(2.0, 2.0), pad_param=(0, 0, 0, 0))
    found = head.predict_by_feat(
        logits, dists, coeffs, prototypes, torch.ones(1, 2, dtype=torch.bool), [meta])[0]
    assert found.labels.tolist() == [0, 1]
    # Centres (44, 52) and (40, 56) of the input; sides of 16 and 32 pixels; halved.
    torch.testing.assert_close(
        found.bboxes, torch.tensor([[14.0, 18.0, 30.0, 34.0], [4.0, 12.0, 36.0, 44.0]]))
    expected = torch.zeros(2, 48, 48, dtype=torch.bool)
    expected[0, 18:34, 24:30] = True
    expected[1, 12:24, 4:36] = True
    assert torch.equal(found.masks, expected)


def test_masks_on_the_input():
    maps = random_maps()
    dense = make_head(mask_format='dense').predict_by_feat(
        *maps, ALL_PROMPTS, [{}, {}], rescale=False)
    assert [x.masks.shape for x in dense] == [(20, SIZE, SIZE)] * 2


@pytest.mark.parametrize('mask_format', ['rle', 'dense'])
def test_prediction_without_instances(mask_format):
    logits, *maps = random_maps()
    head = make_head(mask_format=mask_format)
    for found, meta in zip(head.predict_by_feat(
            [x - 99 for x in logits], *maps, ALL_PROMPTS, METAS), METAS, strict=True):
        assert len(found.scores) == len(found.masks) == 0
        assert found.masks.cpu().shape == (0, *meta['ori_shape'])


def test_dense_limit_is_a_test_setting():
    maps = random_maps()
    head = make_head(mask_format='dense', max_dense_bytes=20 * 57 * 91)
    assert len(head.predict_by_feat(*maps, ALL_PROMPTS, METAS[:1] * 2)) == 2
    with pytest.raises(ValueError, match='20 instances on an image of 120 x 131 pixels'):
        head.predict_by_feat(*maps, ALL_PROMPTS, METAS)
