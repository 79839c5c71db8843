"""Tokens fitted to the cells of labelled photographs, with everything else as it is.

Axes: N cells, K prompts, L tokens, D width.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .image_cells import ImageCells, ImageSide

STEPS, RATE, BATCH = 200, 1e-2, 8
PULL = 10.0  # photographs that the start counts as


class LabelledCells(NamedTuple):
    """The cells of a photograph, and what they should say.

    Attributes:
        cells: of the photograph.
        targets, counted: (N, K), see :func:`~.cell_targets.cell_targets`.
    """

    cells: ImageCells
    targets: Tensor
    counted: Tensor

    def of(self, prompts: Sequence[int]) -> 'LabelledCells':
        """The same cells, labelled for some of the prompts."""
        return self._replace(targets=self.targets[:, prompts], counted=self.counted[:, prompts])


def fit_tokens(
    tokens: Tensor, masks: Tensor, photographs: Sequence[LabelledCells], side: ImageSide,
    metric: Tensor, steps: int = STEPS, rate: float = RATE, pull: float = PULL, seed: int = 0,
    progress: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Minimise the class loss over cells, near the tokens that it starts from.

    The loss of a batch is the binary cross entropy of the cells' logits, summed, over the sum of
    targets. To it comes ``pull / n`` times the mean square by which the logits of the background's
    cells would change: with few photographs a token must not gain by what it says of all others.

    Args:
        tokens: (K, L, D) to start from.
        masks: (K, L) bool, True at real ones.
        photographs: n of them; a sequence that reads them from a disk is one.
        side: of the model.
        metric: (D, D), the mean of F F^T over the background's cells.
        steps: of Adam, whose rate falls to 0 by a cosine.
        rate: the first one.
        pull: see above; the start counts as so many photographs.
        seed: of the order of photographs.
        progress: is told the number of each step.

    Returns:
        (K, L, D) tokens, zero where masked.

    Raises:
        ValueError: there is no photograph.
    """
    if not len(photographs):
        raise ValueError('there is no photograph to fit prompts to')
    start = tokens.detach().float()
    fitted = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([fitted], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    strength = pull / len(photographs) * sum(x * x for x in side.scales) / len(side.scales)
    metric = metric.to(start)
    with torch.enable_grad():
        for step in range(steps):
            batch = torch.randperm(len(photographs), generator=generator)[:BATCH].tolist()
            loss = _class_loss([photographs[index] for index in batch], side, fitted, masks)
            change = (fitted - start)[masks]  # (R, D)
            loss = loss + strength * ((change @ metric) * change).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(step)
    return fitted.detach() * masks[..., None]


@torch.no_grad()
def losses_by_prompt(
    photographs: Sequence[LabelledCells], side: ImageSide, tokens: Tensor, masks: Tensor
) -> Tensor:
    """The binary cross entropy of each prompt (K), summed over the cells of photographs.

    Arguments are those of :func:`fit_tokens`.
    """
    folded = side.fold(tokens)
    return sum(_losses(photograph, side, folded, masks).sum(0) for photograph in photographs)


def _class_loss(
    batch: Sequence[LabelledCells], side: ImageSide, tokens: Tensor, masks: Tensor
) -> Tensor:
    folded = side.fold(tokens)
    total = sum(_losses(photograph, side, folded, masks).sum() for photograph in batch)
    return total / sum(photograph.targets.sum() for photograph in batch).clamp(min=1)


def _losses(
    photograph: LabelledCells, side: ImageSide, folded: list[tuple[Tensor, Tensor]], masks: Tensor
) -> Tensor:
    logits = side.logits(photograph.cells, folded, masks)  # (N, K)
    losses = F.binary_cross_entropy_with_logits(logits, photograph.targets, reduction='none')
    return losses * photograph.counted
