"""Cells of real images, on which prompt vectors are compared."""

from typing import NamedTuple

from torch import Tensor


class CellBank(NamedTuple):
    """Cells of images. A prompt vector p has the logits ``features @ p + biases[:, 0]`` there.

    Attributes:
        features: (M, E), times the factor of the logits of its level.
        biases: (M, 1), of its level.
        means: (m, E) mean features of maps, which token weights depend on.
    """

    features: Tensor
    biases: Tensor
    means: Tensor

    def drawn(self, rows: Tensor, means: Tensor) -> 'CellBank':
        """Some of the cells and means."""
        return CellBank(self.features[rows], self.biases[rows], self.means[means])
