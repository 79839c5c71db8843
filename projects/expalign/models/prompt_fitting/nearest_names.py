"""What examples show, told by the names that a model knows.

Axes: n cells, V names, D width of the features.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .image_cells import ImageSide


def nearest_names(
    features: Tensor, levels: Sequence[int], vectors: Tensor, side: ImageSide
) -> Tensor:
    """The mean (D) of the names' vectors, weighted by what the model takes the examples for.

    The weights are the softmax of the names' logits, meant over the examples' cells. What no word
    names is often between some that there are; that tells it from other things, which a
    discriminant against the background does not.

    Args:
        features: (n, D) of cells that show what is meant.
        levels: n levels that the cells are of.
        vectors: (V, D), one token a name.
        side: of the model.
    """
    rows = torch.as_tensor(levels)
    scales, biases = (torch.tensor(values)[rows].to(features) for values in (
        side.scales, side.biases))
    logits = (features @ vectors.T.to(features)) * scales[:, None] + biases[:, None]
    return logits.mean(0).softmax(0) @ vectors.to(features)
