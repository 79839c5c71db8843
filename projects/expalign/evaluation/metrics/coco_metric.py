"""COCO's average precision for predictions whose labels follow a list of names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.fileio import get_local_path

from expalign.datasets.annotation_file import check_annotation_file
from expalign.datasets.class_names import category_ids_of_classes
from expalign.evaluation.coco_ground_truth import CocoGroundTruth
from expalign.evaluation.prediction_checks import (
    check_all_tested,
    check_mask_sizes,
    check_predictions,
    report_untested,
)
from expalign.evaluation.whole_test import WholeTest
from expalign.registry import METRICS
from expalign.utils import scratch_folder

BOX_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
PROPOSAL_ITEMS = ('AR@100', 'AR@300', 'AR@1000', 'AR_s@1000', 'AR_m@1000', 'AR_l@1000')
MAX_DETECTIONS = (1, 10, 100)  # COCO's limits for the detections of a class in an image


@METRICS.register_module()
class CocoMetric(WholeTest, MMDetCocoMetric):
    """mmdet's ``CocoMetric`` for labels that index ``dataset_meta['classes']``.

    Predicted label i is the category *named* ``classes[i]``; mmdet takes the i-th of these
    categories in the file's order. Arguments are mmdet's. Further differences:

    - A class that ``ann_file`` does not have is reported when ``dataset_meta`` is set, before
      anything is run, and a model that predicts nothing at all scores 0 instead of having no score.
    - Every figure of ``'bbox'`` and ``'segm'`` counts the best 100 detections of a class in an
      image, as pycocotools does; in mmdet, by default, all but ``mAP`` count 1,000.
      ``proposal_nums`` is of ``'proposal'`` alone.
    - Annotations need no ``id``, ``area``, ``iscrowd`` or ``segmentation``, see
      :class:`~expalign.evaluation.coco_ground_truth.CocoGroundTruth`: mask AP is over the
      instances that have a mask.

    The reported values are rounded to three decimals by mmdet; with ``outfile_prefix`` the
    predictions are kept as COCO JSON, for evaluators that do not round.

    Args:
        ann_file: annotations; by default the ground truth comes with the samples.
        metric: ``'bbox'``, ``'segm'``, ``'proposal'`` or a list of them.
        proposal_nums: numbers of boxes of ``'proposal'``.
        metric_items: see mmdet's class; ``'bbox'`` and ``'segm'`` have :data:`BOX_ITEMS`.
        kwargs: see mmdet's class.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: ``ann_file`` lacks one of the classes or cannot be evaluated, or an argument is
            of no use with this ``metric``.
    """

    def __init__(self, ann_file: str | None = None, metric: str | Sequence[str] = 'bbox',
                 proposal_nums: Sequence[int] = (100, 300, 1000),
                 metric_items: Sequence[str] | None = None, **kwargs) -> None:
        super().__init__(
            metric=metric if isinstance(metric, str) else list(metric),
            proposal_nums=proposal_nums, metric_items=metric_items, **kwargs)
        self._check_arguments()
        self.ann_file = ann_file
        self._label_ranks: np.ndarray | None = None
        if ann_file is not None:
            check_annotation_file(ann_file, "'ann_file' of the evaluator", self.backend_args)
            with get_local_path(ann_file, backend_args=self.backend_args) as path:
                self._coco_api = self._read(path, ann_file)

    def _check_arguments(self) -> None:
        if not {'bbox', 'segm'}.intersection(self.metrics):
            return
        if 'proposal' not in self.metrics and max(self.proposal_nums) not in (100, 1000):
            raise ValueError(
                f'{type(self).__name__}: proposal_nums {self.proposal_nums} is of metric '
                "'proposal'; AP counts the best 100 detections of a class in an image")
        wrong = [item for item in self.metric_items or () if item not in BOX_ITEMS]
        if wrong:
            raise ValueError(f"{type(self).__name__}: metric 'bbox' and 'segm' have the items "
                             f"{list(BOX_ITEMS)}, not {wrong}; recall is of metric 'proposal'")

    def _read(self, path: str, name: str) -> CocoGroundTruth:
        return CocoGroundTruth(path, masks='segm' in self.metrics, name=name)

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

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Take in the predictions of some images.

        Raises:
            BadPredictions: boxes, scores, labels or masks that cannot be judged.
            ValueError: an image that is not in ``ann_file``.
        """
        classes = (self._dataset_meta or {}).get('classes')
        for sample in data_samples:
            check_predictions(sample, None if classes is None else len(classes))
            size = tuple(sample['ori_shape'][:2])
            if self.ann_file is not None:
                image = self._coco_api.imgs.get(sample['img_id'])
                if image is None:
                    raise ValueError(f'image id {sample["img_id"]!r} is not in {self.ann_file}')
                size = image['height'], image['width']
            if 'segm' in self.metrics:
                check_mask_sizes(sample, size)
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluate the collected ``(ground truth, prediction)`` pairs."""
        tested = {pred['img_id'] for _, pred in results}
        check_all_tested(type(self).__name__, len(tested), self._expected)
        if self._coco_api is None:
            self._collect_ground_truth([gt for gt, _ in results])
        elif self.ann_file is not None:
            report_untested(
                type(self).__name__, tested, self._coco_api.imgs.keys(), self.ann_file)
        if self._label_ranks is not None:
            results = [
                (gt, {**pred, 'labels': self._label_ranks[pred['labels'].astype(np.int64)]})
                for gt, pred in results
            ]
        scores = {}
        for metrics, truth, limits in self._passes():
            scores.update(self._one_pass(results, metrics, truth, limits))
        nothing_predicted = not any(len(pred['labels']) for _, pred in results)
        if nothing_predicted and not self.format_only:
            scores = {**self._zero_scores(), **scores}
        return scores

    def _collect_ground_truth(self, samples: list[dict]) -> None:
        """Make the ground truth of what came with the samples."""
        with scratch_folder() as folder:
            path = self.gt_to_coco_json(samples, str(folder / 'samples'))
            self._coco_api = self._read(path, 'that the samples make')
        self.cat_ids = list(range(len(self.dataset_meta['classes'])))

    def _passes(self) -> Iterator[tuple[list[str], COCO, Sequence[int]]]:
        """What mmdet's evaluation is run on: metrics, their ground truth and limits."""
        truth = self._coco_api
        masks = [metric for metric in self.metrics if metric == 'segm']
        average = [metric for metric in self.metrics if metric in ('bbox', 'segm')]
        if self.format_only or not getattr(truth, 'maskless', None):
            separate = []
        else:
            separate, average = masks, [metric for metric in average if metric != 'segm']
        if average:
            yield average, truth, MAX_DETECTIONS
        if separate:
            yield separate, truth.for_masks(), MAX_DETECTIONS
        proposals = [metric for metric in self.metrics if metric not in ('bbox', 'segm')]
        if proposals:
            yield proposals, truth, self.proposal_nums

    def _one_pass(self, results: list, metrics: list[str], truth: COCO,
                  limits: Sequence[int]) -> dict[str, float]:
        """mmdet's evaluation with other settings."""
        own = self.metrics, self._coco_api, self.proposal_nums
        self.metrics, self._coco_api, self.proposal_nums = metrics, truth, limits
        try:
            return super().compute_metrics(results)
        finally:
            self.metrics, self._coco_api, self.proposal_nums = own

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict[str, str]:
        """mmdet's result files, which appear complete or not at all."""
        target = Path(outfile_prefix)
        with scratch_folder(target.parent) as folder:
            written = super().results2json(results, str(folder / target.name))
            for path in folder.iterdir():
                path.replace(target.parent / path.name)
        return {kind: str(target.parent / Path(path).name) for kind, path in written.items()}

    def _zero_scores(self) -> dict[str, float]:
        """The scores of a model without predictions, which mmdet leaves out."""
        scores = {}
        for metric in self.metrics:
            if metric in ('bbox', 'segm'):
                scores.update({f'{metric}_{item}': 0.0 for item in self.metric_items or BOX_ITEMS})
            elif metric == 'proposal':
                scores.update(dict.fromkeys(self.metric_items or PROPOSAL_ITEMS, 0.0))
        return scores
