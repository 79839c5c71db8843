"""The affine transform: masks follow the image, boxes follow masks where there are any."""

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import TRANSFORMS

from expalign.datasets.transforms import RandomAffine
from expalign.structures.instance_polygons import InstancePolygons, absent, has_mask

YOLOv5RandomAffine = RandomAffine.__base__  # mmyolo's
BOXES = [[10, 10, 50, 40], [60, 5, 90, 60], [30, 50, 70, 75], [0, 0, 12, 12]]
SETTINGS = dict(max_rotate_degree=0.0, max_shear_degree=0.0, max_aspect_ratio=100)


def corner(box):
    """A triangle whose extent is the box."""
    x1, y1, x2, y2 = box
    return [np.array([x1, y1, x2, y1, x1, y2], dtype=np.float32)]


def make_results(present, size=(80, 100)):
    """An image that is white where the masks are; ``present`` says which instances have one."""
    masks = [corner(box) if flag else absent() for box, flag in zip(BOXES, present, strict=True)]
    masks = InstancePolygons(masks, *size)
    image = np.zeros((*size, 3), dtype=np.uint8)
    if any(present):
        image[masks[has_mask(masks)].to_ndarray().any(0)] = 255
    return dict(
        img=image, img_shape=image.shape, gt_masks=masks,
        gt_bboxes=HorizontalBoxes(torch.tensor(BOXES, dtype=torch.float32)),
        gt_bboxes_labels=np.arange(4), gt_ignore_flags=np.zeros(4, dtype=bool))


def run(transform, results, seed):
    np.random.seed(seed)
    return transform(results)


def check_pixels(image, expected):
    """Equal, but for places that were rounded to another 1/32 of a pixel, in x and in y.

    mmyolo rounds to 1/32 what is not rounded here, so that in an image of noise nearly all pixels
    differ by a little.
    """
    difference = np.abs(image.astype(int) - expected)
    assert difference.max() <= 2 * 255 / 32 + 1 and difference.mean() < 1.2


def without_masks(results):
    return {key: value for key, value in results.items() if key != 'gt_masks'}


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('settings', [
    SETTINGS, dict(max_rotate_degree=20.0, max_shear_degree=5.0),
    dict(SETTINGS, border=(-20, -10))])
def test_boxes_without_a_mask_are_treated_as_mmyolo_treats_boxes(seed, settings):
    expected = run(YOLOv5RandomAffine(**settings), without_masks(make_results([0] * 4)), seed)
    results = run(RandomAffine(**settings), make_results([0] * 4), seed)
    torch.testing.assert_close(results['gt_bboxes'].tensor, expected['gt_bboxes'].tensor)
    assert type(results['gt_bboxes']) is HorizontalBoxes
    np.testing.assert_array_equal(results['gt_bboxes_labels'], expected['gt_bboxes_labels'])
    check_pixels(results['img'], expected['img'])
    assert not has_mask(results['gt_masks']).any()
    assert len(results['gt_masks']) == len(results['gt_bboxes']) > 0


@pytest.mark.parametrize('seed', range(5))
def test_a_mask_changes_its_own_box_alone(seed):
    present = [True, False, True, False]
    plain = run(RandomAffine(**SETTINGS), make_results([0] * 4), seed)
    mixed = run(RandomAffine(**SETTINGS), make_results(present), seed)
    boxes = dict(zip(mixed['gt_bboxes_labels'], mixed['gt_bboxes'].tensor, strict=True))
    for label, box in zip(plain['gt_bboxes_labels'], plain['gt_bboxes'].tensor, strict=True):
        if not present[label]:
            assert torch.equal(boxes[label], box)
    flags = has_mask(mixed['gt_masks'])
    assert flags.tolist() == [present[label] for label in mixed['gt_bboxes_labels']]


