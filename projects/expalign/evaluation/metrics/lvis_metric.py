"""LVIS average precision, fixed and standard, of boxes and masks, in bounded memory."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from expalign.datasets.class_names import category_ids_of_classes
from expalign.datasets.formats.lvis_names import clean_lvis_names
from expalign.evaluation.best_detections import ClassHeaps, Columns, merge_heaps
from expalign.evaluation.lvis_by_class import detection_records, evaluate_lvis
from expalign.evaluation.lvis_ground_truth import shared_ground_truth
from expalign.evaluation.prediction_checks import (
    check_all_tested,
    check_mask_sizes,
    check_predictions,
    report_untested,
)
from expalign.registry import METRICS
from expalign.structures.rle_masks import mask_rles
from expalign.utils import finished_file

IOU_TYPES = dict(bbox='boxes', segm='masks')
PROTOCOLS = ('fixed', 'standard')
REPORTED = ('AP', 'APr', 'APc', 'APf', 'AP50', 'AP75', 'APs', 'APm', 'APl')


@METRICS.register_module()
class LVISMetric(BaseMetric):
    """AP, APr, APc, APf and more on LVIS, each as the official evaluator has it, unrounded.

    ``'fixed'`` (Dave et al., "Evaluating large-vocabulary object detectors: the devil is in the
    details", 2021): of every class the best ``per_class`` detections of the whole set count, and
    any number in an image. ``'standard'``: of every image the best ``per_image`` count, whatever
    their classes.

    Only detections that can still count are kept, see :class:`ClassHeaps`; a mask is kept where
    the image's annotation says whether its class is there. Predicted label i is the category
    *named* ``dataset_meta['classes'][i]``, as the file or as ``expalign.LVISV1Dataset`` writes
    names. An image that is tested twice counts once; images of
    ``ann_file`` that the data set leaves out count as without detections, with a warning.

    Args:
        ann_file: annotation file of LVIS, v0.5 or v1.
        metric: ``'bbox'``, ``'segm'`` or both.
        protocol: ``'fixed'`` or ``'standard'``.
        per_class: limit of the fixed protocol.
        per_image: limit of the standard protocol.
        split: name of the split for the printed line; by default that of the file.
        outfile_prefix: write ``PREFIX.lvis_{protocol}.{bbox,segm}.json``, which the official
            package reads. Memory then also holds the masks that cannot count.
        format_only: write these files and do not evaluate.
        kwargs: ``collect_device``, ``prefix``, ``collect_dir`` of mmengine's ``BaseMetric``.

    Raises:
        FileNotFoundError: ``ann_file`` does not exist.
        ValueError: it is not in LVIS format, an argument is not known, or, when ``dataset_meta``
            is set, a class is not in the file.
    """

    default_prefix = 'lvis'

    def __init__(self, ann_file: str, metric: str | Sequence[str] = 'bbox',
                 protocol: str = 'fixed', per_class: int = 10000, per_image: int = 300,
                 split: str | None = None, outfile_prefix: str | None = None,
                 format_only: bool = False, backend_args: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.metrics = [metric] if isinstance(metric, str) else list(metric)
        unknown = [name for name in self.metrics if name not in IOU_TYPES]
        if unknown or not self.metrics:
            raise ValueError(f"LVISMetric: metric must be 'bbox', 'segm' or both, got {metric!r}")
        if protocol not in PROTOCOLS:
            raise ValueError("LVISMetric: protocol must be 'fixed' or 'standard', "
                             f'got {protocol!r}')
        if format_only and outfile_prefix is None:
            raise ValueError('LVISMetric: format_only needs an outfile_prefix')
        self.fixed = protocol == 'fixed'
        self.protocol = protocol
        self.per_class = per_class if self.fixed else None
        self.per_image = None if self.fixed else per_image
        self.split = split or Path(ann_file).stem
        self.outfile_prefix = outfile_prefix
        self.format_only = format_only
        self.ann_file = ann_file
        self.truth = shared_ground_truth(ann_file, backend_args)
        if 'segm' in self.metrics:
            self.truth.read_masks()
        self._category_of_label: np.ndarray | None = None
        self._expected = 0
        self._reset()

    def _reset(self) -> None:
        self.heaps = ClassHeaps(len(self.truth.category_ids), self.per_class)
        self._seen: set[int] = set()

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it looks up the categories of its classes."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        classes, categories = dataset_meta['classes'], self.truth.categories
        raw_names = [category['name'] for category in categories]
        if not set(classes) <= set(raw_names):  # the data set has them in plain words
            categories = [dict(category, name=name) for category, name in zip(
                categories, clean_lvis_names(raw_names), strict=True)]
        ids = category_ids_of_classes(classes, categories, self.ann_file)
        self._category_of_label = np.array([self.truth.category_numbers[key] for key in ids])

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Take in the predictions of some images.

        Args:
            data_batch: not read.
            data_samples: dicts of ``img_id`` and ``pred_instances``: ``bboxes`` (n, 4) xyxy in
                pixels of the original image, ``scores`` (n), ``labels`` (n) and, for masks,
                ``masks``: RLE or (n, H, W).

        Raises:
            BadPredictions: boxes, scores, labels or masks that cannot be judged.
            ValueError: an image that is not in ``ann_file``.
        """
        if self._category_of_label is None:
            raise ValueError("LVISMetric needs the data set's classes: set dataset_meta")
        for sample in data_samples:
            number = self.truth.image_numbers.get(sample['img_id'])
            if number is None:
                raise ValueError(f'image id {sample["img_id"]!r} is not in {self.ann_file}')
            check_predictions(sample, len(self._category_of_label))
            if 'segm' in self.metrics:
                image = self.truth.api.imgs[sample['img_id']]
                check_mask_sizes(sample, (image['height'], image['width']))
            if number not in self._seen:
                self._seen.add(number)
                self._add_image(number, sample)

    def _add_image(self, number: int, sample: dict) -> None:
        pred = sample['pred_instances']
        scores = pred['scores'].cpu().numpy()
        rank = np.arange(len(scores), dtype=np.int32)
        if self.per_image is not None and len(scores) > self.per_image:
            rank = np.sort(np.argsort(-scores, kind='stable')[:self.per_image]).astype(np.int32)
        labels = self._category_of_label[pred['labels'].cpu().numpy().astype(np.int64)[rank]]
        countable = self.truth.countable(sample['img_id'])[labels]
        if not self.fixed and self.outfile_prefix is None:
            # Nobody is pushed out of a place by these.
            rank, labels, countable = rank[countable], labels[countable], countable[countable]
        extra = {}
        if 'segm' in self.metrics:
            kept = countable | (self.outfile_prefix is not None)
            extra['masks'] = self._masks(sample, rank, kept)
        self.heaps.add(
            labels, scores[rank], number, rank=rank, countable=countable,
            boxes=pred['bboxes'].cpu().numpy()[rank], **extra)

    def _masks(self, sample: dict, rank: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """RLE counts of the masks of rows, None where the mask is not ``kept``."""
        counts = np.full(len(rank), None, dtype=object)
        rles = mask_rles(sample['pred_instances']['masks'], rank[kept])
        for row, rle in zip(np.flatnonzero(kept), rles, strict=True):
            counts[row] = rle['counts']
        return counts

    def evaluate(self, size: int) -> dict[str, float]:
        """Evaluate what all processes have taken in.

        Args:
            size: images of the data set.

        Raises:
            RuntimeError: there are results of fewer images.
        """
        self._expected = size
        # One entry a process: the parent gathers as many, one after the other.
        self.results = [dict(images=np.array(sorted(self._seen), dtype=np.int64),
                             columns=self.heaps.columns())]
        self._reset()
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Merge the processes' detections and evaluate them; see :func:`merge_heaps`."""
        columns, images = merge_heaps(results, len(self.truth.category_ids), self.per_class)
        results.clear()
        check_all_tested('LVISMetric', len(images), self._expected)
        report_untested('LVISMetric', [self.truth.image_ids[number] for number in images],
                        self.truth.image_ids, self.ann_file)
        if self.outfile_prefix is not None:
            self._export(columns)
        if self.format_only:
            return {}
        scores = {}
        for metric in self.metrics:
            found = evaluate_lvis(self.truth, columns, metric, self.per_image or -1)
            line = ', '.join(f'{name} {found[name]:.4f}' for name in REPORTED)
            print_log(f'{self.describe(metric)}: {line}', 'current')
            scores.update({f'{metric}_{self.protocol}_{name}': found[name] for name in REPORTED})
        return scores

    def describe(self, metric: str) -> str:
        """The protocol in words, such as 'LVIS minival, boxes, fixed AP (...)'."""
        limits = (f'{self.per_class:,} detections per class, no limit per image' if self.fixed
                  else f'{self.per_image:,} detections per image, no limit per class')
        return f'LVIS {self.split}, {IOU_TYPES[metric]}, {self.protocol} AP ({limits})'

    def _export(self, columns: Columns) -> None:
        for metric in self.metrics:
            path = Path(f'{self.outfile_prefix}.lvis_{self.protocol}.{metric}.json')
            with finished_file(path) as temporary, temporary.open('w', encoding='utf-8') as file:
                write_records(
                    file, detection_records(self.truth, columns, metric, countable_only=False))
            print_log(f'detections written to {path}', 'current')


def write_records(file, records) -> None:
    """Write an LVIS or COCO result file entry by entry, without a list of them in memory."""
    separator = '['
    for record in records:
        if 'segmentation' in record:
            counts = record['segmentation']['counts'].decode()
            record = {**record, 'segmentation': {**record['segmentation'], 'counts': counts}}
        file.write(separator + json.dumps(record))
        separator = ',\n'
    file.write('[]' if separator == '[' else ']')
