"""Colours and textures on parts of an image.

Axes: H, W pixels; images are (H, W, 3) uint8 in BGR order, as OpenCV has them.
"""

import cv2
import numpy as np

from .words import COLOURS, TEXTURES

SOFT_EDGE = 0.8  # pixels
DARK, LIGHT = 38.0, 225.0  # grey levels of a pattern


def paint(image: np.ndarray, alpha: np.ndarray, attribute: str, rng: np.random.Generator
          ) -> np.ndarray:
    """The image with a colour or a texture where ``alpha`` (H, W) in [0, 1] is; light and shade
    stay.

    Raises:
        ValueError: an unknown attribute, or nothing to paint on.
    """
    if attribute not in COLOURS and attribute not in TEXTURES:
        raise ValueError(f'unknown attribute {attribute!r}')
    if not (alpha > 0.5).any():
        raise ValueError('nothing to paint on: the mask is empty')
    shade = _shade(image, alpha)[..., None]
    surface = (pattern(attribute, alpha, rng)[..., None] if attribute in TEXTURES
               else _jittered(COLOURS[attribute], rng))
    # Deep colours show no light by a factor alone.
    painted = surface * shade + 22 * (shade - 1)
    return blend(image, painted, alpha)


def blend(image: np.ndarray, surface: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """``surface`` over the image where ``alpha`` (H, W) is 1."""
    alpha = alpha[..., None]
    mixed = image.astype(np.float32) * (1 - alpha) + np.clip(surface, 0, 255) * alpha
    return np.round(mixed).astype(np.uint8)


def soft(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) bool with a soft edge, float32 in [0, 1]; above 0.5 inside of the mask."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT_EDGE)
    return np.where(mask, np.maximum(blurred, 0.6), np.minimum(blurred, 0.5)).astype(np.float32)


def pattern(texture: str, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey levels (H, W) of a texture as wide as the painted part asks for."""
    rows, columns = np.nonzero(alpha > 0.5)
    side = max(min(np.ptp(rows), np.ptp(columns)) + 1, 8)
    period = side / rng.uniform(2.5, 4.5)
    period = max(period, 7.0)
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:alpha.shape[0], :alpha.shape[1]].astype(np.float32)
    u = (np.cos(angle) * x + np.sin(angle) * y) / period + rng.uniform()
    v = (np.cos(angle) * y - np.sin(angle) * x) / period + rng.uniform()
    if texture == 'striped':
        light = u % 1 < 0.5
    elif texture == 'checkered':
        light = (u % 1 < 0.5) ^ (v % 1 < 0.5)
    else:
        light = (u % 1 - 0.5)**2 + (v % 1 - 0.5)**2 > 0.3**2
        if rng.integers(2):
            light = ~light
    return np.where(light, LIGHT, DARK).astype(np.float32)


def background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A pale or dull surface with a gradient and noise, without an attribute to speak of."""
    corners = rng.uniform(90, 215, (2, 2, 1)) + rng.uniform(-18, 18, (2, 2, 3))
    image = cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    coarse = rng.normal(0, 9, (height // 8 + 1, width // 8 + 1)).astype(np.float32)
    image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    image += rng.normal(0, 3, (height, width, 1)).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _shade(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Light of every pixel relative to the painted part's mean, (H, W)."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = max(float(grey[alpha > 0.5].mean()), 25.0)
    return np.clip((grey / mean)**0.8, 0.45, 1.6)


def _jittered(rgb: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """A colour in BGR, a little off."""
    return np.array(rgb[::-1], np.float32) + rng.uniform(-12, 12, 3).astype(np.float32)
