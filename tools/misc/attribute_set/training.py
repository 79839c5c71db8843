"""A run: the trained parts on cached maps, with the losses of the detector.

The class loss is the head's (task-aligned targets, BCE, its gain and normalisation), and the
consistency losses have the weights that they have beside it in a detector's training. Boxes do not
depend on what is trained here, so that their losses have no gradient and are left out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from expalign.models.dense_heads.levels import flatten_levels
from expalign.models.text_encoders import TextAdapter
from expalign.registry import MODELS

from .branches import Branches
from .maps import STRIDES, Maps
from .records import Record, truth_of
from .texts import PromptTokens

MOST_PROMPTS = 16  # of a picture in training


@dataclass(frozen=True)
class Recipe:
    """What a row of the table is trained with.

    Attributes:
        pooling: see :data:`~.texts.POOLINGS`.
        sem, geo: lambda_sem and lambda_geo.
        tau: the temperature of Eq. 3, or 'learned'.
        topk_of: of L_sem, see :class:`~expalign.models.losses.ConsistencyRegularizer`.
        steps, batch, lr: of AdamW with a cosine.
        new_lr: of the parameters that learn from nothing.
        second: whether it goes on from what ``FIRST_STAGE`` has trained with the same seed.
    """

    pooling: str = 'expectation'
    sem: float = 0.0
    geo: float = 0.0
    tau: float | str = 1.0
    topk_of: str = 'p3'
    steps: int = 240
    batch: int = 8
    lr: float = 1e-3
    new_lr: float = 5e-3
    second: bool = False

    def longer(self, factor: int) -> 'Recipe':
        """The same with so many times the steps."""
        return replace(self, steps=self.steps * factor)

    def regulariser(self) -> nn.Module | None:
        """The consistency losses, or None."""
        if not self.sem and not self.geo:
            return None
        return MODELS.build(dict(
            type='expalign.ConsistencyRegularizer', topk_of=self.topk_of,
            sem=dict(loss_weight=self.sem), geo=dict(loss_weight=self.geo)))


FIRST_STAGE = Recipe()


@dataclass
class Trained:
    """What comes out of a run."""

    branches: Branches
    adapter: nn.Module
    tokens: PromptTokens
    losses: dict[str, float]

    def state(self) -> dict[str, Tensor]:
        """All that is trained, by name."""
        return {f'{part}.{name}': value for part in ('branches', 'adapter')
                for name, value in getattr(self, part).state_dict().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        for part in ('branches', 'adapter'):
            getattr(self, part).load_state_dict({
                name.removeprefix(f'{part}.'): value for name, value in state.items()
                if name.startswith(f'{part}.')})


def train(recipe: Recipe, model: nn.Module, text_map: Tensor, tokens: PromptTokens, maps: Maps,
          records: list[Record], seed: int,
          report: Callable[[int, dict[str, float]], None] | None = None,
          start: dict[str, Tensor] | None = None) -> Trained:
    """Train branches and adapter.

    Args:
        recipe: of the row.
        model: the detector that they start from; it is not changed.
        text_map: see :func:`~.texts.text_map`.
        tokens: of all prompts, pooled as the recipe says.
        maps: of the pictures.
        records: of training.
        seed: of the first weights, the order of pictures and the choice of prompts.
        report: called with the step and the losses of it.
        start: of the stage before; None: the first weights.
    """
    draw = random.Random(seed)
    torch.manual_seed(seed)
    width, out = text_map.shape
    adapter = TextAdapter(width, out).train()
    with torch.no_grad():
        # Of what the projection keeps of a token: a widening one keeps all.
        turn = adapter.proj.weight @ text_map if width != out else text_map
    branches = Branches(model, maps.early, turn, recipe.tau)
    result = Trained(branches, adapter, tokens, {})
    if start is not None:
        result.load(start)
    regulariser = recipe.regulariser()
    new = branches.new_parameters()
    fresh = set(map(id, new))
    old = [p for p in (*branches.parameters(), *adapter.parameters())
           if p.requires_grad and id(p) not in fresh]
    optimiser = torch.optim.AdamW(
        [dict(params=old, lr=recipe.lr), dict(params=new, lr=recipe.new_lr)], weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    order: list[int] = []
    last: dict[str, float] = {}
    for step in range(recipe.steps):
        if len(order) < recipe.batch:
            order = draw.sample(range(len(records)), len(records))
        batch, order = [records[i] for i in order[:recipe.batch]], order[recipe.batch:]
        losses = batch_losses(branches, adapter, tokens, maps, batch,
                              [choose(record, draw) for record in batch], model.bbox_head,
                              regulariser)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_([*old, *new], 10.0)
        optimiser.step()
        schedule.step()
        last = {name: float(loss.detach()) / recipe.batch for name, loss in losses.items()}
        if report is not None:
            report(step, last)
    branches.eval(), adapter.eval()
    result.losses = last
    return result


def choose(record: Record, draw: random.Random) -> list[int]:
    """Places of the prompts of a training step: all that are true, then others, up to the limit."""
    true = sorted(record.positives())
    others = [place for place in range(len(record.prompts)) if place not in true]
    draw.shuffle(others)
    return (true + others)[:MOST_PROMPTS]


def batch_losses(branches: Branches, adapter: nn.Module, tokens: PromptTokens, maps: Maps,
                 batch: list[Record], keep: list[list[int]], bbox_head: nn.Module,
                 regulariser: nn.Module | None) -> dict[str, Tensor]:
    """The head's class loss and the consistency losses of a batch, times its pictures."""
    rows = [record.row for record in batch]
    lists = [[record.prompts[place] for place in places]
             for record, places in zip(batch, keep, strict=True)]
    feats, masks, there = tokens.of(lists, adapter)
    eams = [x.unflatten(2, (maps.side // stride,) * 2) for x, stride in zip(
        branches(maps.features(rows), feats, masks), STRIDES, strict=True)]
    truth = truth_of(batch, keep)
    losses = dict(loss_cls=class_loss(
        bbox_head, branches.logits(eams), maps.boxes(rows), there, truth))
    if regulariser is not None:
        terms = regulariser(eams, there, truth, (maps.side, maps.side))
        losses.update({name: term * len(batch) for name, term in terms.items()})
    return losses


def class_loss(bbox_head: nn.Module, logits: list[Tensor], boxes: Tensor, there: Tensor, truth
               ) -> Tensor:
    """As :meth:`~expalign.models.dense_heads.ExpAlignHead.loss_by_feat` has it, of given boxes."""
    preds = flatten_levels(logits)  # (B, N, K)
    targets = bbox_head._assign(boxes, preds.detach(), bbox_head._priors(logits)[0], truth)
    scores = targets['assigned_scores']
    total = bbox_head.loss_cls(
        preds, scores, weight=there[:, None].to(preds.dtype), reduction_override='sum')
    return total / scores.sum().clamp(min=1) * len(preds)
