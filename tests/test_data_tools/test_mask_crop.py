"""Masks of a box as run-length encodings of the image."""

import numpy as np
import pycocotools.mask as coco_mask
import pytest

from expalign.data_tools.labelled import BadLabel
from expalign.data_tools.mask_crop import encoding_of_crop


def test_it_is_the_encoding_of_the_whole_mask():
    rng = np.random.default_rng(0)
    for left, top, width, height in ((0, 0, 9, 7), (3, 2, 4, 5), (8, 6, 1, 1), (0, 0, 1, 7)):
        crop = rng.random((height, width)) < 0.6
        crop[0, 0] = True
        whole = np.zeros((7, 9), np.uint8, order='F')
        whole[top:top + height, left:left + width] = crop
        encoding = encoding_of_crop(crop, left, top, (9, 7))
        assert encoding['counts'].encode() == coco_mask.encode(whole)['counts']
        assert encoding['size'] == [7, 9]


@pytest.mark.parametrize(('crop', 'place', 'size', 'message'), [
    (np.ones((2, 2)), (8, 0), (9, 7), 'not inside'), (np.ones((2, 2)), (0, -1), (9, 7), 'inside'),
    (np.zeros((2, 2)), (0, 0), (9, 7), 'without a pixel'),
    (np.ones((2, 2)), (0, 0), (10**6, 10**6), 'a mask of 1000000 x 1000000: .* EXPALIGN_MAX_IMA')])
def test_what_is_no_mask(crop, place, size, message):
    with pytest.raises(BadLabel, match=message):
        encoding_of_crop(crop > 0, *place, size)


def test_memory_goes_with_the_crop():
    encoding = encoding_of_crop(np.ones((2, 3), bool), 20_000, 30_000, (32_768, 32_768))
    assert coco_mask.area(encoding) == 6
    assert coco_mask.toBbox(encoding).tolist() == [20_000, 30_000, 3, 2]
