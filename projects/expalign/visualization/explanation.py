"""Explanation pictures: alignment maps over the photograph, token weights beside them.

One row a prompt: the photograph with the prompt's boxes, the map of every level, and all levels in
one; where there are maps of tokens, a row of them below it. All maps of a picture share one colour
scale, so a prompt for something that is not there stays dark beside one that is found. The colours
(viridis) are in the same order of brightness for colour-blind readers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mmcv
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mmengine.structures import InstanceData

from expalign.structures.prompts import prompt_key
from expalign.structures.thresholds import SCORE_THR, ScoreThr, thresholds_of
from expalign.utils import finished_file

from .drawing import DRAWING
from .panels import COLOURS, draw_boxes, draw_map, draw_tokens, level_title
from .token_row import TokenRow

if TYPE_CHECKING:
    from expalign.structures.alignment import Alignment

MAX_ROWS = 6
DPI = 110
PANEL = 2.9  # width of a panel in inches, without the gap
MAX_RATIO = 3.0  # of a panel's sides; a longer image has white beside it
OVERSAMPLING = 1.5  # pixels of a picture per pixel of its panel, at most
GAP = 0.12
HEADER, TITLE, BAR = 0.1, 0.34, 1.0  # inches
TOKEN_LINE, TOKEN_LETTER = 0.22, 0.078  # height of a line of tokens, mean width of a letter
# Most cells are background; everything below this percentile of a picture's values is one colour.
LOWEST_PERCENT = 50


def save_explanation(
    stem: str | Path,
    image: np.ndarray,
    alignment: 'Alignment',
    found: InstanceData,
    prompts: Sequence[str] | None = None,
    score_thr: ScoreThr = SCORE_THR,
) -> None:
    """Write ``STEM.png`` and, with the maps and weights of all prompts, ``STEM.npz``.

    Arguments are those of :func:`draw_explanation`.
    """
    picture = draw_explanation(image, alignment, found, prompts, score_thr)
    # Not with_suffix: a photograph may be called 'a.b.jpg'.
    with finished_file(f'{stem}.png') as temporary:
        mmcv.imwrite(np.ascontiguousarray(picture[..., ::-1]), str(temporary))
    with finished_file(f'{stem}.npz') as temporary:
        alignment.save(temporary)


def draw_explanation(
    image: np.ndarray,
    alignment: 'Alignment',
    found: InstanceData,
    prompts: Sequence[str] | None = None,
    score_thr: ScoreThr = SCORE_THR,
) -> np.ndarray:
    """The explanation of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        alignment: its maps and weights.
        found: its predictions: ``bboxes``, ``scores``, ``labels``.
        prompts: rows of the picture; by default all, or the six with the best scores.
        score_thr: lowest score of a box that is drawn, see
            :func:`~expalign.structures.thresholds.thresholds_of`.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ValueError: a prompt that the image was not searched for.
    """
    best = best_scores(found, len(alignment.prompts))
    rows = _choose_rows(alignment, best, prompts)
    thresholds = thresholds_of(alignment.prompts, score_thr)
    with DRAWING:
        return _draw_rows(image, alignment, found, rows, best, thresholds)


def _draw_rows(
    image: np.ndarray, alignment: 'Alignment', found: InstanceData, rows: Sequence[int],
    best: np.ndarray, thresholds: Sequence[float],
) -> np.ndarray:
    levels = list(alignment.eams)
    small = _fit_to_panel(image)
    maps = {(row, level): alignment.on_image(row, level, small.shape[:2])
            for row in rows for level in levels}
    token_rows = {row: TokenRow(alignment, row, small.shape[:2], len(levels)) for row in rows
                  if alignment.token_maps is not None and len(alignment.tokens[row]) > 1}
    drawn = [*maps.values(), *(m for one in token_rows.values() for m in one.maps)]
    stacked = np.stack(drawn)
    scale = Normalize(float(np.percentile(stacked, LOWEST_PERCENT)), float(stacked.max()))
    lines = max(_token_lines(alignment.tokens[row]) for row in rows)
    figure, axes, bar = _layout(
        image.shape[:2], len(rows) + len(token_rows), 1 + len(levels), lines)
    # Panels hold few pixels; boxes stay in those of the image.
    extent = (0, image.shape[1], image.shape[0], 0)
    grey = mmcv.rgb2gray(small, keepdim=True)
    lines_of_panels = iter(axes)
    for number, row in enumerate(rows):
        photo, *panels = next(lines_of_panels)
        shown = (found.labels == row) & (found.scores >= thresholds[row])
        boxes = found.bboxes[shown].cpu().numpy()
        photo.imshow(small, extent=extent)
        draw_boxes(photo, boxes, 2.2)
        _fill_panel(photo, image.shape[:2])
        _row_title(photo, alignment.prompts[row], best[row], len(boxes), thresholds[row])
        for panel, level in zip(panels, levels, strict=True):
            draw_map(panel, grey, maps[row, level], scale, extent)
            draw_boxes(panel, boxes, 1.0)
            _fill_panel(panel, image.shape[:2])
            if level in alignment.token_weights:
                draw_tokens(panel, alignment.weights_of(row, level))
            if number == 0:
                panel.set_title(level_title(level), fontsize=10)
        if row in token_rows:
            panels = next(lines_of_panels)[1:]
            token_rows[row].draw(panels, grey, scale, extent)
            for panel in panels:
                _fill_panel(panel, image.shape[:2])
    _colour_bar(figure, bar, scale)
    return _render(figure)


def _fit_to_panel(image: np.ndarray) -> np.ndarray:
    """The image with no more pixels than are seen."""
    height, width = image.shape[:2]
    seen = OVERSAMPLING * PANEL * DPI
    scale = min(1, seen / width, seen * _ratio((height, width)) / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return mmcv.imresize(np.ascontiguousarray(image), size, interpolation='area')


def _ratio(size: tuple[int, int]) -> float:
    """Height of the panel of an image (H, W), in widths."""
    return min(max(size[0] / size[1], 1 / MAX_RATIO), MAX_RATIO)


def _fill_panel(panel: Axes, size: tuple[int, int]) -> None:
    """Centre the image (H, W) in the panel, which is wider or taller where it is very long."""
    height, width = size
    ratio = _ratio(size)
    x, y = max(0, height / ratio - width) / 2, max(0, width * ratio - height) / 2
    panel.set(xlim=(-x, width + x), ylim=(height + y, -y))


def best_scores(found: InstanceData, num_prompts: int) -> np.ndarray:
    """The best score (K) of every prompt; 0 where it has no box."""
    best = np.zeros(num_prompts)
    np.maximum.at(best, found.labels.cpu().numpy(), found.scores.cpu().numpy())
    return best


def _choose_rows(
    alignment: 'Alignment', best: np.ndarray, prompts: Sequence[str] | None
) -> list[int]:
    if prompts is not None:
        rows: dict[str, int] = {}
        for row, prompt in enumerate(alignment.prompts):
            rows.setdefault(prompt_key(prompt), row)
        unknown = [prompt for prompt in prompts if prompt_key(prompt) not in rows]
        if unknown or not prompts:
            raise ValueError(
                f'no explanation for the prompt {(unknown or [""])[0]!r}: the image was searched '
                f'for {alignment.prompts[:MAX_ROWS]}')
        return [rows[prompt_key(prompt)] for prompt in prompts]
    if len(best) <= MAX_ROWS:
        return list(range(len(best)))
    return np.argsort(-best, kind='stable')[:MAX_ROWS].tolist()


def _token_lines(tokens: Sequence[str]) -> int:
    """Lines that a prompt's tokens take below a panel; one too many rather than one too few."""
    letters = sum(len(token) + 5 for token in tokens)
    return 1 + int(letters * TOKEN_LETTER / PANEL)


