"""Examples told from each other and from the rest of their photographs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .cell_targets import cell_targets
from .fit import LabelledCells
from .image_cells import ImageCells

QUIET = -3.0  # logit of the start below which a cell is taken not to show the same
OTHERS = 256  # of such cells of a photograph: those that score highest


def example_cells(
    cells: ImageCells, boxes: Tensor, labels: Sequence[int], logits: Tensor
) -> LabelledCells:
    """Cells of a photograph in which not everything is marked, and what they should say.

    Cells that stand for an example count for its name and against the others. What else is in the
    photograph nobody has said: it may hold more of the same. So of other cells those count, as
    showing nothing, that the tokens to start from take for little.

    Args:
        cells: of the photograph.
        boxes: (n, 4) xyxy in pixels of the network's input.
        labels: n names.
        logits: (N, K) of the tokens to start from.
    """
    targets, said = cell_targets(cells.boxes, boxes, torch.tensor(labels), logits.shape[1])
    shown = targets.any(1)
    quiet = (logits < QUIET) & said
    loudest = logits.masked_fill(~quiet, -torch.inf).amax(1).masked_fill(shown, -torch.inf)
    kept = shown.clone()
    kept[loudest.topk(min(OTHERS, len(loudest))).indices] = True
    # The softmax over tokens reads the mean of a level, so each keeps a cell.
    kept[torch.tensor((0, *cells.sizes[:-1])).cumsum(0)] = True
    counted = shown[:, None] | quiet
    sizes = tuple(int(part.sum()) for part in kept.split(cells.sizes))
    return LabelledCells(ImageCells(cells.hidden[kept], cells.boxes[kept], sizes), targets[kept],
                         counted[kept])
