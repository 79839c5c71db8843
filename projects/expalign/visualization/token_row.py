"""The row of an explanation with the maps of a prompt's tokens (paper, Fig. 2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from expalign.structures.alignment import FUSED

from .panels import draw_map, short

if TYPE_CHECKING:
    from expalign.structures.alignment import Alignment


class TokenRow:
    """Maps of the tokens that weigh most, all levels in one, in the order of the prompt.

    Args:
        alignment: with ``token_maps``.
        prompt: its number.
        size: height and width of a map in pixels.
        panels: maps at most.

    Attributes:
        maps: (height, width) each.
        titles: the token, and its weight pi as a mean over the levels.
    """

    def __init__(
        self, alignment: 'Alignment', prompt: int, size: tuple[int, int], panels: int
    ) -> None:
        names = alignment.tokens[prompt]
        weights = np.mean([pi[prompt, :len(names)] for pi in alignment.token_weights.values()], 0)
        chosen = sorted(np.argsort(-weights, kind='stable')[:panels].tolist())
        self.maps = [alignment.token_on_image(prompt, token, FUSED, size) for token in chosen]
        self.titles = [f'{names[token]}  {short(weights[token])}' for token in chosen]

    def draw(
        self, panels: Sequence[Axes], grey: np.ndarray, scale: Normalize,
        extent: tuple[float, float, float, float],
    ) -> None:
        """Draw into the first panels; see :func:`.panels.draw_map` for the arguments."""
        for panel, values, title in zip(panels, self.maps, self.titles, strict=False):
            draw_map(panel, grey, values, scale, extent)
            panel.set_title(title, fontsize=10, parse_math=False)
