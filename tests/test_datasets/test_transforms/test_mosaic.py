"""Mosaic with images so long that scaling them leaves less than a pixel."""

import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import Mosaic
from expalign.structures.instance_polygons import InstancePolygons


def sample(height, width):
    outline = np.float32([0, 0, width, 0, width, height, 0, height])
    return dict(
        img=np.full((height, width, 3), 7, dtype=np.uint8),
        gt_bboxes=HorizontalBoxes(np.float32([[0, 0, width, height]])),
        gt_bboxes_labels=np.zeros(1, dtype=np.int64), gt_ignore_flags=np.zeros(1, dtype=bool),
        gt_masks=InstancePolygons([[outline]], height, width))


@pytest.mark.parametrize('size', [(1, 3000), (3000, 1), (2, 3000)])
def test_images_of_less_than_a_pixel(size):
    results = sample(*size) | dict(mix_results=[sample(40, 50), sample(*size), sample(50, 40)])
    mixed = Mosaic(img_scale=(64, 64), pad_val=114.0).mix_img_transform(results)
    assert mixed['img'].shape == (128, 128, 3)
    assert len(mixed['gt_bboxes']) == len(mixed['gt_masks']) == 4
    sides = np.sort(mixed['gt_bboxes'].numpy()[:, 2:] - mixed['gt_bboxes'].numpy()[:, :2])
    thin = 64 * min(size) / max(size)  # 0.02 or 0.04 pixels
    np.testing.assert_allclose(sides[[0, 2], 0], thin, atol=1e-4)
    assert (sides <= 64).all()
