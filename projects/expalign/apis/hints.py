"""Hints for weak prompts: words for the same thing, scored in the very maps of a search.

Axes: B images, K prompts, n other words.
"""

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from expalign.models.layers import FoldedMaps, TokenTable
from expalign.models.necks import EAHOutput
from expalign.structures.hint import Hint
from expalign.structures.thresholds import thresholds_of
from expalign.structures.token_prompt import TokenPrompt

from .hint_words import better_names

LEAST = 0.4  # score of another word that is worth saying


class Hinter:
    """Gives the hints of a call's images.

    Only a prompt that finds nothing in an image is looked at, and nothing is computed where all
    find something. The other words are those of :func:`~.hint_words.better_names` that have exact
    vectors in the model (``known_names``). They are compared with the maps that are there: neither
    image encoder nor pyramid runs again, and other words do not gate the pyramid, so the scores of
    the prompts stay as they are. Prompts that bring their tokens, models without a table of names,
    and batches whose images have prompts of their own get no hints.

    Args:
        model: the ``ExpAlignDetector``.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._of: tuple[tuple[str, ...], list[list[int]], TokenTable | None] | None = None

    @torch.no_grad()
    def __call__(
        self, neck_out: EAHOutput, samples: Sequence[DetDataSample], prompts: Sequence[str]
    ) -> list[list[Hint]]:
        """The hints of a batch whose images share K prompts.

        Args:
            neck_out: of the batch.
            samples: B samples with predictions.
            prompts: K prompts.

        Returns:
            a list an image.
        """
        if self.model.known_names is None or not isinstance(neck_out.eams, FoldedMaps):
            return [[] for _ in samples]
        thresholds = thresholds_of(prompts, known=self.model.known_classes)
        best = [_best_scores(sample, len(prompts)) for sample in samples]
        weak = [[place for place, (score, least) in enumerate(zip(row, thresholds, strict=True))
                 if score < least] for row in best]
        if not any(weak):
            return [[] for _ in samples]
        rows, table = self._other_words(tuple(prompts))
        if table is None or not any(rows[place] for places in weak for place in places):
            return [[] for _ in samples]
        scores = _best_cells(neck_out.eams.of_table(table))
        return [self._hints(prompts, row, places, rows, own)
                for row, places, own in zip(best, weak, scores, strict=True)]

    def _hints(self, prompts: Sequence[str], best: Sequence[float], weak: Sequence[int],
               rows: Sequence[Sequence[int]], scores: Sequence[float]) -> list[Hint]:
        """Hints of an image for its weak prompts; ``scores`` are of all other words, in a row."""
        starts = [0]
        for own in rows:
            starts.append(starts[-1] + len(own))
        found = []
        for place in weak:
            own = list(zip(scores[starts[place]:starts[place + 1]], rows[place], strict=True))
            if own and max(own)[0] >= LEAST:
                score, row = max(own)
                found.append(Hint(
                    prompts[place], best[place], self.model.known_names.names[row], score))
        return found

    def _other_words(self, prompts: tuple[str, ...]) -> tuple[list[list[int]], TokenTable | None]:
        """Rows of the known names that are tried for each prompt, and the table of all of them."""
        kept = self._of  # read once: another thread may replace it
        if kept is None or kept[0] != prompts:
            known = self.model.known_names.table
            asked = {known.row_of(prompt) for prompt in prompts}
            rows = [[] if isinstance(prompt, TokenPrompt) else list(dict.fromkeys(
                row for word in better_names(prompt)
                if (row := known.row_of(word)) is not None and row not in asked))
                for prompt in prompts]
            every = [row for own in rows for row in own]
            table = None
            if every:
                vectors = self.model.known_names.vectors[every][:, None]  # (n, 1, D)
                masks = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
                table = self.model.bbox_head.head_module.fold(
                    self.model.neck.fold_tokens(vectors, masks))
            kept = self._of = prompts, rows, table
        return kept[1:]


def _best_scores(sample: DetDataSample, count: int) -> list[float]:
    """The best score of each of K prompts in an image; 0 without a box."""
    found = sample.pred_instances
    best = found.scores.new_zeros(count)
    return best.scatter_reduce(0, found.labels, found.scores, 'amax').tolist()


def _best_cells(maps: FoldedMaps) -> list[list[float]]:
    """The best score of every prompt of a table in every image."""
    logits: Tensor = torch.stack([x.flatten(2).amax(2).float() for x in maps.logits()]).amax(0)
    return logits.sigmoid().tolist()
