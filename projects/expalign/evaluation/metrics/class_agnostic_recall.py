"""Average recall of boxes whatever their labels: localisation without naming."""

from collections.abc import Sequence

from mmengine.logging import print_log

from expalign.registry import METRICS

from .coco_metric import CocoMetric


@METRICS.register_module()
class ClassAgnosticRecall(CocoMetric):
    """COCO's AR@100, AR@300 and AR@1000 without regard to labels.

    The share of annotated boxes that the best n boxes of their image cover, averaged over IoU 0.5
    to 0.95. Labels are ignored, so what AP lacks and this has is lost in naming. Boxes of one place
    under several labels count several times among the n: let the model suppress across labels
    (``test_cfg.nms.class_agnostic=True``, ``multi_label=False``) and return as many boxes
    (``max_per_img=1000``). The log says when no image had as many boxes as the largest n.

    Args:
        kwargs: of :class:`CocoMetric`, without ``metric`` and ``proposal_nums``.
    """

    default_prefix = 'class_agnostic'

    def __init__(self, ann_file: str | None = None, metric_items: Sequence[str] = (
            'AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000'),
            **kwargs) -> None:
        super().__init__(
            ann_file=ann_file, metric='proposal', proposal_nums=(100, 300, 1000),
            metric_items=list(metric_items), **kwargs)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the collected ``(ground truth, prediction)`` pairs."""
        most = max((len(pred['labels']) for _, pred in results), default=0)
        if most < self.proposal_nums[-1]:
            print_log(
                f'class-agnostic recall: no image has more than {most} boxes, so that AR@n is the '
                'same for all n above; test_cfg.max_per_img and score_thr limit them',
                'current', level=30)
        return super().compute_metrics(results)
