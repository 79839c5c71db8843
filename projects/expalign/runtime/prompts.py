"""The prompts of a call of the ONNX detector, with their features.

Axes: K prompts, U scored ones, L tokens, D width.
"""

from collections.abc import Sequence

import numpy as np


class OnnxPrompts:
    """What a call searches for; nothing of it changes.

    Args:
        names: K prompts.
        rows: which of them the network scores, U indices: of equal ones the first.
        txt_feats: (U, L, D); None where the graph has them inside.
        txt_masks: (U, L), True at real tokens.
    """

    def __init__(self, names: tuple[str, ...], rows: Sequence[int],
                 txt_feats: np.ndarray | None = None,
                 txt_masks: np.ndarray | None = None) -> None:
        self.names = names
        self._rows = np.array(rows, dtype=np.int64)
        self._features: dict[str, np.ndarray] = {}
        if txt_feats is not None:
            self._features = dict(
                txt_feats=np.ascontiguousarray(txt_feats, dtype=np.float32),
                txt_masks=np.ascontiguousarray(txt_masks, dtype=bool))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Indices (n) into ``names`` of rows (n) of the network."""
        return self._rows[rows]

    def inputs(self) -> dict[str, np.ndarray]:
        """The network's inputs beside the images."""
        return self._features
