"""Simple objects, drawn."""

import cv2
import numpy as np

SUPERSAMPLING = 4


def draw_shape(name: str, centre: tuple[float, float], radius: float, angle: float,
               size: tuple[int, int]) -> np.ndarray:
    """The part (H, W) of every pixel that a shape covers, float32 in [0, 1].

    Args:
        name: one of :data:`~.words.SHAPES`.
        centre: x and y in pixels.
        radius: half of its width, about.
        angle: radians it is turned by.
        size: H and W.

    Raises:
        ValueError: no such shape.
    """
    outline = np.array(_outline(name)) * radius
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (outline @ turn + centre) * SUPERSAMPLING
    height, width = size
    canvas = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 255)
    if name == 'ring':
        hole = tuple(int(round(x * SUPERSAMPLING)) for x in centre)
        cv2.circle(canvas, hole, int(radius * 0.55 * SUPERSAMPLING), 0, -1)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _outline(name: str) -> list[tuple[float, float]]:
    """Corners in [-1, 1], y downwards."""
    if name in ('circle', 'ring'):
        return _polar(1.0, 48)
    if name == 'heart':
        t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return list(zip(np.sin(t)**3, -y / 16, strict=True))
    if name == 'star':
        tips, dents = _polar(1.0, 5), _polar(0.42, 5, 0.5)
        return [point for pair in zip(tips, dents, strict=True) for point in pair]
    corners = {
        'box': [(-.8, -.8), (.8, -.8), (.8, .8), (-.8, .8)],
        'triangle': [(0, -1), (.95, .75), (-.95, .75)],
        'diamond': [(0, -1), (.65, 0), (0, 1), (-.65, 0)],
        'cross': [(-.3, -1), (.3, -1), (.3, -.3), (1, -.3), (1, .3), (.3, .3),
                  (.3, 1), (-.3, 1), (-.3, .3), (-1, .3), (-1, -.3), (-.3, -.3)]}
    if name not in corners:
        raise ValueError(f'unknown shape {name!r}')
    return corners[name]


def _polar(radius: float, count: int, shift: float = 0.0) -> list[tuple[float, float]]:
    angles = (np.arange(count) + shift) * 2 * np.pi / count - np.pi / 2
    return list(zip(radius * np.cos(angles), radius * np.sin(angles), strict=True))
