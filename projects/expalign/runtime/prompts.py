"""The prompts of a call of the ONNX detector, with their features.

Axes: K prompts, U scored ones, L tokens, D width.
"""

from collections.abc import Sequence

import numpy as np

from expalign.structures.prompts import first_occurrences
from expalign.structures.token_prompt import TokenPrompt

from .settings import DetectorSettings
from .text_side import OnnxTextSide


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


def encode_prompts(
    names: tuple[str, ...], text_side: OnnxTextSide | None, settings: DetectorSettings
) -> OnnxPrompts:
    """Prompts with their features: their own tokens where they bring them.

    Args:
        names: K prompts.
        text_side: encodes words; None where nothing does.
        settings: of the detector.

    Raises:
        ValueError: nothing encodes a word; or a prompt's tokens are of another model, or the
            network is gated by the very prompts.
    """
    rows = sorted(set(first_occurrences(names)))
    scored = [names[row] for row in rows]
    parts = [_own_tokens(prompt, settings) if isinstance(prompt, TokenPrompt) else None
             for prompt in scored]
    words = [prompt for prompt, part in zip(scored, parts, strict=True) if part is None]
    if words:
        if text_side is None:
            raise ValueError('no text side: give OnnxDetector(model, text_side=...) or call '
                             'set_text_features')
        encoded = iter([row[mask] for row, mask in zip(*text_side.encode(words), strict=True)])
        parts = [next(encoded) if part is None else part for part in parts]
    length = max(map(len, parts))
    feats = np.zeros((len(parts), length, settings.embed_dims), dtype=np.float32)
    masks = np.zeros((len(parts), length), dtype=bool)
    for row, part in enumerate(parts):
        feats[row, :len(part)], masks[row, :len(part)] = part, True
    return OnnxPrompts(names, rows, feats, masks)


def _own_tokens(prompt: TokenPrompt, settings: DetectorSettings) -> np.ndarray:
    if settings.guides == 'prompts':
        raise ValueError(
            f'{str(prompt)!r} brings its tokens, and the pyramid of this ONNX file is gated by the '
            'prompts that are asked for, with which tokens were not made: export it with '
            '--cfg-options model.guides=fixed')
    known = prompt.space and settings.image_side
    if prompt.tokens.shape[1] != settings.embed_dims or (
            known and prompt.space != settings.image_side):
        raise ValueError(f'the tokens of the prompt {str(prompt)!r} are of another model: make '
                         'them anew with the model of this ONNX file')
    return prompt.tokens
