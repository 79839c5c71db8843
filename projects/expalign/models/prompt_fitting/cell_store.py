"""Cells of many photographs on a disk, in half precision: the image side runs once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from expalign.limits import Limit

from .cell_targets import cell_targets
from .fit import LabelledCells
from .image_cells import ImageCells

STORE_BYTES = Limit('EXPALIGN_MAX_CELL_BYTES', 8 * 2**30, 'bytes of cells on the disk')


class CellStore(Sequence[LabelledCells]):
    """Labelled cells, written one photograph after another and read in any order.

    All photographs have as many cells. What is kept of one at 640 px takes 2.2 MB; the room on the
    disk is bounded by ``EXPALIGN_MAX_CELL_BYTES``.

    Args:
        folder: for the file, which is to be removed with it.
        count: photographs, n.
        num_prompts: K.
    """

    def __init__(self, folder: Path, count: int, num_prompts: int) -> None:
        self._folder, self._count, self._num_prompts = folder, count, num_prompts
        self._hidden: np.ndarray | None = None
        self._sizes: tuple[int, ...] = ()
        self._rest: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, cells: ImageCells, boxes: Tensor, labels: Tensor) -> None:
        """Keep a photograph's cells.

        Args:
            cells: of the photograph.
            boxes: (n, 4) xyxy in pixels of the network's input.
            labels: (n) prompts.

        Raises:
            LimitExceeded: all photographs together would take too much room.
        """
        hidden = cells.hidden.numpy(force=True).astype(np.float16)
        if self._hidden is None:
            STORE_BYTES.check(hidden.nbytes * self._count, f'{self._count} photographs')
            self._sizes = cells.sizes
            self._hidden = np.lib.format.open_memmap(
                self._folder / 'hidden.npy', 'w+', np.float16, (self._count, *hidden.shape))
        self._hidden[len(self)] = hidden
        targets, counted = cell_targets(cells.boxes, boxes, labels, self._num_prompts)
        places = (targets.ne(0) | ~counted).any(1).nonzero()[:, 0]  # few of the cells
        self._rest.append((places.cpu(), targets[places].cpu(), counted[places].cpu()))

    def of(self, prompts: Sequence[int]) -> 'CellStore':
        """The same cells, labelled for some of the prompts."""
        other = CellStore(self._folder, self._count, len(prompts))
        other._hidden, other._sizes = self._hidden, self._sizes
        other._rest = [(places, targets[:, prompts], counted[:, prompts])
                       for places, targets, counted in self._rest]
        return other

    def __len__(self) -> int:
        return len(self._rest)

    def __getitem__(self, index):
        if self._hidden is None or not 0 <= index < len(self):
            raise IndexError(index)
        hidden = torch.from_numpy(self._hidden[index].astype(np.float32))
        places, some_targets, some_counted = self._rest[index]
        targets = hidden.new_zeros(len(hidden), self._num_prompts)
        counted = torch.ones_like(targets, dtype=torch.bool)
        targets[places], counted[places] = some_targets, some_counted
        return LabelledCells(
            ImageCells(hidden, hidden.new_zeros(0, 4), self._sizes), targets, counted)
