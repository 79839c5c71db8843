"""What a tuned prompt starts from: its words, its boxes in closed form, or noise.

Axes: K prompts, L tokens of the longest prompt, D width.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from expalign.models.prompt_fitting.background import second_moment
from expalign.models.prompt_fitting.cell_store import CellStore
from expalign.models.prompt_fitting.example_features import ExampleFeatures
from expalign.models.prompt_fitting.fit import losses_by_prompt
from expalign.models.prompt_fitting.image_cells import ImageSide
from expalign.models.prompt_fitting.noise import noise_tokens

from .examples import known_vectors

Start = Literal['best', 'words', 'boxes', 'noise']
KEPT = 'words, not fitted: no box'
COMPARED = 64  # photographs on which the best is decided
WORTH = 0.8  # of the loss of a prompt that finds nothing: more, and words are no good start


class Starts(NamedTuple):
    """Where fitting begins.

    Attributes:
        feats, masks: (K, L, D) and (K, L).
        shown: prompts that boxes show, which are fitted.
        said: (K) what each starts from.
    """

    feats: Tensor
    masks: Tensor
    shown: list[int]
    said: list[str]


def choose_starts(
    model: nn.Module, names: Sequence[str], store: CellStore, found: ExampleFeatures,
    background: tuple[Tensor, Tensor], side: ImageSide, start: Start = 'best', seed: int = 0,
) -> Starts:
    """Tokens of each name to start from; a name without a box keeps its words.

    Args:
        model: encodes the names.
        names: K names.
        store: the photographs' cells, labelled.
        found: the features of the boxes' cells.
        background: mean (D) and covariance (D, D) of the background's features.
        side: of the model.
        start: ``'best'``: a name's words, or its boxes in closed form where the words find next to
            nothing in the photographs; the others for all names.
        seed: of noise.

    Raises:
        ValueError: ``start`` is none of them.
    """
    if start not in get_args(Start):
        raise ValueError(f'start must be one of {get_args(Start)}, got {start!r}')
    feats, masks = (part.cpu().clone() for part in model._encode_text(list(names)))
    shown = [label for label in range(len(names)) if found.shown(label)]
    said = [KEPT] * len(names)
    if not shown:
        return Starts(feats, masks, shown, said)
    if start == 'noise':
        own = noise_tokens(len(names), 1, second_moment(*background), side, seed)[:, 0]
    else:
        own = found.tokens(*background, known_vectors(model))
    lost = _worthless(store, side, feats, masks) if start == 'best' else None
    for label in shown:
        said[label] = start if lost is None else 'boxes' if lost[label] else 'words'
        if said[label] != 'words':
            feats[label], masks[label] = 0, False
            feats[label, 0], masks[label, 0] = own[label].to(feats), True
    return Starts(feats, masks, shown, said)


def _worthless(store: CellStore, side: ImageSide, feats: Tensor, masks: Tensor) -> Tensor:
    """(K) bool: words that are hardly better than a prompt that finds nothing."""
    few = [store[row] for row in range(min(len(store), COMPARED))]
    return losses_by_prompt(few, side, feats, masks) > WORTH * losses_by_prompt(
        few, side, torch.zeros_like(feats), masks)
