"""GACO with a target: a divergence that reaches other prompts and the background.

Axes: B images, K prompts, R of them that may be positive, H x W cells, n positive (prompt, cell)
pairs of the batch.
"""

import torch
from torch import Tensor

from .map_ops import local_average
from .positive_cells import positive_cells, standard_advantage


def target_consistency(
    eam: Tensor,
    masks: Tensor,
    prompt_masks: Tensor | None = None,
    *,
    temperature: float = 1.0,
    clip: float = 5.0,
    beta: float = 1.0,
    eps: float = 1e-6,
    stats: str = 'image',
    normalize: bool = True,
    norm_scope: str = 'image',
) -> Tensor:
    """KL(q || P) of every image, q a distribution over its positive cells. Not in the paper.

    P = softmax(S) over all unpadded prompts and cells of an image, M its positive cells, and A
    their clipped advantage, as in
    :func:`~expalign.models.losses.geometry_aware_consistency`. There the A of an image sum to
    0 unless some are clipped. Then ``-sum(A log P) = -sum(A S) + log Z sum(A) = -sum(A S)``:
    the partition Z is gone, and with it every gradient outside M. Here

        q = softmax(A / T) on M and 0 elsewhere, a constant for the gradient,
        L = sum_M q (log q - log P) = log Z - sum_M q S - H(q) >= 0,
        dL / dS = P - q:

    on every cell outside M, of other prompts and of the background, it is P > 0, and all of
    them together have 1 - P(M), exactly what M is drawn up by. L is 0 where P = q: q is the
    target that part 4 of Theorem B.4 needs and that A itself is none of. T -> infinity makes it
    uniform on M, T -> 0 its best cell. The images are weighted by their positive cells, so that
    every cell counts as it does in the published form: the loss is ``beta * sum(n_b L_b) / n``.

    Args:
        eam, masks, prompt_masks, clip, beta, eps, stats, normalize, norm_scope: as there.
        temperature: T, > 0.

    Returns:
        the loss, a scalar >= 0; 0 with a graph where there is no positive cell.

    Raises:
        ValueError: shapes that do not belong together, or an argument out of its range.
    """
    return local_average(*target_sum(
        eam, masks, prompt_masks, temperature=temperature, clip=clip, beta=beta, eps=eps,
        stats=stats, normalize=normalize, norm_scope=norm_scope))


def target_sum(
    eam: Tensor,
    masks: Tensor,
    prompt_masks: Tensor | None,
    *,
    temperature: float,
    clip: float,
    beta: float,
    eps: float,
    stats: str,
    normalize: bool,
    norm_scope: str,
    max_positive: int | None = None,
) -> tuple[Tensor, Tensor]:
    """``sum(n_b L_b)`` of :func:`target_consistency` and the number n of positive cells."""
    if not temperature > 0:
        raise ValueError(f'temperature must be > 0, got {temperature}')
    with torch.autocast(eam.device.type, enabled=False):
        cells = positive_cells(
            eam, masks, prompt_masks, clip=clip, eps=eps, stats=stats, normalize=normalize,
            norm_scope=norm_scope, max_positive=max_positive)
        with torch.no_grad():
            energies = standard_advantage(cells, eps, stats).clamp(-clip, clip) / temperature
            # The lowest number, not -inf: an image may have no positive cell.
            energies = energies.masked_fill(~cells.masks, torch.finfo(energies.dtype).min)
            log_target = energies.flatten(1).log_softmax(1).view_as(energies)
            target = log_target.exp() * cells.masks
            entropies = -(target * log_target).sum((1, 2))
            counts = cells.masks.sum((1, 2)).to(entropies.dtype)
        # sum(q) is 1; 0 counts where there is no cell.
        divergences = cells.log_sums - (target * cells.scores).sum((1, 2)) - entropies
        return beta * (counts * divergences).sum(), counts.sum()
