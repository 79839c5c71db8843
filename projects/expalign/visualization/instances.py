"""Pictures of predictions: by themselves, and as mmdet's visualizer."""

import numpy as np
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from .labelled_boxes import draw_labelled_boxes

LETTERS = 38  # as many in a column fill the longer side of a picture
SMALLEST = 12  # pixels


def draw_instances(image: np.ndarray, found: InstanceData) -> np.ndarray:
    """Masks, boxes, prompts and scores, one colour a prompt.

    Args:
        image: (H, W, 3) uint8 RGB.
        found: ``bboxes``, ``scores``, ``labels``, ``label_names`` and, where there are any,
            ``masks``; by falling score.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    texts = [f'{name} {score:.2f}' for name, score in zip(
        found.label_names, found.scores.tolist(), strict=True)]
    return draw_labelled_boxes(
        image, found.bboxes.numpy(), texts, found.labels.tolist(),
        max(SMALLEST, max(image.shape) // LETTERS), found.get('masks'))


class InstanceVisualizer(DetLocalVisualizer):
    """mmdet's visualizer with instances drawn by :func:`draw_instances`."""

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: object, palette: object
    ) -> np.ndarray:
        return draw_instances(image, instances)
