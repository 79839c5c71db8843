"""What the cells of photographs look like on the whole: mean and covariance of each level.

They are kept of the hidden maps X, in which the features F = A X + b are linear: 128 numbers wide
for the embedded default, a quarter of F. Those of F follow.

Axes: S levels, N cells, C width of the hidden maps, D width of the features.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from expalign.checkpoints.safetensors_file import open_safetensors
from expalign.utils import finished_file

from .image_cells import ImageCells, ImageSide

FIELDS = ('counts', 'means', 'covariances')
SPACE = 'image_side'  # key of the header


class Background(NamedTuple):
    """Statistics of the cells of photographs.

    Attributes:
        space: of the model, see :func:`~.space.prompt_space`.
        counts: (S) numbers of cells.
        means: (S, C) of the hidden maps.
        covariances: (S, C, C) of them.
    """

    space: str
    counts: Tensor
    means: Tensor
    covariances: Tensor

    @classmethod
    def gather(cls, images: Iterable[ImageCells], space: str) -> 'Background':
        """Those of all cells of images, in float64.

        Raises:
            ValueError: there is no image.
        """
        counts, sums, products = 0, 0, 0
        for cells in images:
            levels = cells.hidden.double().split(cells.sizes)
            counts = counts + torch.tensor(cells.sizes, dtype=torch.double)
            sums = sums + torch.stack([x.sum(0) for x in levels]).cpu()
            products = products + torch.stack([x.T @ x for x in levels]).cpu()
        if isinstance(counts, int):
            raise ValueError('there is no image to take the background of')
        means = sums / counts[:, None]
        covariances = products / counts[:, None, None] - means[:, :, None] * means[:, None]
        return cls(space, counts, means, covariances)

    def features(self, side: ImageSide) -> tuple[Tensor, Tensor]:
        """Mean (D) and covariance (D, D) of F over all levels' cells, in float64."""
        shares = self.counts.double() / self.counts.sum()
        weights = [weight.double().cpu() for weight in side.weights]
        means = torch.stack([
            weight @ mean + offset.double().cpu() for weight, mean, offset in zip(
                weights, self.means.double(), side.offsets, strict=True)])  # (S, D)
        mean = shares @ means
        within = sum(share * weight @ covariance @ weight.T for share, weight, covariance in zip(
            shares, weights, self.covariances.double(), strict=True))
        apart = means - mean
        return mean, within + torch.einsum('s,si,sj->ij', shares, apart, apart)

    def save(self, path: str | Path, **header: str) -> None:
        """Write a safetensors file, in float32; ``header`` says how it was made."""
        tensors = {name: getattr(self, name).float().contiguous() for name in FIELDS}
        with finished_file(path) as temporary:
            save_file(tensors, temporary, metadata={SPACE: self.space, **header})

    @classmethod
    def load(cls, path: str | Path) -> 'Background':
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: it is something else; the message names it.
        """
        with open_safetensors(path) as file:
            header = file.metadata() or {}
            if SPACE not in header or set(FIELDS) - set(file.keys()):
                raise ValueError(f'{path} has no statistics of a background')
            tensors = [file.get_tensor(name).double() for name in FIELDS]
        counts, means, covariances = tensors
        if means.dim() != 2 or counts.shape != means.shape[:1] or (
                covariances.shape != (*means.shape, means.shape[1])):
            raise ValueError(f'{path}: its shapes do not belong together')
        return cls(header[SPACE], *tensors)


def second_moment(mean: Tensor, covariance: Tensor) -> Tensor:
    """The mean (D, D) of F F^T over cells whose features have that mean and covariance."""
    return covariance + torch.outer(mean, mean)
