"""The parts of an explanation: a map over a grey photograph, boxes, tokens with their weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

COLOURS = colormaps['viridis']
TOKEN_COLOURS = colormaps['Blues']
BOX = '#ff7f0e'
# How much of a map's colour covers the grey photograph.
OPACITY = 0.68
TOKEN_SIZE = 9


def draw_map(
    axis: Axes,
    grey: np.ndarray,
    values: np.ndarray,
    scale: Normalize,
    extent: tuple[float, float, float, float] | None = None,
) -> None:
    """Colours of a map over a grey photograph, see :func:`mixed`.

    ``extent`` is what the axes count: left, right, bottom, top; pixels of the map by default.
    """
    axis.imshow(mixed(grey, values, scale), extent=extent)


def mixed(grey: np.ndarray, values: np.ndarray, scale: Normalize) -> np.ndarray:
    """Colours of a map (H, W) over a grey photograph (H, W, 1) uint8, as (H, W, 3) uint8."""
    colours = COLOURS(scale(values), bytes=True)[..., :3]
    picture = (1 - OPACITY) * grey.astype(np.float32) + np.float32(OPACITY) * colours
    return picture.round().astype(np.uint8)


def level_title(level: str) -> str:
    """What a level is called above its maps."""
    if level.startswith('P') and level[1:].isdigit():
        return f'{level} (stride {2 ** int(level[1:])})'
    return 'all levels, fused'


def draw_boxes(axis: Axes, boxes: np.ndarray, width: float) -> None:
    """Outlines of boxes (n, 4) xyxy in pixels, with a dark rim that shows on any background."""
    for x1, y1, x2, y2 in boxes:
        for line, colour in ((width + 1.6, 'black'), (width, BOX)):
            axis.add_patch(Rectangle(
                (x1, y1), x2 - x1, y2 - y1, fill=False, linewidth=line, edgecolor=colour))


def draw_tokens(axis: Axes, weights: Sequence[tuple[str, float]]) -> None:
    """Tokens with their weights below a panel, the heavier the darker, as many lines as needed."""
    renderer = axis.figure.canvas.get_renderer()
    area = axis.get_window_extent(renderer)
    pixel = axis.figure.dpi / 72  # per point
    pad, line_height = 3 * pixel, TOKEN_SIZE * 1.75 * pixel
    x, y = pad, -line_height * 0.75
    for name, weight in weights:
        text = axis.annotate(
            f'{name} {short(weight)}', (0, 0), xytext=(x, y), xycoords='axes pixels',
            textcoords='offset pixels', fontsize=TOKEN_SIZE, va='center', annotation_clip=False,
            parse_math=False, color='white' if weight > 0.6 else 'black',
            bbox=dict(boxstyle='round,pad=0.18', linewidth=0,
                      facecolor=TOKEN_COLOURS(0.06 + 0.9 * weight)))
        width = text.get_window_extent(renderer).width
        if x > pad and x + width > area.width:
            x, y = pad, y - line_height
            text.set_position((x, y))
        x += width + 2.6 * pad


def short(weight: float) -> str:
    """A weight in [0, 1] with two digits and no leading zero: '.31', '1.0'."""
    return '1.0' if weight >= 0.995 else f'{weight:.2f}'[1:]
