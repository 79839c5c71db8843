"""Recall of the phrases of captions: Flickr30k Entities."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from expalign.evaluation.prediction_checks import check_all_tested
from expalign.evaluation.prompt_boxes import annotated_boxes, best_overlaps, predicted_boxes
from expalign.evaluation.whole_test import WholeTest
from expalign.registry import METRICS

PROTOCOLS = ('any', 'merged')


@METRICS.register_module()
class PhraseGroundingMetric(WholeTest, BaseMetric):
    """Recall@k: the share of phrases of which one of the k best boxes is right.

    A sample has the phrases of its captions as prompts; the boxes of a phrase are the instances
    that it labels. Phrases without a box are not counted, and the log says how many there were; a
    phrase without a prediction is a miss. The model must return k boxes of every phrase, however
    low they score (``test_cfg.max_per_prompt``, ``score_thr=0``).

    Splits are told apart by the meta key ``source``; reported is ``SOURCE_R@k`` in [0, 1].

    Args:
        topk: the values of k.
        iou_thr: least overlap of a right box.
        protocol: of phrases with several boxes. ``'any'``: to find one of them is enough (MDETR,
            GLIP); ``'merged'``: the box around all of them is to be found (Plummer et al.).
        kwargs: of mmengine's ``BaseMetric``.

    Raises:
        ValueError: no such protocol, or a sample lacks ``text`` or ``instances``.
    """

    default_prefix = 'grounding'

    def __init__(self, topk: Sequence[int] = (1, 5, 10), iou_thr: float = 0.5,
                 protocol: str = 'any', **kwargs) -> None:
        super().__init__(**kwargs)
        if protocol not in PROTOCOLS:
            raise ValueError(f'protocol must be one of {PROTOCOLS}, got {protocol!r}')
        if not topk or min(topk) < 1:
            raise ValueError(f'topk must be numbers of 1 or more, got {topk!r}')
        self.topk = tuple(sorted(topk))
        self.iou_thr = iou_thr
        self.protocol = protocol

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Judge every phrase; one result a sample: split, phrases with and without box, hits."""
        for sample in data_samples:
            counted = boxless = 0
            hits = np.zeros(len(self.topk), dtype=int)
            truth = annotated_boxes(sample)
            for boxes, found in zip(truth, predicted_boxes(sample, self.topk[-1]), strict=True):
                if not len(boxes):
                    boxless += 1
                    continue
                counted += 1
                if self.protocol == 'merged':
                    boxes = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])[None]
                right = best_overlaps(found, boxes) >= self.iou_thr
                hits += [right[:k].any() for k in self.topk]
            self.results.append((sample.get('source', 'all'), counted, boxless, hits))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Recall over all phrases that have a box, for every split."""
        check_all_tested(type(self).__name__, len(results), self._expected)
        by_split = defaultdict(list)
        for split, *counts in results:
            by_split[split].append(counts)
        report = {}
        for split, rows in by_split.items():
            counted, boxless, hits = (sum(column) for column in zip(*rows, strict=True))
            if not counted:
                raise ValueError(f'no phrase of {split} has a box: there is nothing to recall')
            recalls = {
                f'R@{k}': float(n / counted) for k, n in zip(self.topk, hits, strict=True)}
            report.update({f'{split}_{name}': recall for name, recall in recalls.items()})
            listed = ', '.join(f'{name} {recall:.4f}' for name, recall in recalls.items())
            print_log(
                f'{split}: {listed} ({self.protocol} box, IoU {self.iou_thr:g}, {counted} phrases '
                f'in {len(rows)} samples; {boxless} phrases without a box not counted)', 'current')
        return report
