"""Mosaic of four images that may have different prompts."""

import math

import cv2
from mmyolo.datasets.transforms import Mosaic as MMYOLOMosaic

from expalign.registry import TRANSFORMS

from .mix_images import MixImages


@TRANSFORMS.register_module()
class Mosaic(MixImages, MMYOLOMosaic):
    """mmyolo's mosaic with :class:`MixImages`; arguments and keys are mmyolo's.

    An image that would be scaled to less than a pixel's width or height is padded to one first:
    mmyolo asks for a side of 0, and OpenCV fails.
    """

    def mix_img_transform(self, results: dict) -> dict:
        """Mix ``results`` with its ``mix_results``."""
        for part in (results, *results['mix_results']):
            self._widen(part)
        return super().mix_img_transform(results)

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
