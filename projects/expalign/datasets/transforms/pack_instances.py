"""Packing of instances with masks, drawn for the losses, and of which instances have one."""

import numpy as np
from mmdet.datasets.transforms import PackDetInputs

from expalign.registry import TRANSFORMS
from expalign.structures import draw_masks

from .instance_polygons import MIN_COORDINATES, has_mask


@TRANSFORMS.register_module()
class PackInstances(PackDetInputs):
    """mmdet's ``PackDetInputs``, with masks as the losses need them.

    Where there are masks, ``gt_instances`` also have ``has_mask`` (G) bool and the masks drawn on
    the two grids of the losses: ``mask_cells`` (G, H, W) bool, cells of P3, and ``mask_grid``
    (G, h, w) bool, of the prototypes; see :func:`~expalign.structures.draw_masks`. The packed
    ``masks`` are polygons on the image as the network gets it. Where ``has_mask`` is False they
    are a placeholder of no area, so that all of them can be drawn.

    Args:
        meta_keys: see mmdet's class.
    """

    mapping_table = {
        **PackDetInputs.mapping_table,
        'has_mask': 'has_mask', 'mask_cells': 'mask_cells', 'mask_grid': 'mask_grid'}

    def transform(self, results: dict) -> dict:
        """Pack one sample; masks are optional."""
        if 'gt_masks' in results:
            masks = results['gt_masks']
            results['has_mask'] = has_mask(masks)
            placeholder = [np.zeros(MIN_COORDINATES, dtype=np.float32)]
            polygons = [list(filter(len, polygons)) or placeholder for polygons in masks.masks]
            results['gt_masks'] = type(masks)(polygons, *results['img_shape'][:2])
            results['mask_cells'], results['mask_grid'] = draw_masks(results['gt_masks'])
        return super().transform(results)