def _layout(
    size: tuple[int, int], num_rows: int, num_columns: int, token_lines: int
) -> tuple[Figure, list[list[Axes]], Axes]:
    """Panels of about the photograph's shape, a row of them with room for title and tokens each."""
    height = PANEL * _ratio(size)
    row_height = TITLE + height + (token_lines + 0.5) * TOKEN_LINE
    total = (GAP + num_columns * (PANEL + GAP) + BAR, HEADER + num_rows * row_height)
    figure = Figure(figsize=total, dpi=DPI, facecolor='white')
    FigureCanvasAgg(figure)

    def add(left: float, top: float, width: float, tall: float) -> Axes:
        return figure.add_axes(
            (left / total[0], 1 - (top + tall) / total[1], width / total[0], tall / total[1]))

    axes = []
    for row in range(num_rows):
        top = HEADER + row * row_height + TITLE
        axes.append([add(GAP + column * (PANEL + GAP), top, PANEL, height)
                     for column in range(num_columns)])
    for axis in (axis for row in axes for axis in row):
        axis.set_axis_off()
    tall = min(height, 3.0)
    bar = add(GAP + num_columns * (PANEL + GAP) + 0.05, HEADER + TITLE, 0.16, tall)
    return figure, axes, bar


def _row_title(axis: Axes, prompt: str, best: float, num_boxes: int, score_thr: float) -> None:
    if num_boxes:
        verdict = f'{num_boxes} box{"es" if num_boxes > 1 else ""}, best score {best:.2f}'
    else:
        verdict = f'no box above {score_thr:g}, best score {best:.2f}'
    axis.annotate(prompt, (0, 1), (0, 3), 'axes fraction', 'offset points', va='bottom',
                  fontsize=13, fontweight='bold', parse_math=False)
    axis.annotate(verdict, (0, 0), (0, -3), 'axes fraction', 'offset points', va='top',
                  fontsize=10)


def _colour_bar(figure: Figure, axis: Axes, scale: Normalize) -> None:
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), cax=axis, extend='min')
    bar.set_label('alignment', fontsize=10)
    bar.ax.tick_params(labelsize=9)


def _render(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
