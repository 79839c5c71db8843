"""One alignment map over its photograph: a picture by itself, for where rows of maps do not fit."""

from typing import TYPE_CHECKING

import cv2
import mmcv
import numpy as np
from matplotlib.colors import Normalize

from .panels import mixed

if TYPE_CHECKING:
    from expalign.structures.alignment import Alignment

SIDE = 800  # pixels of the longer side
BOX = (255, 127, 14)
# Most cells are background; everything below this percentile of an image's values is one colour.
LOWEST_PERCENT = 50


def map_scale(alignment: 'Alignment') -> tuple[float, float]:
    """The values of the darkest and the brightest colour, for all maps of an image.

    A prompt for something that is not there stays dark beside one that is found.
    """
    values = np.concatenate([maps.ravel() for maps in alignment.eams.values()])
    return float(np.percentile(values, LOWEST_PERCENT)), float(values.max())


def map_picture(
    image: np.ndarray, alignment: 'Alignment', row: int, level: str, boxes: np.ndarray
) -> np.ndarray:
    """A prompt's map of a level in colours over the grey photograph.

    Args:
        image: (H, W, 3) uint8 RGB.
        alignment: of the image.
        row: of the prompt.
        level: ``'P3'``, ``'P4'``, ``'P5'`` or ``'fused'``.
        boxes: n boxes to outline, xyxy in pixels of ``image``.

    Returns:
        (h, w, 3) uint8 RGB, with a longer side of at most 800 pixels.
    """
    scale = min(1, SIDE / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[:2])
    grey = mmcv.rgb2gray(mmcv.imresize(
        np.ascontiguousarray(image), size[::-1], interpolation='area'), keepdim=True)
    picture = mixed(grey, alignment.on_image(row, level, size), Normalize(*map_scale(alignment)))
    for box in (boxes * scale).round().astype(int).tolist():
        for width, colour in ((5, (0, 0, 0)), (2, BOX)):
            cv2.rectangle(picture, box[:2], box[2:], colour, width)
    return picture
