"""Results for the package ``supervision``, which is optional."""

from typing import Any

import numpy as np
import pycocotools.mask as coco_mask


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
    try:
        from supervision import Detections
    except ImportError as error:
        raise ImportError('to_supervision needs the package supervision: pip install supervision'
                          ) from error
    masks = prediction.get('masks')
    if masks is not None:
        masks = np.stack([coco_mask.decode(mask) for mask in masks]).astype(bool) if masks else None
    return Detections(
        xyxy=np.asarray(prediction['bboxes'], dtype=np.float32).reshape(-1, 4),
        confidence=np.asarray(prediction['scores'], dtype=np.float32),
        class_id=np.asarray(prediction['labels'], dtype=int),
        mask=masks,
        data={'class_name': np.asarray(prediction['label_names'], dtype=str)})
