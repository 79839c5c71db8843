"""From examples to the tokens of prompts: closed form, corrected words, and what is fitted.

Axes: K names, L tokens, V known names, D width of the features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .contrast import example_cells
from .example_features import ExampleFeatures
from .fit import fit_tokens
from .image_cells import ImageCells, ImageSide

# Fewer examples say less of a name than is wrong in what a fit takes for nothing of it.
FITTED_FROM = 4
PULL = 30.0  # photographs that the closed form counts as
SHARE_OF_WORDS = 0.5
Seen = Sequence[tuple[ImageCells, Tensor, Sequence[int]]]


def corrected_words(words: tuple[Tensor, Tensor], own: Tensor) -> Tensor:
    """Tokens (K, L, D) of words that examples correct: half of each.

    Logits are linear in tokens, so those of a word with one token are the mean of both.

    Args:
        words: tokens (K, L, D) and masks (K, L).
        own: (K, D), of the examples.
    """
    feats, masks = words
    return (SHARE_OF_WORDS * feats + (1 - SHARE_OF_WORDS) * own[:, None].to(feats)) * masks[
        ..., None]


def fitted_examples(
    tokens: Tensor, masks: Tensor, found: ExampleFeatures, seen: Seen, metric: Tensor,
    side: ImageSide,
) -> Tensor:
    """Tokens (K, L, D) of examples, fitted to all that is seen where a name has enough of them.

    A single name stays as it is: there is no other one to tell it from.

    Args:
        tokens: (K, L, D) in closed form.
        masks: (K, L) bool, True at real ones.
        found: the features of the examples.
        seen: photographs: cells, boxes (n, 4) in pixels of the network's input, n labels.
        metric: see :func:`~.fit.fit_tokens`.
        side: of the model.
    """
    many = [label for label, count in enumerate(found.counts()) if count >= FITTED_FROM]
    if not many or len(tokens) == 1:
        return tokens
    folded = side.fold(tokens)
    labelled = [example_cells(*one, side.logits(one[0], folded, masks)).of(many) for one in seen]
    fitted = fit_tokens(tokens[many], masks[many], labelled, side, metric, pull=PULL)
    return tokens.index_copy(0, torch.tensor(many, device=tokens.device), fitted)
