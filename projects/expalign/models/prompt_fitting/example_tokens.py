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
    own: Tensor, found: ExampleFeatures, seen: Seen, metric: Tensor, side: ImageSide
) -> Tensor:
    """Tokens (K, D) of examples, where a name has enough of them told from all else that is seen.

    Args:
        own: (K, D) in closed form.
        found: the features of the examples.
        seen: photographs: cells, boxes (n, 4) in pixels of the network's input, n labels.
        metric: see :func:`~.fit.fit_tokens`.
        side: of the model.
    """
    many = [label for label, count in enumerate(found.counts()) if count >= FITTED_FROM]
    if not many:
        return own
    tokens, masks = own[:, None], torch.ones(len(own), 1, dtype=torch.bool, device=own.device)
    folded = side.fold(tokens)
    labelled = [example_cells(*one, side.logits(one[0], folded, masks)).of(many) for one in seen]
    fitted = fit_tokens(tokens[many], masks[many], labelled, side, metric)
    return own.index_copy(0, torch.tensor(many, device=own.device), fitted[:, 0])
