"""Numbers and shapes of label files as pixels."""

import math

from expalign.datasets.formats.fields import number

POINTS = 36  # of the outline of a circle or an ellipse


def number_of(value: object) -> float | None:
    """A finite number, also as text with white space around it; None for anything else."""
    found = number(value.strip() if isinstance(value, str) else value)
    return None if found is None else float(found)


def whole_of(value: object) -> int | None:
    """A whole number, also as text or as 640.0; None for anything else."""
    found = number_of(value)
    return int(found) if found is not None and abs(found) < 2**53 and found == int(found) else None


def rotated_extent(x: float, y: float, width: float, height: float, angle: float
                   ) -> tuple[float, float, float, float]:
    """The upright box (x1, y1, x2, y2) around one that is turned about its centre.

    Args:
        x: of the centre.
        y: of the centre.
        width: before the turn.
        height: before the turn.
        angle: radians.
    """
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    half_width = (width * cos + height * sin) / 2
    half_height = (width * sin + height * cos) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def ellipse(x: float, y: float, x_radius: float, y_radius: float, angle: float = 0.0
            ) -> list[float]:
    """The outline of an ellipse as a polygon of 36 points whose extent is that of the ellipse
    where it is upright.

    Args:
        x: of the centre.
        y: of the centre.
        x_radius: along the first axis.
        y_radius: along the second.
        angle: of the first axis, radians.
    """
    points = []
    for step in range(POINTS):
        along = x_radius * math.cos(2 * math.pi * step / POINTS)
        across = y_radius * math.sin(2 * math.pi * step / POINTS)
        points += [x + along * math.cos(angle) - across * math.sin(angle),
                   y + along * math.sin(angle) + across * math.cos(angle)]
    return points
