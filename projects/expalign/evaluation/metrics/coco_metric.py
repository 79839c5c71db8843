"""COCO's average precision for predictions whose labels follow a list of names."""

from collections.abc import Sequence

import numpy as np
from mmdet.evaluation import CocoMetric as MMDetCocoMetric

from expalign.datasets.annotation_file import check_annotation_file
from expalign.datasets.class_names import category_ids_of_classes
from expalign.registry import METRICS

BOX_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
PROPOSAL_ITEMS = ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000')


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):
    """mmdet's ``CocoMetric`` for labels that index ``dataset_meta['classes']``.

    Predicted label i is the category *named* ``classes[i]``; mmdet takes the i-th of these
    categories in the file's order. Arguments are mmdet's. Two further differences: a class that
    ``ann_file`` does not have is reported when ``dataset_meta`` is set, before anything is run, and
    a model that predicts nothing at all scores 0 instead of having no score.

    The reported values are rounded to three decimals by mmdet; with ``outfile_prefix`` the
    predictions are kept as COCO JSON, for evaluators that do not round.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: ``ann_file`` lacks one of the classes.
    """

    def __init__(self, ann_file: str | None = None, **kwargs) -> None:
        if ann_file is not None:
            check_annotation_file(
                ann_file, "'ann_file' of the evaluator", kwargs.get('backend_args'))
        self.ann_file = ann_file
        self._label_ranks: np.ndarray | None = None
        super().__init__(ann_file=ann_file, **kwargs)

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it looks up the categories of its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        if self._coco_api is None:  # ground truth comes with the samples, in the order of classes
            return
        ids = self._category_ids(dataset_meta['classes'])
        # COCOeval sorts category ids and mmdet's class-wise table trusts their order: so they stay
        # sorted, and label i becomes the rank of its category.
        self.cat_ids = sorted(ids)
        self._label_ranks = np.argsort(np.argsort(ids))

    def _category_ids(self, classes: Sequence[str]) -> list[int]:
        """The id of the category that each class is, in ``ann_file``."""
        used = {cat_id for cat_id, images in self._coco_api.cat_img_map.items() if images}
        return category_ids_of_classes(
            classes, self._coco_api.dataset['categories'], self.ann_file, used)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the collected ``(ground truth, prediction)`` pairs."""
        if self._label_ranks is not None:
            results = [
                (gt, {**pred, 'labels': self._label_ranks[pred['labels']]})
                for gt, pred in results
            ]
        scores = super().compute_metrics(results)
        nothing_predicted = not any(len(pred['labels']) for _, pred in results)
        if nothing_predicted and not self.format_only:
            scores = {**self._zero_scores(), **scores}
        return scores

    def _zero_scores(self) -> dict[str, float]:
        """The scores of a model without predictions, which mmdet leaves out."""
        scores = {}
        for metric in self.metrics:
            if metric in ('bbox', 'segm'):
                scores.update({f'{metric}_{item}': 0.0 for item in self.metric_items or BOX_ITEMS})
            elif metric == 'proposal':
                scores.update(dict.fromkeys(self.metric_items or PROPOSAL_ITEMS, 0.0))
        return scores
