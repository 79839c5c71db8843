"""Loading: every instance stays, whatever its segmentation."""

import numpy as np
import pycocotools.mask as coco_mask
import pytest
from mmengine.registry import TRANSFORMS, DefaultScope

from expalign.structures.instance_polygons import has_mask

SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]


def instance(index, mask=None, ignore_flag=0):
    fields = dict(bbox=[index, 0, index + 5, 9], bbox_label=index, ignore_flag=ignore_flag)
    return fields if mask is None else dict(fields, mask=mask)


def load(*instances):
    with DefaultScope.overwrite_default_scope('mmdet'):
        transform = TRANSFORMS.build(dict(type='expalign.LoadInstances', with_bbox=True))
    return transform(dict(
        img_path='a/photo.jpg', ori_shape=(20, 30), img_shape=(20, 30), instances=list(instances)))


def test_every_instance_is_kept():
    rle = dict(size=[20, 30], counts=coco_mask.encode(np.asfortranarray(
        np.pad(np.ones((4, 6), np.uint8), ((5, 11), (3, 21)))))['counts'].decode())
    results = load(
        instance(0, [SQUARE]), instance(1), instance(2, []), instance(3, [[1, 2]]),
        instance(4, rle), instance(5, dict(size=[1, 1], counts='x'), ignore_flag=1),
        instance(6, [SQUARE, [20, 10, 25, 10, 25, 15]]))
    assert results['gt_bboxes'].tensor[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert results['gt_bboxes_labels'].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert results['gt_ignore_flags'].tolist() == [False] * 5 + [True, False]
    masks = results['gt_masks']
    assert (masks.height, masks.width) == (20, 30)
    assert has_mask(masks).tolist() == [True, False, False, False, True, False, True]
    points = masks.masks[4][0].reshape(-1, 2)
    assert (*points.min(0), *points.max(0)) == (3, 5, 9, 9)
    assert len(masks.masks[6]) == 2


def test_no_instances():
    results = load()
    assert len(results['gt_masks']) == len(results['gt_bboxes']) == 0


def test_errors_name_the_image_and_the_instance():
    with pytest.raises(ValueError, match=r"instance 1 of image 'a/photo.jpg': .*\[9, 9\]"):
        load(instance(0, [SQUARE]), instance(1, dict(size=[9, 9], counts='x')))
    with pytest.raises(ValueError, match="instance 0 of image .*a run-length encoding, got str"):
        load(instance(0, 'square'))
