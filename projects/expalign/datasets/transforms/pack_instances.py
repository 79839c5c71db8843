"""Packing of samples; masks are drawn for the losses, with which instances have one."""

import cv2
import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs

from expalign.registry import TRANSFORMS
from expalign.structures.drawn_masks import draw_masks
from expalign.structures.instance_polygons import MIN_COORDINATES, has_mask
from expalign.structures.truth_batch import instance_cells


@TRANSFORMS.register_module()
class PackInstances(PackDetInputs):
    """mmdet's ``PackDetInputs``, faster, and with masks as the losses need them.

    Where there are masks, ``gt_instances`` also have ``has_mask`` (G) bool and what the losses
    read: ``mask_cells`` (G, H, W) bool, the cells of P3 that instances cover
    (:func:`~expalign.structures.instance_cells`), and ``mask_grid`` (G, h, w) bool, the masks on
    the grid of the prototypes (:func:`~expalign.structures.draw_masks`). The packed
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
        if 'img' in results and results['img'].ndim == 3:
            results['img'] = channels_apart(results['img'])
        if 'gt_masks' in results:
            masks = results['gt_masks']
            results['has_mask'] = has_mask(masks)
            placeholder = [np.zeros(MIN_COORDINATES, dtype=np.float32)]
            polygons = [list(filter(len, polygons)) or placeholder for polygons in masks.masks]
            results['gt_masks'] = type(masks)(polygons, *results['img_shape'][:2])
            cells, results['mask_grid'] = draw_masks(results['gt_masks'])
            results['mask_cells'] = instance_cells(
                torch.from_numpy(cells), results['gt_bboxes'].tensor,
                torch.from_numpy(results['has_mask'])).numpy()
        lists = {key: results[key] for key in self.meta_keys if _is_flat(results.get(key))}
        packed = super().transform(
            {key: value for key, value in results.items() if key not in lists})
        for key, value in lists.items():
            # mmdet would copy every single prompt.
            packed['data_samples'].set_field(list(value), key, field_type='metainfo')
        return packed


def _is_flat(value) -> bool:
    """Whether a value is a list of what cannot be changed."""
    return isinstance(value, list) and {str, bool, int, float}.issuperset(map(type, value))


def channels_apart(image: np.ndarray) -> np.ndarray:
    """An image (H, W, C) whose channels lie one after the other in memory.

    mmdet's packing then has nothing to copy; OpenCV parts channels ten times as fast.
    """
    planes = np.empty((image.shape[2], *image.shape[:2]), dtype=image.dtype)
    cv2.split(image, list(planes))
    return planes.transpose(1, 2, 0)
