"""Masks that label tools keep as the pixels of a box, as COCO's run-length encodings."""

import numpy as np
import pycocotools.mask as coco_mask

from expalign.limits import IMAGE_PIXELS, LimitExceeded

from .labelled import BadLabel


def encoding_of_crop(crop: np.ndarray, left: int, top: int, size: tuple[int, int]) -> dict:
    """A COCO encoding of the image's size; memory goes with the crop, not with the image.

    Args:
        crop: (h, w) bool, the pixels of the mask's own box.
        left: of the box.
        top: of the box.
        size: annotated (width, height) of the image.

    Raises:
        BadLabel: the box is not inside of the image, no pixel is set, or the image is larger than
            an image may be.
    """
    width, height = size
    try:
        IMAGE_PIXELS.check(width * height, f'a mask of {width} x {height}')
    except LimitExceeded as error:
        raise BadLabel(str(error)) from None
    if left < 0 or top < 0 or left + crop.shape[1] > width or top + crop.shape[0] > height:
        raise BadLabel('a mask is not inside of its image')
    columns, rows = np.nonzero(crop.T)
    if not columns.size:
        raise BadLabel('a mask without a pixel')
    places = (left + columns) * height + top + rows  # COCO's order: down the columns
    breaks = np.flatnonzero(np.diff(places) != 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    ends = places[np.concatenate([breaks, [-1]])] + 1
    edges = np.concatenate([[0], np.stack([starts, ends], 1).ravel(), [width * height]])
    runs = np.diff(edges).tolist()
    runs = runs if runs[-1] else runs[:-1]  # COCO writes no empty run at the end
    encoding = coco_mask.frPyObjects({'counts': runs, 'size': [height, width]}, height, width)
    return {'size': [height, width], 'counts': encoding['counts'].decode('ascii')}
