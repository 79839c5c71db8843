"""Boxes and masks with labels that do not cover each other."""

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw

from .label_fonts import LabelFont

# Okabe and Ito's colours, which colour-blind readers can tell apart; those that stand out first.
COLOURS = ('#D55E00', '#0072B2', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#F0E442')
DARK_TEXT = {'#E69F00', '#56B4E9', '#F0E442'}
TEXT_SIZE = 15  # of pictures of every size; the pixels below are for letters of this height
SMALL_SIZE, SMALL_SIDE = 12, 320  # of thumbnails, which larger letters would cover
LINE = 3
OUTLINE = 2  # of a mask
INSET = 5  # a box that lies on another one is drawn this many pixels inside of it
SAME = 6  # boxes whose sides differ by fewer pixels lie on each other
OPACITY = 0.45  # of a mask: what lies below stays recognisable

Rectangle = tuple[float, float, float, float]


def draw_labelled_boxes(
    image: np.ndarray, boxes: np.ndarray, texts: Sequence[str], groups: Sequence[int],
    text_size: int | None = None, masks: Iterable[Any] | None = None,
) -> np.ndarray:
    """Draw masks, boxes, then labels where they hide no other label, inside of the picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (n, 4) xyxy in pixels, the best first: it has the first choice of a place.
        texts: n labels.
        groups: n numbers; boxes of one number have one colour, seven numbers differ.
        text_size: height of letters in pixels, about; lines are in proportion. None: the same for
            all pictures but thumbnails.
        masks: n masks (H, W), or encodings of one each that ``mask[:]`` decodes.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if text_size is None:
        text_size = TEXT_SIZE if max(image.shape[:2]) > SMALL_SIDE else SMALL_SIZE
    scale = text_size / TEXT_SIZE
    colours = [COLOURS[group % len(COLOURS)] for group in groups]
    image = np.array(image)
    if masks is not None:
        _draw_masks(image, masks, colours, scale)
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    font = LabelFont(text_size)
    placed: list[Rectangle] = []
    boxes = _apart(np.asarray(boxes, dtype=float).reshape(-1, 4), scale)
    for box, colour in reversed(list(zip(boxes, colours, strict=True))):
        _draw_box(pen, box, picture.size, colour, max(1, round(LINE * scale)))
    for box, text, colour in zip(boxes, texts, colours, strict=True):
        width, height = font.length(text) + 6 * scale, text_size + 5 * scale
        place = _place(box, (width, height), picture.size, placed)
        placed.append(place)
        pen.rectangle(place, fill=colour)
        font.draw(pen, (place[0] + 3 * scale, (place[1] + place[3]) / 2), text,
                  'black' if colour in DARK_TEXT else 'white')
    return np.asarray(picture).copy()


def _draw_masks(image: np.ndarray, masks: Iterable[Any], colours: Sequence[str], scale: float
                ) -> None:
    """Tint masks, small ones on top, and draw their outlines with white rims, in place."""
    original, parts = image.copy(), []
    for mask, colour in zip(masks, colours, strict=True):
        pixels = mask[:].astype(np.uint8)
        left, top, width, height = cv2.boundingRect(pixels)
        parts.append((
            pixels[top:top + height, left:left + width], left, top, ImageColor.getrgb(colour)))
    parts.sort(key=lambda part: -int(part[0].sum()))
    for pixels, left, top, colour in parts:
        window = np.s_[top:top + pixels.shape[0], left:left + pixels.shape[1]]
        inside = pixels.astype(bool)
        # From the photograph: colours of masks that overlap would mix to one of no prompt.
        image[window][inside] = np.rint(
            (1 - OPACITY) * original[window][inside] + OPACITY * np.array(colour))
    for pixels, left, top, colour in parts:
        outlines, _ = cv2.findContours(
            pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
        for width, paint in ((OUTLINE + 2, (255, 255, 255)), (OUTLINE, colour)):
            cv2.drawContours(image, outlines, -1, paint, max(1, round(width * scale)), cv2.LINE_AA)


def _draw_box(
    pen: ImageDraw.ImageDraw, box: np.ndarray, picture: tuple[int, int], colour: str, line: int
) -> None:
    x1, y1, x2, y2 = box
    # A box near the border must not lose a side, and one of no width is still a mark.
    x1, y1 = min(max(x1, 1), picture[0] - 4), min(max(y1, 1), picture[1] - 4)
    x2, y2 = max(min(x2, picture[0] - 2), x1 + 1), max(min(y2, picture[1] - 2), y1 + 1)
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline='white', width=line + 2)
    pen.rectangle((x1, y1, x2, y2), outline=colour, width=line)


def _apart(boxes: np.ndarray, scale: float = 1) -> np.ndarray:
    """The boxes, with those that lie on an earlier one moved inside of it."""
    boxes, inset, same = boxes.copy(), INSET * scale, SAME * scale - 1
    for number in range(len(boxes)):
        while (np.abs(boxes[:number] - boxes[number]).max(1, initial=0) < same).any():
            boxes[number] += (inset, inset, -inset, -inset)
            if (boxes[number][2:] - boxes[number][:2]).min() < 2 * inset:
                break
    return boxes


def _place(
    box: np.ndarray, size: tuple[float, float], picture: tuple[int, int],
    placed: Sequence[Rectangle],
) -> Rectangle:
    """Where a label goes: above its box, or the first place where it hides least of the others."""
    (x1, y1, x2, y2), (width, height) = box, size
    above = [(x1, y1 - height), (x2 - width, y1 - height)]
    beside = [(x2 + LINE, y1), (x1 - width - LINE, y1)]
    within = [(x1, y1), (x2 - width, y1), (x1, y2 - height), (x2 - width, y2 - height)]
    below = [(x1, y2), (x2 - width, y2)]
    # Within a small box a label would hide what was found.
    small = 3 * width * height > (x2 - x1) * (y2 - y1)
    corners = above + (beside + below + within if small else within + below + beside)
    corners += [(x1, y1 + step * height) for step in range(1, 8)]
    places = []
    for x, y in corners:
        x = min(max(x, 0), max(picture[0] - width, 0))
        y = min(max(y, 0), max(picture[1] - height, 0))
        places.append((x, y, x + width, y + height))
    return places[int(_shared_areas(np.array(places), np.array(placed).reshape(-1, 4)).argmin())]


def _shared_areas(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area (n) that each of n rectangles shares with m others, together."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    return (high - low).clip(0).prod(-1).sum(1)
