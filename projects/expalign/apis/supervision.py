"""Results for the package ``supervision``, which is optional."""

from typing import Any

import numpy as np
import pycocotools.mask as coco_mask

from expalign.structures.detection_formats import supervision_detections


def to_supervision(prediction: dict[str, Any]) -> Any:
    """A prediction of :class:`ExpAlignInferencer` as ``supervision.Detections``.

    Args:
        prediction: an entry of ``inferencer(...)['predictions']``.

    Returns:
        ``xyxy``, ``confidence``, ``class_id`` (labels), ``mask`` where the model has masks, and
        the prompts in ``data['class_name']``, where supervision's annotators look for names.

    Raises:
        ImportError: supervision is not installed.
    """
    masks = prediction.get('masks')
    if masks is not None:
        masks = np.stack([coco_mask.decode(mask) for mask in masks]).astype(bool) if masks else None
    return supervision_detections(
        *(prediction[key] for key in ('bboxes', 'scores', 'labels', 'label_names')), masks)
