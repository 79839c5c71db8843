"""Checks of one annotated object: its box, its mask, its name."""

import math
from numbers import Real

import numpy as np
from pycocotools import mask as coco_mask

from ..transforms.instance_polygons import MIN_COORDINATES
from .entries import Decision, Entry, Item
from .findings import Findings

BORDER = 1.0  # pixels that a box may reach over the image's border: rounding
MASK_BORDER = 2.0  # pixels that a mask may reach over its box
MIN_SIDE = 1.0  # pixels; thinner boxes are not used in training


def check_item(item: Item, entry: Entry, findings: Findings) -> Decision:
    """Count what is wrong with an item, and say what a cleaned file has of it."""
    where = entry.file_name
    if item.name is None:
        findings.problems.note('instances whose class or phrase the file does not name', where)
        return Decision(None)
    fault = box_fault(item.box, entry.size)
    if fault is not None:
        findings.problems.note(f'boxes {fault}', where)
        return Decision(None)
    box = [float(v) for v in item.box]
    height, width = entry.size
    cut = [min(max(v, 0.0), limit) for v, limit in zip(box, (width, height) * 2, strict=True)]
    if max(abs(a - b) for a, b in zip(box, cut, strict=True)) > BORDER:
        findings.problems.note('boxes partly outside of their image', where)
    else:
        cut = box
    return Decision(cut, keep_mask=_check_mask(item, entry, box, findings))


def box_fault(box: object, size: tuple[int, int]) -> str | None:
    """Why a box cannot be used in an image of (height, width), or None."""
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(
            isinstance(v, Real) and math.isfinite(v) for v in box):
        return 'that are not four finite numbers'
    width, height = box[2] - box[0], box[3] - box[1]
    if width <= 0 or height <= 0:
        return 'of no area'
    if width < MIN_SIDE or height < MIN_SIDE:
        return 'thinner than a pixel'
    if box[0] >= size[1] or box[1] >= size[0] or box[2] <= 0 or box[3] <= 0:
        return 'outside of their image'
    return None


def _check_mask(item: Item, entry: Entry, box: list[float], findings: Findings) -> bool:
    if item.crowd:  # masks of crowds are not loaded
        return True
    if not item.mask:
        findings.facts.note('instances without a mask')
        return True
    extent, fault = mask_extent(item.mask, entry.size)
    if fault is None:
        low, high = extent[:2] - box[:2], box[2:] - extent[2:]
        if min(*low, *high) >= -MASK_BORDER:
            findings.facts.note('instances with a mask')
            return True
        fault = f'reaching over their box by more than {MASK_BORDER:g} pixels'
    findings.problems.note(f'masks {fault}', entry.file_name)
    return False


def mask_extent(mask: list | dict, size: tuple[int, int]) -> tuple[np.ndarray | None, str | None]:
    """Extent (x1, y1, x2, y2) of a COCO segmentation, or what is wrong with it."""
    if isinstance(mask, dict):
        if 'counts' not in mask or tuple(mask.get('size', ())) != tuple(size):
            return None, 'encoded for another size than the image has'
        if isinstance(mask['counts'], list):
            mask = coco_mask.frPyObjects(mask, *size)
        x, y, width, height = coco_mask.toBbox(mask)
        if not width * height:
            return None, 'without a pixel'
        return np.array([x, y, x + width, y + height]), None
    polygons = [p for p in mask if isinstance(p, list) and len(p) >= MIN_COORDINATES
                and len(p) % 2 == 0] if isinstance(mask, list) else []
    if not polygons:
        return None, 'that are neither polygons nor an encoding'
    points = np.concatenate([np.asarray(p, dtype=float).reshape(-1, 2) for p in polygons])
    return np.concatenate([points.min(0), points.max(0)]), None
