"""Packing: masks and the flag, ignored instances apart."""

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.structures.bbox import HorizontalBoxes

from expalign.datasets.transforms import PackInstances, SamplePrompts
from expalign.structures.instance_polygons import InstancePolygons, absent

SQUARE = np.array([2, 2, 8, 2, 8, 8, 2, 8], dtype=np.float32)


def make_results(ignored=(False, False, False)):
    masks = [[SQUARE], absent(), [np.zeros(0, dtype=np.float32), SQUARE + 3]]
    return dict(
        img=np.zeros((20, 30, 3), dtype=np.uint8), img_shape=(20, 30, 3), img_id=7,
        gt_bboxes=HorizontalBoxes(torch.rand(3, 4)), gt_bboxes_labels=np.array([4, 0, 2]),
        gt_ignore_flags=np.array(ignored), gt_masks=InstancePolygons(masks, 18, 30))


def test_masks_and_flag():
    sample = PackInstances(meta_keys=('img_id',))(make_results())['data_samples']
    found = sample.gt_instances
    assert found.has_mask.tolist() == [True, False, True] and found.has_mask.dtype == torch.bool
    assert found.labels.tolist() == [4, 0, 2]
    # As large as the image, and each can be drawn.
    drawn = found.masks.to_ndarray()
    assert drawn.shape == (3, 20, 30)
    assert drawn.sum((1, 2)).tolist() == [36, 0, 36]
    assert found[torch.tensor([2, 1])].masks.to_ndarray().sum((1, 2)).tolist() == [36, 0]


def test_ignored_instances_are_apart():
    sample = PackInstances(meta_keys=())(make_results([False, True, False]))['data_samples']
    assert sample.gt_instances.has_mask.tolist() == [True, True]
    assert len(sample.gt_instances.masks) == 2
    assert sample.ignored_instances.has_mask.tolist() == [False]


def test_choice_of_prompts_keeps_masks_with_their_boxes():
    np.random.seed(0)
    results = make_results()
    results['text'] = [f'class {i}' for i in range(6)]
    results['gt_bboxes'].tensor[:, 0] = torch.arange(3)
    found = PackInstances(meta_keys=())(SamplePrompts(2)(results))['data_samples'].gt_instances
    assert len(found) == 2
    index = found.bboxes.tensor[:, 0].long()
    assert found.has_mask.tolist() == [[True, False, True][i] for i in index]


@pytest.mark.parametrize('view', [
    lambda image: image, lambda image: image[:, ::-1], lambda image: image[2:15, 3:9],
    lambda image: image.astype(np.float32), lambda image: image[..., 0],
    lambda image: image[..., :1]])
def test_pixels_are_mmdet_s(view):
    image = view(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    found = PackInstances(meta_keys=())(dict(img=image))['inputs']
    expected = PackDetInputs(meta_keys=())(dict(img=image))['inputs']
    assert torch.equal(found, expected) and found.dtype == expected.dtype
    assert found.is_contiguous() and tuple(found.shape[1:]) == image.shape[:2]


def test_what_is_said_of_an_image_is_copied():
    """As mmdet does it, so that nobody changes what the data set still has."""
    keys = ('img_id', 'text', 'positives', 'synonyms', 'ori_shape', 'not_there')
    results = dict(img_id=7, text=['a cat', 'a dog'], positives=[True, False], ori_shape=(3, 4),
                   synonyms=[['cat', 'kitten'], 'dog'], img=np.zeros((3, 4, 3), dtype=np.uint8))
    found = PackInstances(meta_keys=keys)(dict(results))['data_samples']
    expected = PackDetInputs(meta_keys=keys)(dict(results))['data_samples']
    assert found.metainfo == expected.metainfo and set(found.metainfo) == set(keys[:-1])
    assert set(found.all_keys()) == set(expected.all_keys())
    found.text[0] = found.positives[0] = found.synonyms[0][0] = None
    assert results['text'] == ['a cat', 'a dog'] and results['positives'] == [True, False]
    assert results['synonyms'] == [['cat', 'kitten'], 'dog']


def test_without_masks_it_is_mmdet_s():
    results = make_results()
    del results['gt_masks']
    found = PackInstances(meta_keys=())(results)['data_samples'].gt_instances
    assert set(found.keys()) == {'bboxes', 'labels'}
