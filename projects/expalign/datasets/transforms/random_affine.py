"""YOLOv5's random affine transform for instances of which some have a mask."""

import numpy as np
import torch
from mmdet.structures.bbox import autocast_box_type
from mmdet.structures.mask import PolygonMasks
from mmyolo.datasets.transforms import YOLOv5RandomAffine

from expalign.registry import TRANSFORMS
from expalign.structures.instance_polygons import (
    InstancePolygons,
    Polygons,
    absent,
    clip_polygon,
    project_polygon,
)

from .canvas import Canvas
from .canvas_warp import colour_of, warp
from .pending_image import PendingImage


@TRANSFORMS.register_module()
class RandomAffine(YOLOv5RandomAffine):
    """mmyolo's transform, whose way to refine boxes by masks needs a mask of every instance.

    Here the box of an instance becomes the extent of its mask inside the image where it has a
    mask, and is transformed as a box elsewhere. Polygons are cut at the borders, before and
    after the transform, and not resampled.

    mmyolo warps the image as a homography, which takes longer and gives the same pixels, but for
    places that are rounded to another 1/32 of a pixel. Arguments and keys are mmyolo's, without
    ``use_mask_refine`` and ``resample_num``.
    """

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Transform image, boxes and, where there are any, masks."""
        canvas = results.canvas() if isinstance(results, PendingImage) else None
        if canvas is None:
            image = results['img']
            canvas = Canvas.around(image, colour_of(self.border_val, image.shape))
        before = canvas.shape[:2]
        size = before[0] + 2 * self.border[1], before[1] + 2 * self.border[0]
        matrix, scale = self._get_random_homography_matrix(*size)
        matrix = matrix @ self._get_translation_matrix(-before[1] / 2, -before[0] / 2)
        results['img'] = warp(canvas, matrix[:2], size, self.border_val)
        results = dict(results)  # a plain one: nothing is pending any more
        results['img_shape'] = results['img'].shape

        boxes = results['gt_bboxes']
        scaled = boxes.clone()
        scaled.rescale_([scale, scale])
        boxes.project_(matrix)
        if 'gt_masks' in results:
            masks = _transform_polygons(results['gt_masks'], matrix, before, size)
            for index, polygons in enumerate(results['gt_masks'].masks):
                if any(map(len, polygons)):
                    boxes.tensor[index] = _extent(masks.masks[index])
            results['gt_masks'] = masks
        if self.bbox_clip_border:
            boxes.clip_(size)
        kept = self.filter_gt_bboxes(scaled, boxes).numpy()
        for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks'):
            if key in results:
                results[key] = results[key][kept]
        return results


def _transform_polygons(masks: PolygonMasks, matrix: np.ndarray, before: tuple[int, int],
                        after: tuple[int, int]) -> InstancePolygons:
    """Polygons through an affine map (3, 3), cut at the borders of both images (H, W)."""
    moved = []
    for polygons in masks.masks:
        inside = (clip_polygon(polygon, before) for polygon in polygons if len(polygon))
        cut = [clip_polygon(project_polygon(polygon, matrix), after)
               for polygon in inside if len(polygon)]
        moved.append([polygon for polygon in cut if len(polygon)] or absent())
    return InstancePolygons(moved, *after)


def _extent(polygons: Polygons) -> torch.Tensor:
    """The box (4,) xyxy around an instance; empty where nothing of it is left."""
    points = np.concatenate(polygons).reshape(-1, 2)
    if not len(points):
        return torch.zeros(4)
    return torch.from_numpy(np.concatenate([points.min(0), points.max(0)]))
