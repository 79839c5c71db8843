"""False positives of prompts that are known to be absent from an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from expalign.datasets.annotation_file import check_annotation_file
from expalign.datasets.api_wrappers import NamedCategoryCOCO
from expalign.evaluation.prediction_checks import (
    check_all_tested,
    check_predictions,
    report_untested,
)
from expalign.evaluation.whole_test import WholeTest
from expalign.registry import METRICS

KINDS = ('unannotated', 'neg_category_ids')


@METRICS.register_module()
class AbsentPromptMetric(WholeTest, BaseMetric):
    """Detections of absent prompts above a score, per image.

    Every such detection is wrong, wherever its box lies. For each score s are reported
    ``per_image@s``, their mean number; ``per_100_prompts@s``, their number for 100 absent prompts
    of an image, which can be compared across vocabularies; and ``images@s``, the share of images
    that have one or more. Lower is better; a model that predicts nothing scores 0, so read them
    beside AP or recall.

    Predicted label i is the category named ``dataset_meta['classes'][i]``.

    Args:
        ann_file: COCO or LVIS annotations.
        absent: which prompts are known to be absent from an image. ``'unannotated'``: those of
            which the image has no annotation, crowds included, for exhaustive annotations as
            COCO's; ``'neg_category_ids'``: those that the image lists under this key (LVIS).
        score_thrs: detections count above these scores.
        kwargs: of mmengine's ``BaseMetric``.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: no such kind of absence, a class or image that the file does not have, or an
            image without ``neg_category_ids``.
    """

    default_prefix = 'absent_prompts'

    def __init__(self, ann_file: str, absent: str = 'unannotated',
                 score_thrs: Sequence[float] = (0.05, 0.1, 0.2, 0.3, 0.5), **kwargs) -> None:
        super().__init__(**kwargs)
        if absent not in KINDS:
            raise ValueError(f'absent must be one of {KINDS}, got {absent!r}')
        check_annotation_file(ann_file, "'ann_file' of the evaluator")
        self.absent = absent
        self.score_thrs = tuple(sorted(score_thrs))
        self.api = NamedCategoryCOCO(ann_file)
        self._category_ids = np.zeros(0, dtype=int)

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it looks up the categories of its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        self._category_ids = np.array(self.api.get_cat_ids(cat_names=dataset_meta['classes']))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """One result a sample: how many prompts are absent and how many detections they have."""
        for sample in data_samples:
            check_predictions(sample, len(self._category_ids))
            absent = self._absent_labels(sample['img_id'])
            labels, scores = (
                np.asarray(sample['pred_instances'][key].cpu()) for key in ('labels', 'scores'))
            scores = scores[absent[labels]]
            counts = [int((scores > threshold).sum()) for threshold in self.score_thrs]
            self.results.append((sample['img_id'], int(absent.sum()), counts))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Means over images."""
        tested = {row[0] for row in results}
        check_all_tested('AbsentPromptMetric', len(tested), self._expected)
        report_untested(
            'AbsentPromptMetric', tested, self.api.imgs.keys(), self.api.annotation_file)
        prompts = np.array([row[1] for row in results])
        counts = np.array([row[2] for row in results])  # (images, thresholds)
        if not prompts.sum():
            raise ValueError(
                f'no prompt is known to be absent from any image (absent={self.absent!r})')
        report = {}
        for index, threshold in enumerate(self.score_thrs):
            column = counts[:, index]
            report[f'per_image@{threshold:g}'] = float(column.mean())
            report[f'per_100_prompts@{threshold:g}'] = float(100 * column.sum() / prompts.sum())
            report[f'images@{threshold:g}'] = float((column > 0).mean())
        print_log(f'absent prompts ({self.absent}): {prompts.mean():.1f} an image, '
                  f'{len(results)} images', 'current')
        return report

    def _absent_labels(self, image_id: int) -> np.ndarray:
        """For every class whether it is known to be absent from the image: (classes) bool."""
        image = self.api.imgs.get(image_id)
        if image is None:
            raise ValueError(f'{self.api.annotation_file} has no image of id {image_id!r}')
        if self.absent == 'unannotated':
            present = {row['category_id'] for row in self.api.imgToAnns.get(image_id, [])}
            return ~np.isin(self._category_ids, list(present))
        if 'neg_category_ids' not in image:
            raise ValueError(
                f"image {image_id!r} of {self.api.annotation_file} has no 'neg_category_ids': only "
                "LVIS's files have them; for exhaustive annotations use absent='unannotated'")
        return np.isin(self._category_ids, image['neg_category_ids'])
