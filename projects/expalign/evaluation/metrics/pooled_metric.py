"""What one score threshold makes of the detections of all classes."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from expalign.datasets.annotation_file import check_annotation_file
from expalign.evaluation.calibration import SampleJudge, by_class, gather
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from expalign.evaluation.pooled import Judged
from expalign.evaluation.prediction_checks import check_all_tested, report_untested
from expalign.evaluation.whole_test import WholeTest
from expalign.registry import METRICS


@METRICS.register_module()
class PooledMetric(WholeTest, BaseMetric):
    """F1 and AP of the detections of all classes in one list.

    AP by class does not see whether scores of different classes can be compared; this does. There
    are ``AP`` of the list; ``F1@s``, at the thresholds asked for; ``best_F1`` and the threshold
    ``best_thr`` that has it; and ``own_F1``, with the best threshold of every class for itself,
    which is what thresholds by class could reach on these very images.

    Predicted label i is the category named ``dataset_meta['classes'][i]``. Crowds are regions to
    ignore.

    Args:
        ann_file: COCO annotations.
        score_thrs: thresholds; detections above them are shown.
        iou_threshold: overlap from which a box is right.
        kwargs: of mmengine's ``BaseMetric``.

    Attributes:
        judged: the detections of the last evaluation.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: a class or image that the file does not have.
    """

    default_prefix = 'pooled'

    def __init__(self, ann_file: str, score_thrs: Sequence[float] = (0.1, 0.2, 0.3),
                 iou_threshold: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        check_annotation_file(ann_file, "'ann_file' of the evaluator")
        self.score_thrs = tuple(score_thrs)
        self.iou_threshold = iou_threshold
        self.truth = CocoGroundTruth(ann_file)
        self.judged: Judged | None = None

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it looks up the categories of its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        self._judge = SampleJudge(self.truth, dataset_meta['classes'], self.iou_threshold)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """One result a sample: its detections, judged."""
        self.results += [(sample['img_id'], self._judge(sample)) for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """AP and F1 of the whole list."""
        tested = {image for image, _ in results}
        check_all_tested('PooledMetric', len(tested), self._expected)
        report_untested('PooledMetric', tested, self.truth.imgs.keys(), self.truth.name)
        # Collecting makes plain tuples of them.
        judged = self.judged = gather(
            [Judged(*part) for _, part in results], len(self._judge.classes))
        best_thr, best = judged.best_threshold() or (float('nan'), 0.0)
        report = {'AP': judged.average_precision(), 'best_F1': best, 'best_thr': best_thr}
        report |= {f'F1@{threshold:g}': judged.f1(threshold) for threshold in self.score_thrs}
        return report | {'own_F1': own_f1(judged)}


def own_f1(judged: Judged) -> float:
    """F1 with the best threshold of every class; 0 where there is nothing."""
    shown = hits = 0
    for label, best in enumerate(by_class(judged)):
        if best is not None:
            above = (judged.labels == label) & (judged.scores > best[0])
            shown, hits = shown + above.sum(), hits + judged.hits[above].sum()
    total = shown + judged.truths.sum()
    return float(2 * hits / total) if total else 0.0
