"""Run-length encoding of crops against pycocotools, and the container of an image's masks."""

import json
import pickle

import numpy as np
import pycocotools.mask as coco_mask
import pytest
import torch
from mmdet.structures.mask import encode_mask_results
from mmengine.structures import InstanceData

from expalign.structures.rle_masks import RLE, RLEMasks, encode_crop


def random_masks(num, height, width, seed=0):
    return np.random.default_rng(seed).random((num, height, width)) > 0.6


def as_rle_masks(masks):
    return RLEMasks(
        [coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks],
        masks.shape[1:])


@pytest.mark.parametrize(('left', 'top', 'width', 'height'), [
    (0, 0, 9, 7), (3, 2, 4, 3), (0, 2, 9, 5), (5, 0, 4, 7), (2, 0, 3, 7), (8, 6, 1, 1),
    (4, 3, 0, 2), (4, 3, 2, 0)])
@pytest.mark.parametrize('fill', ['random', 'full', 'empty'])
def test_crop_is_encoded_as_pycocotools_encodes_the_whole_mask(left, top, width, height, fill):
    whole = np.zeros((7, 9), dtype=np.uint8)
    crop = dict(random=random_masks(1, height, width)[0], full=np.ones((height, width), bool),
                empty=np.zeros((height, width), bool))[fill]
    whole[top:top + height, left:left + width] = crop
    assert encode_crop(crop, left, top, (7, 9)) == coco_mask.encode(np.asfortranarray(whole))


def test_an_element_is_a_coco_rle_and_indexes_like_its_array():
    masks = random_masks(3, 6, 11)
    rles = as_rle_masks(masks)
    assert set(rles[1]) == {'size', 'counts'} and rles[1]['size'] == [6, 11]
    assert coco_mask.area(rles[1]) == masks[1].sum()
    np.testing.assert_array_equal(rles[1][:, :, None], masks[1][:, :, None])
    text = dict(rles[1], counts=rles[1]['counts'].decode())
    assert json.loads(json.dumps(RLE(text))) == text
    assert encode_mask_results(rles) == list(rles)


def test_arrays():
    masks = random_masks(3, 6, 11)
    rles = as_rle_masks(masks)
    for dense in (rles.to_ndarray(), rles.astype(bool), rles.cpu().numpy()):
        assert dense.dtype == bool
        np.testing.assert_array_equal(dense, masks)
    assert repr(rles) == 'RLEMasks(3 masks, 11 x 6 pixels)'
    assert as_rle_masks(masks[:0]).cpu().shape == (0, 6, 11)


def test_instance_data_selects_and_joins():
    masks = random_masks(4, 6, 11)
    found = InstanceData(scores=torch.tensor([0.9, 0.8, 0.7, 0.6]), masks=as_rle_masks(masks))
    for index in (torch.tensor([True, False, True, True]), torch.tensor([2, 0]), slice(1, 3),
                  torch.zeros(4, dtype=torch.bool)):
        chosen = masks[index.numpy() if isinstance(index, torch.Tensor) else index]
        np.testing.assert_array_equal(found[index].masks.to_ndarray(), chosen)
    joined = InstanceData.cat([found[:1], found[2:]])
    np.testing.assert_array_equal(joined.masks.to_ndarray(), masks[[0, 2, 3]])
    copied = pickle.loads(pickle.dumps(found.cpu().numpy()))
    np.testing.assert_array_equal(copied.masks.to_ndarray(), masks)
