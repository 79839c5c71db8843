"""Boxes with labels that do not cover each other, for small pictures in documents."""

from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

# Okabe and Ito's colours, which colour-blind readers can tell apart; those that stand out first.
COLOURS = ('#D55E00', '#0072B2', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#F0E442')
DARK_TEXT = {'#E69F00', '#56B4E9', '#F0E442'}
LINE = 3
INSET = 5  # a box that lies on another one is drawn this many pixels inside of it
SAME = 6  # boxes whose sides differ by fewer pixels lie on each other

Rectangle = tuple[float, float, float, float]


def draw_labelled_boxes(
    image: np.ndarray, boxes: np.ndarray, texts: Sequence[str], groups: Sequence[int],
    text_size: int = 15,
) -> np.ndarray:
    """Draw boxes, then their labels where they hide no other label, inside of the picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (n, 4) xyxy in pixels, the best first: it has the first choice of a place.
        texts: n labels.
        groups: n numbers; boxes of one number have one colour, seven numbers differ.
        text_size: height of letters in pixels, about.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.truetype(findfont('DejaVu Sans'), text_size)
    placed: list[Rectangle] = []
    boxes = _apart(np.asarray(boxes, dtype=float).reshape(-1, 4))
    colours = [COLOURS[group % len(COLOURS)] for group in groups]
    for box, colour in reversed(list(zip(boxes, colours, strict=True))):
        x1, y1, x2, y2 = box
        # A box near the border must not lose a side, and one of no width is still a mark.
        x1, y1 = min(max(x1, 1), picture.width - 4), min(max(y1, 1), picture.height - 4)
        x2, y2 = max(min(x2, picture.width - 2), x1 + 1), max(min(y2, picture.height - 2), y1 + 1)
        pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline='white', width=LINE + 2)
        pen.rectangle((x1, y1, x2, y2), outline=colour, width=LINE)
    for box, text, colour in zip(boxes, texts, colours, strict=True):
        width, height = pen.textlength(text, font=font) + 6, text_size + 5
        place = _place(box, (width, height), picture.size, placed)
        placed.append(place)
        pen.rectangle(place, fill=colour)
        pen.text((place[0] + 3, (place[1] + place[3]) / 2), text, font=font, anchor='lm',
                 fill='black' if colour in DARK_TEXT else 'white')
    return np.asarray(picture).copy()


def _apart(boxes: np.ndarray) -> np.ndarray:
    """The boxes, with those that lie on an earlier one moved inside of it."""
    boxes = boxes.copy()
    for number in range(len(boxes)):
        while any(np.abs(boxes[number] - other).max() < SAME - 1 for other in boxes[:number]):
            boxes[number] += (INSET, INSET, -INSET, -INSET)
            if (boxes[number][2:] - boxes[number][:2]).min() < 2 * INSET:
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
    return min(places, key=lambda place: sum(_shared_area(place, other) for other in placed))


def _shared_area(one: Rectangle, other: Rectangle) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)
