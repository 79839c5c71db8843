"""Compiled loops of :mod:`expalign.compat.nms`, on numpy arrays.

All arithmetic is float32, in the order of mmcv's CPU operators and with C++'s maximum and minimum
(which decide ties and NaN by operand order), so that every IoU has the same bits.
"""

import math
from collections.abc import Callable

import numba
import numpy as np

_GROUP = 64  # boxes compared at once: fills vector registers and still stops early
_LINEAR, _GAUSSIAN = 1, 2
_ZERO, _ONE = np.float32(0), np.float32(1)


def _compiled(function: Callable) -> Callable:
    """Compile at first call; reuse an earlier process's machine code where a cache can be kept."""
    try:
        return numba.njit(cache=True, nogil=True, error_model='numpy')(function)
    except RuntimeError:  # numba finds no writable folder for its cache
        return numba.njit(nogil=True, error_model='numpy')(function)


@_compiled
def _iou(ax1, ay1, ax2, ay2, a_area, bx1, by1, bx2, by2, b_area, offset):
    left = bx1 if ax1 < bx1 else ax1
    top = by1 if ay1 < by1 else ay1
    right = bx2 if bx2 < ax2 else ax2
    bottom = by2 if by2 < ay2 else ay2
    width = right - left + offset
    height = bottom - top + offset
    width = width if width > _ZERO else _ZERO
    height = height if height > _ZERO else _ZERO
    inter = width * height
    return inter / (a_area + b_area - inter)


@_compiled
def _any_overlaps(x1, y1, x2, y2, area, bx1, by1, bx2, by2, b_area, threshold, offset):
    hit = False
    for k in range(x1.size):
        hit |= _iou(x1[k], y1[k], x2[k], y2[k], area[k], bx1, by1, bx2, by2, b_area,
                    offset) > threshold
    return hit


def neighbourhoods(x1: np.ndarray, y1: np.ndarray) -> np.ndarray:
    """Group number of each box, (N, ) int64: near boxes share one, and a group has _GROUP at most.

    Vertical strips of equally many boxes, each cut from top to bottom. Any grouping gives the same
    result; a compact one lets :func:`nms` skip more. Not compiled: numpy's sorts are, already.
    """
    ranks = np.arange(len(x1))
    if len(x1) <= _GROUP:
        return np.zeros_like(ranks)
    strip_length = _GROUP * math.ceil(math.sqrt(len(x1) / _GROUP))
    strips, groups = np.empty_like(ranks), np.empty_like(ranks)
    strips[x1.argsort()] = ranks // strip_length
    groups[np.lexsort((y1, strips))] = ranks // _GROUP
    return groups


@_compiled
def nms(corners, groups, threshold, offset):
    """Positions that survive, (M, ) int64; ``corners`` (4, N): x1, y1, x2, y2, by falling score.

    A box goes when any box kept before it overlaps it. It is compared with the kept boxes only, and
    of those only with groups whose hull it touches: widths and heights computed from a hull are
    upper bounds in float32 too, since rounding is monotonic, and an empty intersection suppresses
    nothing (unless the threshold is negative: no group is skipped then).
    """
    x1, y1, x2, y2 = corners
    group_count = groups.max() + 1
    filled = np.zeros(group_count, np.int64)
    hulls = np.empty((4, group_count), np.float32)
    hulls[:2], hulls[2:] = np.inf, -np.inf
    left, top, right, bottom = hulls
    kept = np.empty((5, group_count * _GROUP), np.float32)
    keep = np.empty(x1.size, np.int64)
    count = 0
    for j in range(x1.size):
        area = (x2[j] - x1[j] + offset) * (y2[j] - y1[j] + offset)
        hit = False
        for g in range(group_count):
            width = min(right[g], x2[j]) - max(left[g], x1[j]) + offset
            height = min(bottom[g], y2[j]) - max(top[g], y1[j]) + offset
            if (width <= _ZERO or height <= _ZERO) and threshold >= _ZERO:
                continue
            near = kept[:, g * _GROUP:g * _GROUP + filled[g]]
            if _any_overlaps(near[0], near[1], near[2], near[3], near[4], x1[j], y1[j], x2[j],
                             y2[j], area, threshold, offset):
                hit = True
                break
        if not hit:
            g = groups[j]
            left[g], top[g] = min(left[g], x1[j]), min(top[g], y1[j])
            right[g], bottom[g] = max(right[g], x2[j]), max(bottom[g], y2[j])
            slot = g * _GROUP + filled[g]
            kept[0, slot], kept[1, slot], kept[2, slot] = x1[j], y1[j], x2[j]
            kept[3, slot], kept[4, slot] = y2[j], area
            filled[g] += 1
            keep[count] = j
            count += 1
    return keep[:count]


@_compiled
def _decay(iou, threshold, sigma, method):
    if method == _GAUSSIAN:
        return np.exp(-(iou * iou) / sigma)
    if iou >= threshold:
        return _ONE - iou if method == _LINEAR else _ZERO
    return _ONE


@_compiled
def _first_maximum(values, start, stop):
    best = start
    for k in range(start + 1, stop):
        if values[best] < values[k]:
            best = k
    return best


@_compiled
def softnms(boxes, dets, threshold, sigma, min_score, method, offset):
    """Indices that remain, (M, ) int64; fills the first M rows of ``dets`` (N, 5).

    ``boxes`` (N, 6) holds x1, y1, x2, y2, score, area and is overwritten: the best box moves to the
    front of the active part, a discarded one gives its place to the last active one.
    """
    count = len(boxes)
    inds = np.arange(count)
    i = 0
    while i < count:
        best = _first_maximum(boxes[:, 4], i, count)
        for c in range(6):
            boxes[i, c], boxes[best, c] = boxes[best, c], boxes[i, c]
        inds[i], inds[best] = inds[best], inds[i]
        x1, y1, x2, y2, score, area = boxes[i]
        dets[i] = boxes[i, :5]
        k = i + 1
        while k < count:
            iou = _iou(x1, y1, x2, y2, area, boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3],
                       boxes[k, 5], offset)
            boxes[k, 4] *= _decay(iou, threshold, sigma, method)
            if boxes[k, 4] < min_score:
                count -= 1
                boxes[k] = boxes[count]
                inds[k] = inds[count]
            else:
                k += 1
        i += 1
    return inds[:count]
