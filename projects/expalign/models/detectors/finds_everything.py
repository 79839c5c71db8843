"""What is in a picture when nobody says what to look for: boxes first, then their names.

Axes: B images, V names, G guides, N cells of all levels, n cells that are named, C width of the
hidden maps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample, SampleList
from torch import Tensor, nn

from expalign.models.dense_heads.levels import at_least_float32
from expalign.models.layers import TokenTable, folded_alignment
from expalign.models.layers.max_sigmoid import masked_token_mean
from expalign.structures.prompts import asks_everything

GUIDES = 80
NAMED = 1000  # cells of an image whose names are looked for
PEAK_POWER = 12.0  # weight of a box's sharpness beside the guides' logit; chosen on coco-mini train
ROUNDS = 20  # of k-means
LOWEST = -1e4  # logit of a cell that is not named: its score is 0


class Everything(NamedTuple):
    """The names of a model, as an image is searched for all of them.

    Attributes:
        guides, guide_masks: (1, G, D) and (1, G), what a pyramid is gated by.
        scout: table of the guides, whose best logit says how much a cell looks like a thing.
        names: table of the V names, one token each.
    """

    guides: Tensor
    guide_masks: Tensor
    scout: TokenTable
    names: TokenTable


class FindsEverything(nn.Module):
    """Part of a detector that has ``known_names``, ``vocabulary``, ``neck`` and ``bbox_head``.

    The cost does not grow with the number of names as that of a list does: a few of the names,
    the guides, gate the pyramid, and all names are compared with ``NAMED`` cells alone. These are
    chosen without names, by the best guide's logit and by how sharply the cell knows the sides of
    its box (:func:`thing_scores`). A box has one name.
    """

    def init_everything(self) -> None:
        """Set what is kept; to be called by the constructor."""
        self._everything: tuple[tuple, Everything] | None = None

    def asks_everything(self, sample: DetDataSample) -> bool:
        """Whether a sample is to be searched for all names: a user's text, or vocabulary, ``'*'``.
        """
        text = sample.get('text')
        if text is None:
            return self.vocabulary is not None and asks_everything(self.vocabulary)
        return 'custom_entities' in sample and asks_everything(text)

    def every_name(self) -> list[str]:
        """The names that ``'*'`` stands for.

        Raises:
            ValueError: the model has no table of names.
        """
        if self.known_names is None:
            raise ValueError("'*' stands for the names that a model knows, and this one has no "
                             "table of them (model.known_names): give a list, such as "
                             "texts='lvis'")
        return self.known_names.names

    def predict_everything(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Boxes of whatever is there, with the best of all names for each.

        Args:
            batch_inputs: (B, 3, H, W).
            batch_data_samples: B samples.
            rescale: whether boxes are in pixels of the original image.

        Returns:
            The samples with ``pred_instances``, as ``predict`` has them; labels index
            :meth:`every_name`. Boxes suppress one another whatever their names.

        Raises:
            ValueError: the model has no table of names.
        """
        names, known = self.every_name(), self._tables()
        guides = (known.guides, known.guide_masks) if self.neck.inject != 'none' else ()
        pyramid, hidden = self.neck.trunk(self.backbone(batch_inputs), *guides)
        maps = self.bbox_head.head_module.maps(pyramid)
        things = thing_scores(hidden, maps[0], known.scout, self.neck.tau)
        scores, owners = name_cells(hidden, things, known.names)
        sizes = [x.shape[2:] for x in hidden]
        logits = [part.unflatten(1, size)[:, None] for part, size in zip(
            scores.split([size.numel() for size in sizes], 1), sizes, strict=True)]
        results = self.bbox_head.predict_by_feat(
            logits, *maps,
            torch.ones_like(scores[:, :1], dtype=torch.bool),
            [sample.metainfo for sample in batch_data_samples], rescale=rescale, keep_priors=True)
        owners = owners.cpu()
        for image, result in enumerate(results):
            result.labels = owners[image, result.pop('priors')]
            result.label_names = [names[label] for label in result.labels.tolist()]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _tables(self) -> Everything:
        """The tables of the present weights, kept until they change."""
        key = self._kept_weights_version()
        kept = self._everything  # read once: another thread may replace it
        if kept is None or kept[0] != key:
            vectors = self.known_names.vectors
            guides = vectors[typical_rows(vectors, GUIDES)]
            masks = torch.ones(len(guides), 1, dtype=torch.bool, device=vectors.device)
            tables = [self._table_of(rows) for rows in (guides, vectors)]
            kept = self._everything = (key, Everything(
                *masked_token_mean(guides[None, :, None], masks[None]), *tables))
        return kept[1]

    def _table_of(self, vectors: Tensor) -> TokenTable:
        """The table of one-token prompts (n, D)."""
        masks = torch.ones(len(vectors), 1, dtype=torch.bool, device=vectors.device)
        return self.bbox_head.head_module.fold(self.neck.fold_tokens(vectors[:, None], masks))


