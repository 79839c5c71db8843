"""A picture of what a model got wrong in an image."""

from collections.abc import Sequence

import cv2
import numpy as np

from expalign.evaluation.found_and_true import Mistakes
from expalign.utils.image_files import decode, read_content
from expalign.utils.labelled_boxes import draw_labelled_boxes

SIDE = 800  # pixels, the longer one of a picture
TEXT = 16
MISSED, WRONG, RIGHT = 0, 3, 2  # colours of draw_labelled_boxes


def mistake_picture(found: Mistakes, names: Sequence[str]) -> np.ndarray:
    """(H, W, 3) uint8 RGB: missed and wrong boxes with words, right ones with their names.

    Args:
        found: the mistakes of one image.
        names: of the classes.
    """
    image = decode(read_content(found.image.path))[..., ::-1]
    scale = min(SIDE / max(image.shape[:2]), 1)
    size = [max(round(side * scale), 1) for side in image.shape[1::-1]]
    image = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    missed = [(box, f'{names[label]} missed', MISSED) for box, label in zip(
        found.image.true_boxes[found.missed], found.image.true_labels[found.missed], strict=True)]
    wrong, right = [], []
    for box, score, label, is_right, seen in zip(
            found.image.boxes, found.image.scores, found.image.labels, found.right,
            found.seen_as, strict=True):
        text = f'{names[label]} {score:.2f}'
        if is_right:
            right.append((box, text, RIGHT))
        else:
            said = 'nothing there' if seen < 0 else (
                'found twice' if seen == label else f'is {names[seen]}')
            wrong.append((box, f'{text}: {said}', WRONG))
    rows = [*missed, *wrong, *right]
    boxes = np.array([box for box, _, _ in rows]).reshape(-1, 4) * scale
    return draw_labelled_boxes(
        image, boxes, [text for _, text, _ in rows], [colour for _, _, colour in rows], TEXT)
