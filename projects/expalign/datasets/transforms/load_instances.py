"""Loading of instances with their masks, where they have one."""

from mmdet.datasets.transforms import LoadAnnotations

from expalign.datasets.bad_samples import BadAnnotation
from expalign.registry import TRANSFORMS
from expalign.structures.instance_polygons import InstancePolygons, absent, polygons_of


@TRANSFORMS.register_module()
class LoadInstances(LoadAnnotations):
    """mmdet's boxes and labels, and masks as polygons, for instances with and without a mask.

    Every instance is kept: one without a ``segmentation``, with an empty one or with polygons
    that are none, has its box and an absent mask (:mod:`instance_polygons`). Run-length
    encodings become polygons. Masks of ignored (crowd) instances are not loaded.

    Required: ``instances`` (``bbox``, ``bbox_label``, ``ignore_flag``, optional ``mask``) and
    ``ori_shape``. Added: ``gt_bboxes`` (G, 4), ``gt_bboxes_labels`` (G,), ``gt_ignore_flags``
    (G,), ``gt_masks`` (:class:`InstancePolygons`, G).

    Args:
        kwargs: of mmdet's ``LoadAnnotations``, without ``with_mask`` and ``poly2mask``.

    Raises:
        BadAnnotation: a segmentation that is no COCO segmentation of this image; a ``ValueError``.
            Training skips the image.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(with_mask=True, poly2mask=False, **kwargs)

    def _load_masks(self, results: dict) -> None:
        size = tuple(results['ori_shape'][:2])
        masks = []
        for index, instance in enumerate(results.get('instances', [])):
            annotation = None if instance['ignore_flag'] else instance.get('mask')
            try:
                masks.append(absent() if annotation is None else polygons_of(annotation, size))
            except (TypeError, ValueError) as error:
                raise BadAnnotation(
                    f"instance {index} of image '{results.get('img_path')}': {error}",
                    results.get('sample_idx')) from error
        results['gt_masks'] = InstancePolygons(masks, *size)
