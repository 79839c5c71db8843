"""Pictures of predictions: by themselves, and as mmdet's visualizer."""

from collections.abc import Sequence

import numpy as np
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData
from torch import Tensor

from expalign.registry import VISUALIZERS
from expalign.utils.labelled_boxes import draw_labelled_boxes


def draw_instances(
    image: np.ndarray, found: InstanceData, classes: Sequence[str] = (),
    text_size: int | None = None,
) -> np.ndarray:
    """Masks, boxes, prompts and scores, one colour a prompt.

    Args:
        image: (H, W, 3) uint8 RGB.
        found: ``bboxes``, ``labels`` and, where there are any, ``scores``, ``label_names`` and
            ``masks``; by falling score.
        classes: names of the labels where ``found`` has none.
        text_size: height of letters in pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    labels = [int(label) for label in found.get('labels', [0] * len(found))]
    names = found.get('label_names')
    if names is None:
        names = [classes[label] if label < len(classes) else f'class {label}' for label in labels]
    texts = [name if score is None else f'{name} {float(score):.2f}' for name, score in zip(
        names, found.get('scores', [None] * len(found)), strict=True)]
    boxes = found.bboxes.tensor if hasattr(found.bboxes, 'tensor') else found.bboxes
    masks = found.get('masks')
    if isinstance(masks, BitmapMasks | PolygonMasks):  # of annotations
        masks = masks.to_ndarray()
    elif isinstance(masks, Tensor):
        masks = masks.cpu().numpy()
    return draw_labelled_boxes(
        image, np.asarray(boxes, dtype=float).reshape(-1, 4), texts, labels, text_size, masks)


@VISUALIZERS.register_module()
class InstanceVisualizer(DetLocalVisualizer):
    """mmdet's visualizer with instances drawn by :func:`draw_instances`.

    ``tools/test.py --show-dir`` and mmdet's inferencer draw with it where the config names it.
    """

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: Sequence[str] | None,
        palette: object,
    ) -> np.ndarray:
        return draw_instances(image, instances, classes or ())
