"""COCO segmentations, polygons and run-length encodings, read without trusting them.

pycocotools draws whatever it gets: a coordinate of 1e9 takes gigabytes, one that is no number or an
encoding that does not end reads memory that is not its own.
"""

from collections.abc import Sequence

import numpy as np
import pycocotools.mask as coco_mask

from expalign.limits import POLYGON_REACH
from expalign.utils.shown import shown

MAX_LETTERS = 7  # of one number in a compressed encoding, five bits each
DAMAGED = "the 'counts' of a run-length encoding are damaged"


def checked_polygon(coordinates: object, size: tuple[int, int]) -> np.ndarray:
    """A polygon (x1, y1, x2, y2, ...) as float32.

    Args:
        coordinates: as the file has them.
        size: height and width of the image.

    Raises:
        TypeError: it is no list.
        ValueError: a coordinate is no finite number, or far outside of the image
            (:data:`expalign.limits.POLYGON_REACH`).
    """
    if not isinstance(coordinates, Sequence | np.ndarray) or isinstance(coordinates, str):
        raise TypeError(
            f'a polygon must be a list of coordinates (x1, y1, ...), got {shown(coordinates)}')
    polygon = np.asarray(coordinates)
    if not polygon.size:
        return np.zeros(0, dtype=np.float32)
    if polygon.ndim != 1 or polygon.dtype.kind not in 'iuf':
        raise ValueError('could not convert a polygon to coordinates: it must be a flat list of '
                         f'numbers, got {shown(coordinates)}')
    if not np.isfinite(polygon).all():
        raise ValueError('a polygon has a coordinate that is not finite')
    reach = POLYGON_REACH.value * max(size)
    far = polygon[(polygon < -reach) | (polygon > reach + max(size))]
    if far.size:
        raise ValueError(
            f'a polygon has the coordinate {far[0]:g}, further from the image of {size[1]} x '
            f'{size[0]} than {POLYGON_REACH.value} {POLYGON_REACH.unit} (the limit '
            f'{POLYGON_REACH.variable})')
    return polygon.astype(np.float32)


def mask_of_encoding(rle: dict, size: tuple[int, int]) -> np.ndarray:
    """The (H, W) uint8 mask of a run-length encoding, compressed or not.

    Args:
        rle: ``counts`` and ``size``.
        size: height and width of the image.

    Raises:
        ValueError: it is of another size than the image, or damaged.
    """
    if 'counts' not in rle or not _is_size(rle.get('size'), size):
        raise ValueError(
            f"a run-length encoding of size {shown(rle.get('size'))} (height, width) with the keys "
            f"{sorted(rle)} does not fit the image of size {list(size)}: it needs 'counts' and "
            "the image's 'size'")
    counts = _runs(rle['counts'])
    pixels = size[0] * size[1]
    if counts.size and (counts.min() < 0 or counts.max() > pixels):
        raise ValueError(f'{DAMAGED}: a run is shorter than 0 or longer than the image')
    if int(counts.sum()) != pixels:
        raise ValueError("the 'counts' of a run-length encoding do not fill its size")
    return coco_mask.decode(coco_mask.frPyObjects(
        dict(size=list(size), counts=counts.tolist()), *size))


def _is_size(value: object, size: tuple[int, int]) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and tuple(value) == tuple(size)


def _runs(counts: object) -> np.ndarray:
    """The lengths of the runs, int64."""
    if isinstance(counts, str):
        counts = counts.encode('ascii', 'replace')
    if isinstance(counts, bytes):
        return decompressed(counts)
    if not isinstance(counts, list | tuple):
        raise ValueError(f'{DAMAGED}: they must be a list or text, got {shown(counts)}')
    runs = np.asarray(counts) if counts else np.zeros(0, dtype=np.int64)
    if runs.ndim != 1 or runs.dtype.kind not in 'iu':
        raise ValueError(f'{DAMAGED}: they must be whole numbers, got {shown(counts)}')
    return runs.astype(np.int64)


def decompressed(counts: bytes) -> np.ndarray:
    """The lengths of the runs of a compressed encoding, int64.

    The form is pycocotools' (``rleFrString``): numbers of five bits a letter, from the low end,
    with a sixth bit where one more letter follows; from the fourth number on, differences from the
    number before the last.

    Raises:
        ValueError: a letter is none of these, or the last number does not end.
    """
    letters = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if not letters.size:
        return letters
    if letters.min() < 0 or letters.max() > 63:
        raise ValueError(f'{DAMAGED}: they have a letter that no encoding has')
    ends = np.flatnonzero(letters < 32)
    if not ends.size or ends[-1] != letters.size - 1:
        raise ValueError(f'{DAMAGED}: they do not end')
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > MAX_LETTERS:
        raise ValueError(f'{DAMAGED}: a run is longer than any image')
    place = np.arange(letters.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((letters & 31) << (5 * place), starts)
    numbers -= ((letters[ends] & 16) > 0) * (1 << (5 * lengths))  # the highest bit is the sign
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
