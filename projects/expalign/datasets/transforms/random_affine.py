"""YOLOv5's random affine transform for instances of which some have a mask."""

import numpy as np
from mmdet.structures.bbox import HorizontalBoxes
from mmyolo.datasets.transforms import YOLOv5RandomAffine

from expalign.registry import TRANSFORMS

from .instance_polygons import InstancePolygons, Polygons, absent, clip_polygon, project_polygon


class PolygonBoxes(HorizontalBoxes):
    """Boxes that carry the polygons of their instances through a transform of boxes.

    Where an instance has polygons, its box becomes their extent; where all of them are outside
    of the image, an empty box. Other boxes are transformed as boxes are.

    Args:
        data: see mmdet's boxes, (G, 4) xyxy.
        polygons: of the G instances.
    """

    def __init__(self, data, *args, polygons: list[Polygons] | None = None, **kwargs) -> None:
        super().__init__(data, *args, **kwargs)
        self.polygons = polygons

    def __getitem__(self, index: np.ndarray) -> 'PolygonBoxes':
        """The boxes where ``index`` (G,) bool is True."""
        polygons = [self.polygons[i] for i in np.flatnonzero(index)]
        return type(self)(super().__getitem__(index).tensor, polygons=polygons)

    def project_(self, homography_matrix: np.ndarray) -> None:
        """Transform boxes and polygons by a (3, 3) matrix."""
        super().project_(homography_matrix)
        self._change_polygons(lambda polygon: project_polygon(polygon, homography_matrix))

    def clip_(self, img_shape: tuple[int, int]) -> None:
        """Cut boxes and polygons at the borders of an image of (height, width)."""
        super().clip_(img_shape)
        self._change_polygons(lambda polygon: clip_polygon(polygon, img_shape))

    def _change_polygons(self, change) -> None:
        for index, polygons in enumerate(self.polygons):
            if not any(map(len, polygons)):
                continue
            changed = [polygon for polygon in map(change, polygons) if len(polygon)]
            self.polygons[index] = changed or absent()
            points = np.concatenate(self.polygons[index]).reshape(-1, 2)
            extent = (*points.min(0), *points.max(0)) if changed else (0, 0, 0, 0)
            self.tensor[index] = self.tensor.new_tensor(extent)


@TRANSFORMS.register_module()
class RandomAffine(YOLOv5RandomAffine):
    """mmyolo's transform, whose way to refine boxes by masks needs a mask of every instance.

    Here the box of an instance becomes the extent of its mask inside the image where it has a
    mask, and is transformed as a box elsewhere. Polygons are cut at the borders, before and
    after the transform, and not resampled. Arguments and keys are mmyolo's, without
    ``use_mask_refine`` and ``resample_num``.
    """

    def transform(self, results: dict) -> dict:
        """Transform image, boxes and, where there are any, masks."""
        if 'gt_masks' not in results:
            return super().transform(results)
        size = results['img'].shape[:2]
        polygons = [
            [clip_polygon(polygon, size) for polygon in polygons]
            for polygons in results.pop('gt_masks').masks]
        results['gt_bboxes'] = PolygonBoxes(results['gt_bboxes'].tensor, polygons=polygons)
        results = super().transform(results)
        boxes = results['gt_bboxes']
        results['gt_bboxes'] = HorizontalBoxes(boxes.tensor)
        results['gt_masks'] = InstancePolygons(boxes.polygons, *results['img_shape'][:2])
        return results
