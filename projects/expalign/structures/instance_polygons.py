"""Instance masks as polygons, some of which may be absent.

An instance without a mask has one polygon without points. It goes through every transform of
mmdet and mmyolo as it is, so whether an instance has a mask need not be carried beside the masks.

A polygon is a flat array (x1, y1, x2, y2, ...) in pixels, pixel i reaching from i to i + 1.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from mmdet.structures.mask import PolygonMasks

from .segmentation import checked_polygon, mask_of_encoding

MIN_COORDINATES = 6  # of a polygon: three points
Polygons = list[np.ndarray]


class InstancePolygons(PolygonMasks):
    """mmdet's polygons, except that :meth:`translate` leaves them whole.

    mmdet's moves the points that leave the image to its border one by one, which changes the
    shape inside; :func:`clip_polygon` cuts where the border is.
    """

    def resize(self, out_shape: Sequence[int], interpolation: str | None = None):
        """Scale to an image of (height, width) ``out_shape``."""
        return type(self)(super().resize(out_shape, interpolation).masks, *out_shape)

    def translate(self, out_shape: Sequence[int], offset: float, direction: str = 'horizontal',
                  border_value: float | None = None, interpolation: str | None = None):
        """Shift by ``offset`` pixels along x (``'horizontal'``) or y (``'vertical'``)."""
        shift = np.array((offset, 0) if direction == 'horizontal' else (0, offset), np.float32)
        moved = [[(p.reshape(-1, 2) + shift).ravel() for p in polygons] for polygons in self.masks]
        return type(self)(moved, *out_shape)


def absent() -> Polygons:
    """The polygons of an instance without a mask."""
    return [np.zeros(0, dtype=np.float32)]


def has_mask(masks: PolygonMasks) -> np.ndarray:
    """Which of the G instances have a mask, (G,) bool."""
    return np.array([any(map(len, polygons)) for polygons in masks.masks], dtype=bool)


def polygons_of(annotation: list | dict, size: tuple[int, int]) -> Polygons:
    """The polygons of a COCO ``segmentation``; :func:`absent` where there is no area.

    Polygons of fewer than three points or of an odd number of coordinates do not count.

    Args:
        annotation: list of polygons, or a run-length encoding, compressed or not.
        size: height and width of the image.

    Raises:
        TypeError: it is neither.
        ValueError: the encoding is of another size than the image, has none, or is damaged; a
            coordinate is no finite number, or far outside of the image.
    """
    if isinstance(annotation, dict):
        polygons = outlines(mask_of_encoding(annotation, size))
    elif isinstance(annotation, list):
        polygons = [p for p in (checked_polygon(p, size) for p in annotation) if is_polygon(p)]
    else:
        raise TypeError(
            f'a segmentation must be a list of polygons or a run-length encoding, got '
            f'{type(annotation).__name__}')
    return polygons or absent()


def usable_segmentation(
    annotation: list | dict | None, size: tuple[int, int]
) -> list | dict | None:
    """A COCO ``segmentation`` as it is, without its polygons that are none; None without area.

    Which instances have a mask is decided as :func:`polygons_of` does.

    Args:
        annotation: see :func:`polygons_of`, or None.
        size: height and width of the image.

    Raises:
        TypeError, ValueError: see :func:`polygons_of`.
    """
    if isinstance(annotation, list):
        return [p for p in annotation if is_polygon(checked_polygon(p, size))] or None
    if isinstance(annotation, dict) and annotation:
        return annotation if mask_of_encoding(annotation, size).any() else None
    return None if not annotation else polygons_of(annotation, size)


def is_polygon(polygon: Sequence[float] | np.ndarray) -> bool:
    """Whether it has three points or more; others have no area and do not count."""
    return len(polygon) >= MIN_COORDINATES and len(polygon) % 2 == 0


def outlines(mask: np.ndarray) -> Polygons:
    """Polygons along the pixel edges of a mask (H, W): drawn again, they give the same mask.

    Each hole is joined to the outline around it by a seam that is walked in both directions.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return []
    # Only where there is something; a grid of a whole image takes much time and memory.
    top, left = int(rows[0]), int(columns[0])
    mask = mask[top:rows[-1] + 1, left:columns[-1] + 1]
    # Twice as fine a grid has pixel centres at odd places and pixel corners at even ones.
    grid = np.zeros([2 * length + 1 for length in mask.shape], dtype=np.uint8)
    grid[1::2, 1::2] = mask
    grown = cv2.dilate(grid, np.ones((3, 3), dtype=np.uint8))
    contours, hierarchy = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array((left, top), dtype=np.float32)
    points = [contour[:, 0] / np.float32(2) + corner for contour in contours]
    parents = hierarchy[0, :, 3]
    joined = {index: points[index] for index in np.flatnonzero(parents < 0)}
    for index in np.flatnonzero(parents >= 0):
        joined[parents[index]] = _join(joined[parents[index]], points[index])
    return [outline.ravel() for outline in joined.values()]


def _join(outline: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One closed line (n, 2) along an outline and a hole in it; the seam may lie anywhere."""
    i = np.square(outline - hole[0]).sum(-1).argmin()
    return np.concatenate([outline[:i + 1], hole, hole[:1], outline[i:]])


def clip_polygon(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a polygon inside an image of (height, width) (Sutherland and Hodgman, 1974).

    An array without points where nothing is left.
    """
    points = polygon.reshape(-1, 2)
    if len(points):  # most are wholly inside or outside
        limits = np.array(size[::-1])
        low, high = points.min(0), points.max(0)
        if (low >= 0).all() and (high <= limits).all():
            return polygon.ravel()
        if (high < 0).any() or (low > limits).any():
            return points[:0].ravel()
    for axis, length in ((0, size[1]), (1, size[0])):
        points = _cut(points, points[:, axis])
        points = _cut(points, length - points[:, axis])
    return points.ravel()


def _cut(points: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The part of a polygon (n, 2) where a linear function, given at its points, is positive."""
    if (inside >= 0).all():
        return points
    following, inside_following = np.roll(points, -1, axis=0), np.roll(inside, -1)
    crosses = (inside > 0) != (inside_following > 0)
    span = np.where(crosses, inside - inside_following, 1)
    crossings = points + (inside / span)[:, None] * (following - points)
    candidates = np.stack([points, crossings], axis=1)  # (n, 2, 2): in the order of the walk
    return candidates[np.stack([inside > 0, crosses], axis=1)].astype(points.dtype)


def project_polygon(polygon: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A polygon through a homography (3, 3)."""
    points = polygon.reshape(-1, 2)
    homogeneous = np.concatenate([points, np.ones_like(points[:, :1])], axis=1) @ matrix.T
    return (homogeneous[:, :2] / homogeneous[:, 2:]).astype(polygon.dtype).ravel()
