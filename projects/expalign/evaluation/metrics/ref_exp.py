"""Accuracy on referring expressions: RefCOCO, RefCOCO+, RefCOCOg."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from expalign.evaluation.prediction_checks import check_all_tested
from expalign.evaluation.prompt_boxes import (
    annotated_boxes,
    best_overlaps,
    predicted_boxes,
    prompts_of,
)
from expalign.evaluation.whole_test import WholeTest
from expalign.registry import METRICS


class Counts(NamedTuple):
    """Of one image: expressions, those whose best box is right, those without any prediction."""

    expressions: int
    hits: int
    silent: int


@METRICS.register_module()
class RefExpMetric(WholeTest, BaseMetric):
    """Top-1 accuracy at an IoU, per split.

    A sample is an image with all its expressions as prompts, so that the image is encoded once;
    each expression has one box. It counts as found when the best-scoring predicted box of this
    expression overlaps its box by ``iou_thr`` or more; without a prediction it does not. The model
    must return the best box of every expression, however low it scores
    (``test_cfg.max_per_prompt=1`` and ``score_thr=0``).

    Splits are told apart by the meta key ``source`` (as of ``expalign.RefsDataset``); reported is
    ``SOURCE_acc`` in [0, 1], with the number of expressions in the log.

    Args:
        iou_thr: least overlap (Yu et al., 2016: 0.5).
        kwargs: of mmengine's ``BaseMetric``.

    Raises:
        ValueError: an expression has no box or several, or the sample lacks ``text`` or
            ``instances``.
    """

    default_prefix = 'refexp'

    def __init__(self, iou_thr: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.iou_thr = iou_thr

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Judge every expression; one result a sample."""
        for sample in data_samples:
            hits = silent = 0
            truth = annotated_boxes(sample)
            found = predicted_boxes(sample, limit=1)
            for text, boxes, best in zip(prompts_of(sample), truth, found, strict=True):
                if len(boxes) != 1:
                    raise ValueError(
                        f'the expression {text!r} of image '
                        f'{sample.get("img_path", sample.get("img_id"))!r} has {len(boxes)} boxes; '
                        'it must have one')
                silent += not len(best)
                hits += bool((best_overlaps(best, boxes) >= self.iou_thr).any())
            self.results.append(
                (sample.get('source', 'all'), Counts(len(truth), hits, silent)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Accuracy of every split."""
        check_all_tested(type(self).__name__, len(results), self._expected)
        by_split = defaultdict(list)
        for split, counts in results:
            by_split[split].append(counts)
        report = {}
        for split, images in by_split.items():
            expressions, hits, silent = (sum(column) for column in zip(*images, strict=True))
            report[f'{split}_acc'] = hits / expressions
            print_log(
                f'{split}: {hits / expressions:.4f} ({hits} of {expressions} expressions in '
                f'{len(images)} images at IoU {self.iou_thr:g}; {silent} without a prediction)',
                'current')
        return report
