"""Mosaic of four images that may have different prompts."""

import copy
import math

import cv2
import numpy as np
from mmyolo.datasets.transforms import Mosaic as MMYOLOMosaic

from expalign.registry import TRANSFORMS

from .canvas import Canvas, CanvasPart
from .mix_images import MixImages
from .pending_image import PendingImage


@TRANSFORMS.register_module()
class Mosaic(MixImages, MMYOLOMosaic):
    """mmyolo's mosaic with :class:`MixImages`; arguments and keys are mmyolo's.

    An image that would be scaled to less than a pixel's width or height is padded to one first:
    mmyolo asks for a side of 0, and OpenCV fails.

    The picture is drawn when a transform asks for ``img``. :class:`~expalign.RandomAffine` right
    after it does not: it has only that drawn which can be seen in its output.
    """

    def mix_img_transform(self, results: dict) -> dict:
        """Mix ``results`` with its ``mix_results``. The result is a :class:`PendingImage`."""
        samples = (results, *results['mix_results'])
        images = []
        for sample in samples:
            self._widen(sample)
            images.append(sample['img'])
            # mmyolo mixes what is no picture, for boxes, masks and places.
            sample['img'] = np.empty(sample['img'].shape[:2], dtype=np.uint8)
        layout = copy.copy(self)
        layout.places = []
        results = super(Mosaic, layout).mix_img_transform(results)
        parts = [CanvasPart(image, *place)
                 for image, place in zip(images, layout.places, strict=True)]
        shape = (*results['img'].shape, *images[0].shape[2:])
        results['img_shape'] = shape
        return PendingImage(results, Canvas(parts, shape, self.pad_val))

    def _mosaic_combine(self, loc: str, center_position_xy: tuple[int, int],
                        img_shape_wh: tuple[int, int]) -> tuple[tuple, tuple]:
        place = super()._mosaic_combine(loc, center_position_xy, img_shape_wh)
        self.places.append((img_shape_wh, *place))
        return place

    def _widen(self, results: dict) -> None:
        """Pad an image (H, W, 3) at its right and bottom until both sides last."""
        height, width = results['img'].shape[:2]
        needed = math.ceil(1 / min(self.img_scale[1] / height, self.img_scale[0] / width))
        bottom, right = max(needed - height, 0), max(needed - width, 0)
        if bottom or right:
            results['img'] = cv2.copyMakeBorder(
                results['img'], 0, bottom, 0, right, cv2.BORDER_CONSTANT,
                value=[self.pad_val] * 3)
            masks = results.get('gt_masks')
            if masks is not None:
                results['gt_masks'] = type(masks)(masks.masks, height + bottom, width + right)
