"""From the features of example cells to a token for each name, in closed form.

Axes: N cells, n boxes, D width of the features.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .best_cells import CELLS, LEAST_IOU, best_cells
from .discriminant import calibrated, discriminant
from .image_cells import ImageCells, ImageSide
from .nearest_names import nearest_names


class ExampleFeatures:
    """The features of the cells that stand for examples, by name.

    Args:
        names: K names.
        side: of the model.
    """

    def __init__(self, names: Sequence[str], side: ImageSide) -> None:
        self._names, self._side = list(names), side
        self._rows: list[list[tuple[Tensor, int]]] = [[] for _ in names]
        self.best_iou = [0.0] * len(self._names)
        self.without_cell = [0] * len(self._names)
        self.boxes = [0] * len(self._names)

    def add(self, cells: ImageCells, boxes: Tensor, labels: Sequence[int]) -> None:
        """Take in the examples of a photograph.

        Args:
            cells: of the photograph.
            boxes: (n, 4) xyxy in pixels of the network's input.
            labels: n places among the names.
        """
        places, ious = best_cells(cells.boxes, boxes, CELLS)
        starts = np.cumsum((0, *cells.sizes))
        for label, own, overlaps in zip(labels, places.tolist(), ious.tolist(), strict=True):
            self.boxes[label] += 1
            self.best_iou[label] = max(self.best_iou[label], overlaps[0])
            self.without_cell[label] += overlaps[0] < LEAST_IOU
            for place, overlap in zip(own, overlaps, strict=True):
                if overlap >= LEAST_IOU:
                    level = int(np.searchsorted(starts, place, side='right')) - 1
                    feature = self._side.features(cells.hidden[place:place + 1].float(), level)[0]
                    self._rows[label].append((feature, level))

    def shown(self, label: int) -> bool:
        """Whether a cell stands for an example of a name."""
        return bool(self._rows[label])

    def check(self) -> None:
        """Refuse names that no cell stands for; say once which examples do not count.

        Raises:
            ValueError: no cell stands for any example of a name.
        """
        for name, rows, best in zip(self._names, self._rows, self.best_iou, strict=True):
            if not rows:
                raise ValueError(
                    f'no box of the model fits an example of {name!r} (best IoU {best:.2f}): draw '
                    'boxes closely around one thing each, not too small')
        left_out = [f'{count} of {name!r}' for name, count in zip(
            self._names, self.without_cell, strict=True) if count]
        if left_out:
            warnings.warn(f'examples that no box of the model fits do not count: '
                          f'{", ".join(left_out)}', stacklevel=3)

    def counts(self) -> list[int]:
        """Numbers of the examples of each name that a cell stands for."""
        return [boxes - missing for boxes, missing in zip(
            self.boxes, self.without_cell, strict=True)]

    def tokens(
        self, mean: Tensor, covariance: Tensor, vectors: Tensor | None = None
    ) -> Tensor:
        """The token of each name, (K, D); zeros without an example.

        It is that of :func:`~.discriminant.discriminant`; with the vectors of known names, the
        mean of it and of :func:`~.nearest_names.nearest_names`, on the same scale.

        Args:
            mean: (D) of the background's features.
            covariance: (D, D) of them.
            vectors: (V, D) of the names that the model knows.
        """
        found = []
        for rows in self._rows:
            if not rows:
                found.append(torch.zeros_like(mean, dtype=torch.float32))
                continue
            features, levels = torch.stack([feature for feature, _ in rows]).cpu(), [
                level for _, level in rows]
            scale, bias = (float(np.mean([values[level] for level in levels]))
                           for values in (self._side.scales, self._side.biases))
            token = discriminant(features, mean, covariance, scale, bias)
            if vectors is not None:
                named = nearest_names(features, levels, vectors.cpu(), self._side)
                token = calibrated((token + named) / 2, features, mean, covariance, scale, bias)
            found.append(token)
        return torch.stack(found)
