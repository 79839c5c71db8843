"""Outlines of masks."""

from typing import Any

import cv2
import numpy as np
import pycocotools.mask as coco_mask

EXACT = 0.75  # pixels that an outline may be off
MIN_POINTS = 3


def outlines(mask: dict[str, Any]) -> list[list[list[float]]]:
    """The outer outlines of a mask's parts: lists of points (x, y) in pixels.

    Args:
        mask: COCO's run-length encoding as JSON has it. Holes are not in outlines.
    """
    pixels = coco_mask.decode(dict(mask, counts=mask['counts'].encode('ascii')))
    found, _ = cv2.findContours(
        np.ascontiguousarray(pixels), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    simple = (cv2.approxPolyDP(contour, EXACT, closed=True)[:, 0] for contour in found)
    # From centres of pixels, as OpenCV counts them, to their places in the picture.
    return [(points + 0.5).tolist() for points in simple if len(points) >= MIN_POINTS]