def thing_scores(hidden: Sequence[Tensor], dists: Sequence[Tensor], scout: TokenTable,
                 tau: float = 1.0) -> Tensor:
    """How much every cell looks like a thing with a box, whatever its name, (B, N).

    It is the logit of the best guide, and ``PEAK_POWER`` times the logarithm of the sharpness of
    the sides: the mean of their largest probabilities among the bins of a distance.

    Args:
        hidden: last hidden map of the class branches of every level, (B, C, H_s, W_s).
        dists: distribution logits of every level, (B, 4 * reg_max, H_s, W_s).
        scout: table of the guides.
        tau: temperature of the alignment.
    """
    found = []
    for maps, dist in zip(folded_alignment(hidden, scout, tau).logits(), dists, strict=True):
        sides = at_least_float32(dist).flatten(2).unflatten(1, (4, -1))  # (B, 4, reg_max, cells)
        peak = sides.softmax(2).amax(2).mean(1)
        found.append(at_least_float32(maps).amax(1).flatten(1) + PEAK_POWER * peak.log())
    return torch.cat(found, 1)


def name_cells(hidden: Sequence[Tensor], things: Tensor, names: TokenTable
               ) -> tuple[Tensor, Tensor]:
    """The best name of the cells that look most like a thing.

    Args:
        hidden: see :func:`thing_scores`.
        things: (B, N), what it gives.
        names: table of the names, one token each.

    Returns:
        (B, N) logits of the best name, ``LOWEST`` at cells that are not named, and (B, N) the
        names.
    """
    chosen = torch.zeros_like(things, dtype=torch.bool).scatter_(
        1, things.topk(min(NAMED, things.shape[1]), dim=1).indices, True)
    scores, owners = torch.full_like(things, LOWEST), torch.zeros_like(things, dtype=torch.long)
    begin = 0
    for x, keys, shifts, factor in zip(
            hidden, names.keys, names.logits.shifts, names.logits.factors, strict=True):
        end = begin + x[0, 0].numel()
        here = chosen[:, begin:end]  # (B, cells of the level)
        cells = x.flatten(2).mT[here].to(keys.dtype)  # (n, C)
        if len(cells):
            best = torch.addmm(shifts.T, cells, keys.T, alpha=factor).max(1)  # of (n, V)
            scores[:, begin:end][here], owners[:, begin:end][here] = best
        begin = end
    return scores, owners


def typical_rows(vectors: Tensor, count: int) -> Tensor:
    """Rows of the vectors in the middle of ``count`` groups, each once.

    The groups are those of spherical k-means on the deviations from the mean; it starts from rows
    at equal distances in the list, so that equal lists have equal guides.

    Args:
        vectors: (V, D), L2-normalised.
        count: how many groups.
    """
    apart = torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)
    start = torch.linspace(0, len(vectors) - 1, min(count, len(vectors)), device=vectors.device)
    middles = apart[start.long()]
    for _ in range(ROUNDS):
        sums = torch.zeros_like(middles).index_add_(0, (apart @ middles.T).argmax(1), apart)
        # A group that lost its members stays where it is.
        middles = torch.where(sums.any(1, keepdim=True), torch.nn.functional.normalize(sums, dim=1),
                              middles)
    return (middles @ apart.T).argmax(1).unique()
