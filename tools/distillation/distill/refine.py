"""Gradient training of a text adapter on names and on the cached maps of images.

Functional distillation: for a name with vector v, the adapter's prompt vector shall rank and
score the cells of real images as v does: the divergence between distributions over cells compares
the cells of a name with one another, the one between scores also their level. Detection: the class
loss of ExpAlignHead (BCE on task-aligned targets), with the consistency losses on the alignment
maps where they have weights.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from expalign.models.layers.expectation_alignment import token_weights_from_pooled
from expalign.models.layers.max_sigmoid import masked_token_mean

from .cell_bank import CellBank


class RefineOptions(NamedTuple):
    """Settings of :func:`refine_adapter`.

    Attributes:
        steps, lr, batch_names: of AdamW with a cosine schedule.
        cells: cells compared in a step.
        cell_weight: weight of the divergence between distributions over cells.
        score_weight: weight of the divergence between scores, summed over the cells of a step.
        over: factor of that divergence where a score is too high, which is what false alarms are.
        bare: how many times as often as in another template names are drawn as they are.
        guide_weight: weight of the mean token's distance; it gates the pyramid.
        anchor: penalty on the squared distance from the weights at the start.
        detection_weight: weight of the detection term.
    """

    steps: int = 300
    lr: float = 2e-4
    batch_names: int = 256
    cells: int = 1024
    cell_weight: float = 0.3
    score_weight: float = 0.0
    over: float = 1.0
    bare: int = 1
    guide_weight: float = 0.5
    anchor: float = 0.0
    detection_weight: float = 1.0


DEFAULTS = RefineOptions()


class NameBank(NamedTuple):
    """Padded tokens of the names, one entry a template: (N, L, D) and masks (N, L).

    The first template is the name as it is.
    """

    tokens: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]


def refine_adapter(
    adapter: nn.Module, bank: NameBank, vectors: Tensor, cells: CellBank,
    options: RefineOptions = DEFAULTS, seed: int = 0,
    detection: Iterator[Callable[[nn.Module], Tensor]] | None = None,
    report: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train the adapter in place.

    Args:
        bank: tokens of the names.
        vectors: (N, E) of the names.
        cells: see :func:`~.cached_maps.sample_cells`.
        options: see :class:`RefineOptions`.
        seed: of the choice of names, templates and cells.
        detection: yields a term per step, adapter -> scalar loss.
        report: called with the step and the loss.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=options.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    start = [p.detach().clone() for p in adapter.parameters()]

    def draw(high: int, count: int = 1) -> Tensor:
        return torch.randint(high, (count,), generator=generator)

    order = [0] * options.bare + list(range(1, len(bank.tokens)))
    adapter.train()
    for step in range(options.steps):
        names = torch.randperm(len(vectors), generator=generator)[:options.batch_names]
        template = order[int(draw(len(order)))]
        feats, masks = adapt(adapter, bank.tokens[template][names], bank.masks[template][names])
        loss = distillation_loss(
            feats, masks, vectors[names], cells.drawn(draw(len(cells.features), options.cells),
                                                      draw(len(cells.means))), vectors, options)
        if detection is not None:
            loss = loss + options.detection_weight * next(detection)(adapter)
        if options.anchor:
            loss = loss + options.anchor * sum(
                (p - p0).square().sum()
                for p, p0 in zip(adapter.parameters(), start, strict=True))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(adapter.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        if report is not None:
            report(step, float(loss.detach()))
    return adapter.eval()


def adapt(adapter: nn.Module, tokens: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """What the adapter gives, without the work on padding: three quarters of a bank are padding."""
    if adapter.token_pooling != 'expectation':
        return adapter(tokens, masks)
    rows = tokens[masks][:, None]
    real, _ = adapter(rows, torch.ones(rows.shape[:2], dtype=torch.bool))
    feats = real.new_zeros(*masks.shape, real.shape[2])
    return feats.masked_scatter(masks[..., None], real), masks


def distillation_loss(
    feats: Tensor, masks: Tensor, targets: Tensor, cells: CellBank, vectors: Tensor,
    options: RefineOptions,
) -> Tensor:
    """Distance of the adapter's prompt vectors from the names' vectors.

    Args:
        feats, masks: (n, L, E) and (n, L).
        targets: (n, E).
        cells: those of a step; its one mean is what the token weights are taken for.
        vectors: (N, E), whose spread is the unit of distance.
    """
    spread = (vectors - vectors.mean(dim=0)).square().sum(dim=1).mean()
    pi = token_weights_from_pooled(cells.means, feats[None], masks[None])[0]
    prompts = torch.einsum('nl,nle->ne', pi, feats)
    guides, _ = masked_token_mean(feats, masks)
    loss = (prompts - targets).square().sum(1).mean() / spread
    loss = loss + options.guide_weight * (guides - targets).square().sum(1).mean() / spread
    ours, theirs = cells.features @ prompts.T, cells.features @ targets.T  # (M, n)
    if options.cell_weight:
        divergence = F.kl_div(ours.log_softmax(dim=0), theirs.softmax(dim=0), reduction='none')
        loss = loss + options.cell_weight * divergence.sum(dim=0).mean()
    if options.score_weight:
        divergence = score_divergence(ours + cells.biases, theirs + cells.biases, options.over)
        loss = loss + options.score_weight * divergence.sum(dim=0).mean()
    return loss


def score_divergence(logits: Tensor, targets: Tensor, over: float = 1.0) -> Tensor:
    """KL(sigmoid(targets) || sigmoid(logits)) of each pair of scores, in nats, >= 0.

    Where a logit is above its target, it is multiplied by ``over``.
    """
    scores = targets.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(targets, scores, reduction='none')
    divergence = F.binary_cross_entropy_with_logits(logits, scores, reduction='none') - entropy
    return torch.where(logits > targets, over * divergence, divergence)
