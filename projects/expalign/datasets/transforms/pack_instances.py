"""Packing of instances with masks, and of the flag that says which have one."""

import numpy as np
from mmdet.datasets.transforms import PackDetInputs

from expalign.registry import TRANSFORMS

from .instance_polygons import MIN_COORDINATES, has_mask


@TRANSFORMS.register_module()
class PackInstances(PackDetInputs):
    """mmdet's ``PackDetInputs``, with ``gt_instances.has_mask`` (G) bool beside ``masks``.

    The packed ``masks`` are polygons on the image as the network gets it. Where ``has_mask`` is
    False they are a placeholder of no area, so that all of them can be drawn.

    Args:
        meta_keys: see mmdet's class.
    """

    mapping_table = {**PackDetInputs.mapping_table, 'has_mask': 'has_mask'}

    def transform(self, results: dict) -> dict:
        """Pack one sample; masks are optional."""
        if 'gt_masks' in results:
            masks = results['gt_masks']
            results['has_mask'] = has_mask(masks)
            placeholder = [np.zeros(MIN_COORDINATES, dtype=np.float32)]
            polygons = [list(filter(len, polygons)) or placeholder for polygons in masks.masks]
            results['gt_masks'] = type(masks)(polygons, *results['img_shape'][:2])
        return super().transform(results)
