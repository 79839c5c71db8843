"""A mosaic that is drawn and warped at once, against mmyolo's mosaic and a warp of all of it.

Draws, boxes, labels, masks and prompts are the same bit by bit; pixels differ by places that are
rounded to another 1/32 of a pixel.
"""

import copy
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmyolo.datasets.transforms import Mosaic as MMYOLOMosaic

from expalign.datasets.transforms import Mosaic, random_affine
from expalign.datasets.transforms.mix_images import MixImages
from expalign.datasets.transforms.pending_image import PendingImage

ROOT = Path(__file__).parents[3]
BASES = ROOT / 'configs' / '_base_' / 'datasets'


@TRANSFORMS.register_module()
class MosaicInTwoSteps(MixImages, MMYOLOMosaic):
    """mmyolo's own picture."""


@TRANSFORMS.register_module()
class NoteDraws:
    """Adds the states of the generators, which are equal after equal draws."""

    def __call__(self, results):
        return results | dict(draws=(random.getstate(), np.random.get_state()[1:3]))


@pytest.fixture(autouse=True)
def mmdet_scope(monkeypatch):
    monkeypatch.chdir(ROOT)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def whole_warp(canvas, matrix, size, border_val):
    return cv2.warpAffine(canvas.draw(), matrix, dsize=size[::-1], borderValue=border_val)


def as_configured(pipeline):
    return pipeline


def turned(pipeline):
    return [step | dict(max_rotate_degree=20.0, max_shear_degree=5.0)
            if step['type'] == 'expalign.RandomAffine' else step for step in pipeline]


def half_of_the_samples(pipeline):
    """The others go through an affine transform that is meant for twice the size."""
    return [step | dict(prob=0.5) if step['type'] == 'expalign.Mosaic' else
            step | dict(border=(0, 0)) if step['type'] == 'expalign.RandomAffine' else step
            for step in pipeline]


def mixed_up(pipeline):
    return [*pipeline[:4], dict(type='expalign.MixUp', pre_transform=pipeline[:4]), *pipeline[4:]]


def other_image_sizes(pipeline):
    """Parts are enlarged to 960 pixels, others reduced from them."""
    mosaic = dict(pipeline[2], img_scale=(480, 480))
    return [*pipeline[:2], mosaic, pipeline[3] | dict(border=(-240, -240)), *pipeline[4:]]


def build(name, change):
    cfg = Config.fromfile(BASES / f'coco_{name}.py').train_dataloader.dataset.to_dict()
    pipeline = [step for step in cfg['pipeline'] if 'HSV' not in step['type']]
    *steps, pack = change(pipeline)
    pack = pack | dict(meta_keys=(*pack['meta_keys'], 'draws'))
    cfg.update(
        type='expalign.TextCocoDataset', data_root='demo/data/mini/',
        pipeline=[*steps, dict(type='NoteDraws'), pack])
    return cfg


def in_two_steps(cfg):
    """The same with mmyolo's mosaic and mmdet's flip."""
    def replaced(steps):
        kinds = {'expalign.Mosaic': 'MosaicInTwoSteps', 'expalign.RandomFlip': 'mmdet.RandomFlip'}
        return [step | dict(type=kinds.get(step['type'], step['type'])) | (
            dict(pre_transform=replaced(step['pre_transform'])) if 'pre_transform' in step else {})
            for step in steps]
    return cfg | dict(pipeline=replaced(cfg['pipeline']))


def check_equal(found, expected):
    """All but the pixels, bit by bit."""
    for part in ('gt_instances', 'ignored_instances'):
        one, other = found.get(part), expected.get(part)
        assert set(one.keys()) == set(other.keys())
        for key in set(one.keys()) - {'masks', 'bboxes'}:
            assert torch.equal(one[key], other[key]), key
        assert torch.equal(one.bboxes.tensor, other.bboxes.tensor)
        if 'masks' in one:
            for polygons, expected_polygons in zip(one.masks, other.masks, strict=True):
                for a, b in zip(polygons, expected_polygons, strict=True):
                    np.testing.assert_array_equal(a, b)
    assert set(found.metainfo_keys()) == set(expected.metainfo_keys())
    for key in set(found.metainfo_keys()):
        np.testing.assert_equal(found.metainfo[key], expected.metainfo[key])


@pytest.mark.parametrize('name, change', [
    ('detection', as_configured), ('detection', mixed_up), ('segmentation', as_configured),
    ('segmentation', turned), ('segmentation', half_of_the_samples), ('segmentation', mixed_up),
    ('detection', other_image_sizes)])
def test_all_but_the_pixels_is_equal(name, change, monkeypatch):
    cfg = build(name, change)
    dataset, reference = (DATASETS.build(copy.deepcopy(c)) for c in (cfg, in_two_steps(cfg)))
    means = []
    for index in range(6):
        found = dataset[index]
        with monkeypatch.context() as patch:
            patch.setattr(random_affine, 'warp', whole_warp)
            expected = reference[index]
        check_equal(found['data_samples'], expected['data_samples'])
        difference = (found['inputs'].int() - expected['inputs'].int()).abs()
        assert difference.max() <= 17  # two axes, 255 grey levels, 1/32 of a pixel
        means.append(difference.float().mean().item())
    assert max(means) < 0.6 and np.mean(means) < 0.3


def sample(image):
    height, width = image.shape[:2]
    return dict(
        img=image, gt_bboxes=HorizontalBoxes(np.float32([[0, 0, width, height]])),
        gt_bboxes_labels=np.zeros(1, dtype=np.int64), gt_ignore_flags=np.zeros(1, dtype=bool))


@pytest.mark.parametrize('ratios', [(0.5, 1.5), (0.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
@pytest.mark.parametrize('channels', [(3,), ()])
def test_the_picture_for_others_is_mmyolo_s(ratios, channels):
    """Small and large images, grey ones, and parts of which nothing can be seen."""
    rng = np.random.default_rng(0)
    for seed in range(6):
        images = [rng.integers(0, 256, (*rng.integers(2, 300, 2), *channels), dtype=np.uint8)
                  for _ in range(4)]
        pictures = []
        for kind in (Mosaic, MosaicInTwoSteps):
            np.random.seed(seed)
            results = sample(images[0]) | dict(mix_results=[sample(i) for i in images[1:]])
            mixed = kind(img_scale=(96, 64), center_ratio_range=ratios).mix_img_transform(results)
            pictures.append((mixed['img'], mixed['img_shape'], mixed['gt_bboxes'].tensor))
        assert pictures[0][1] == pictures[1][1] == (128, 192, *channels)
        assert torch.equal(pictures[0][2], pictures[1][2])
        np.testing.assert_array_equal(pictures[0][0], pictures[1][0])


def test_the_affine_transform_leaves_the_mosaic_undrawn(monkeypatch):
    seen = []
    monkeypatch.setattr(random_affine, 'warp', lambda canvas, *rest: seen.append(canvas) or
                        np.zeros((64, 64, 3), dtype=np.uint8))
    image = np.zeros((50, 60, 3), dtype=np.uint8)
    for drawn in (False, True):
        results = sample(image) | dict(mix_results=[sample(image) for _ in range(3)])
        mixed = Mosaic(img_scale=(64, 64)).mix_img_transform(results)
        assert isinstance(mixed, PendingImage)
        if drawn:
            assert mixed['img'].shape == (128, 128, 3)
        assert type(random_affine.RandomAffine(border=(-32, -32)).transform(mixed)) is dict
    assert [len(canvas.parts) for canvas in seen] == [4, 1]