@pytest.mark.parametrize('seed', range(8))
def test_masks_follow_the_image_and_boxes_are_their_extent(seed):
    settings = dict(max_rotate_degree=25.0, max_shear_degree=5.0, scaling_ratio_range=(0.8, 2.0))
    results = run(RandomAffine(**settings), make_results([1] * 4), seed)
    masks = results['gt_masks'].to_ndarray()
    white = results['img'][..., 0] > 127
    union = masks.any(0)
    # Instances that were dropped are still white; half a pixel of shift is mmyolo's.
    assert (union & ~white).sum() < 0.08 * union.sum()
    for mask, box in zip(masks, results['gt_bboxes'].tensor.numpy(), strict=True):
        y, x = np.nonzero(mask)
        extent = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
        np.testing.assert_allclose(box, extent, atol=4.0)  # tips are thinner than a pixel


def test_what_is_outside_before_is_outside_after():
    """A mask that leaves the image on the left must not come back when the image shrinks."""
    results = make_results([1, 0, 0, 0])
    results['gt_masks'].masks[0] = [np.array([-40, 10, 50, 10, 50, 40, -40, 40], np.float32)]
    results['gt_bboxes'].tensor[0, 0] = 0
    transform = RandomAffine(**SETTINGS, max_translate_ratio=0.0, scaling_ratio_range=(0.5, 0.5))
    box = run(transform, results, 0)['gt_bboxes'].tensor[0]
    assert box.tolist() == pytest.approx([25, 25, 50, 40])  # half the size, around (50, 40)


def test_a_mask_that_leaves_the_image_takes_its_box_along():
    """The box still reaches into the image, the mask does not."""
    results = make_results([1, 1, 0, 0])
    results['gt_masks'].masks[0] = [np.array([10, 10, 12, 10, 10, 12], dtype=np.float32)]
    transform = RandomAffine(**SETTINGS, max_translate_ratio=0.0, scaling_ratio_range=(2.0, 2.0))
    labels = run(transform, results, 0)['gt_bboxes_labels'].tolist()
    assert 0 not in labels and 2 in labels


def test_no_instances_and_no_masks():
    results = make_results([1] * 4)
    keep = np.zeros(4, dtype=bool)
    for key in ('gt_bboxes', 'gt_masks', 'gt_bboxes_labels', 'gt_ignore_flags'):
        results[key] = results[key][keep]
    results = run(RandomAffine(**SETTINGS, border=(-10, -20)), results, 0)
    assert len(results['gt_masks']) == len(results['gt_bboxes']) == 0
    assert (results['gt_masks'].height, results['gt_masks'].width) == (40, 80)
    plain = run(RandomAffine(**SETTINGS), without_masks(make_results([0] * 4)), 0)
    assert 'gt_masks' not in plain and len(plain['gt_bboxes'])


@pytest.mark.parametrize('seed', range(3))
def test_pixels_and_boxes_of_a_mosaic_are_mmyolo_s(seed):
    """As configured: a canvas of twice the size, scaled, shifted and cut."""
    settings = dict(
        SETTINGS, scaling_ratio_range=(0.5, 1.5), border=(-50, -40), border_val=(114, 114, 114))
    results = without_masks(make_results([0] * 4))
    results['img'] = np.random.default_rng(seed).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    copied = dict(results, gt_bboxes=results['gt_bboxes'].clone())
    expected = run(YOLOv5RandomAffine(**settings), copied, seed)
    results = run(RandomAffine(**settings), results, seed)
    check_pixels(results['img'], expected['img'])
    assert results['img_shape'] == expected['img_shape'] == (80, 100, 3)
    torch.testing.assert_close(results['gt_bboxes'].tensor, expected['gt_bboxes'].tensor)
    np.testing.assert_array_equal(results['gt_ignore_flags'], expected['gt_ignore_flags'])


def test_it_is_registered():
    assert isinstance(TRANSFORMS.build(dict(type='expalign.RandomAffine')), RandomAffine)
