"""LVIS average precision, one class after the other.

The official ``LVISEval`` visits every pair of image and class, of which LVIS val has 24 million,
and keeps a result for each. Nearly all of them are empty. Here an evaluator gets the annotations
and detections of one class, and the few images that have any, so that memory and time follow what
there is to compare. Matching is done by ``faster-coco-eval`` in LVIS style, whose precisions are
those of the official package to rounding; the official package averages them.
"""

import logging
from collections.abc import Iterator

import numpy as np
import pycocotools.mask as coco_mask
from lvis import LVISEval, LVISResults

from expalign.utils.logged_progress import logged_progress

from .best_detections import Columns
from .ground_truth_masks import ignored_region
from .lvis_ground_truth import InMemoryLVIS, LVISGroundTruth

ANNOTATION_KEYS = ('id', 'image_id', 'category_id', 'bbox', 'area', 'segmentation')


class _Detections(LVISResults):
    """``lvis.LVISResults`` without any."""

    def __init__(self) -> None:
        self.logger = logging.getLogger('lvis.lvis')
        self.dataset = dict(images=[], annotations=[], categories=[])
        self._create_index()


def evaluate_lvis(truth: LVISGroundTruth, detections: Columns, iou_type: str,
                  max_dets: int) -> dict[str, float]:
    """The official summary of detections: AP, AP50, AP75, APs, APm, APl, APr, APc, APf and ARs.

    Args:
        truth: the ground truth.
        detections: sorted columns of :class:`~expalign.evaluation.best_detections.ClassHeaps`:
            ``labels`` (numbers of categories), ``scores``, ``image`` (numbers of images),
            ``boxes`` (n, 4) xyxy in pixels and, for masks, ``masks`` (RLE counts).
        iou_type: ``'bbox'`` or ``'segm'``. In the latter an area is the mask's.
        max_dets: detections an image, -1 for any number; only names the recalls. What is in
            ``detections`` is evaluated.

    Returns:
        unrounded values; -1 where there is no class to average over, as in the official package.
    """
    summary = LVISEval(
        InMemoryLVIS({**truth.api.dataset, 'annotations': []}), _Detections(), iou_type)
    params = summary.params
    params.max_dets = max_dets
    shape = len(truth.category_ids), len(params.area_rng)
    precision = np.full((len(params.iou_thrs), len(params.rec_thrs), *shape), -1.0)
    recall = np.full((len(params.iou_thrs), *shape), -1.0)
    numbers = sorted(truth.annotations)
    kind = 'masks' if iou_type == 'segm' else 'boxes'
    for number in logged_progress(numbers, f'classes evaluated on {kind}'):
        found = _one_class(truth, number, _rows_of(detections, number), iou_type)
        precision[:, :, number], recall[:, number] = found
    summary.eval = dict(params=params, precision=precision, recall=recall)
    summary.freq_groups = summary._prepare_freq_group()
    summary.summarize()
    return {name: float(value) for name, value in summary.results.items()}


def _rows_of(detections: Columns, number: int) -> Columns:
    """The rows of a category, which lie together."""
    if not detections:
        return {}
    labels = detections['labels']
    start, stop = np.searchsorted(labels, [number, number + 1])
    return {name: column[start:stop] for name, column in detections.items()}


def _one_class(truth: LVISGroundTruth, number: int, rows: Columns,
               iou_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Precision (T, R, A) and recall (T, A) of a category that has annotations."""
    # Imported here: nothing but LVIS evaluation needs the package.
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster
    category = truth.api.cats[truth.category_ids[number]]
    annotations = [
        {key: annotation[key] for key in ANNOTATION_KEYS if key in annotation}
        for annotation in truth.annotations[number]]
    if iou_type == 'segm':
        annotations = [ignored_region(annotation) if annotation['id'] in truth.maskless
                       else annotation for annotation in annotations]
    results = list(detection_records(truth, rows, iou_type))
    for index, record in enumerate(results, start=1):
        record['id'] = index
        record['area'] = _area(record, iou_type)
    # The evaluator takes numbers from 0 on alone as ids of images.
    ids = sorted({record['image_id'] for record in (*annotations, *results)})
    places = {key: place for place, key in enumerate(ids)}
    for record in (*annotations, *results):
        record['image_id'] = places[record['image_id']]
    shared = dict(images=[dict(truth.api.imgs[key], id=places[key]) for key in ids],
                  categories=[category])
    evaluator = COCOeval_faster(
        _coco(dict(shared, annotations=annotations)), _coco(dict(shared, annotations=results)),
        iou_type, lvis_style=True, print_function=logging.getLogger(__name__).debug)
    evaluator.params.maxDets = [max(len(results), 1)]  # limits are not its business
    evaluator.evaluate()
    evaluator.accumulate()
    # The axes of category and limit have length one.
    return evaluator.eval['precision'][:, :, 0, :, 0], evaluator.eval['recall'][:, 0, :, 0]


def _coco(dataset: dict) -> object:
    """A data set of ``faster_coco_eval`` from a dict."""
    from faster_coco_eval import COCO
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _area(record: dict, iou_type: str) -> float:
    if iou_type == 'segm':
        return float(coco_mask.area(record['segmentation']))
    return record['bbox'][2] * record['bbox'][3]


def detection_records(truth: LVISGroundTruth, rows: Columns, iou_type: str,
                      countable_only: bool = True) -> Iterator[dict]:
    """Rows as entries of an LVIS result file.

    Args:
        truth: the ground truth.
        rows: see :func:`evaluate_lvis`.
        iou_type: ``'bbox'`` for entries with a box, ``'segm'`` for entries with a mask.
        countable_only: leave out what the evaluator would drop, see
            :meth:`~expalign.evaluation.lvis_ground_truth.LVISGroundTruth.countable`.
    """
    if not rows:
        return
    chosen = np.flatnonzero(rows['countable']) if countable_only else range(len(rows['labels']))
    # As the float32 of the model: the differences below are then exact.
    boxes = rows['boxes'].astype(np.float64)
    for index in chosen:
        image = truth.image_ids[rows['image'][index]]
        record = dict(image_id=image, category_id=truth.category_ids[rows['labels'][index]],
                      score=float(rows['scores'][index]))
        if iou_type == 'segm':
            info = truth.api.imgs[image]
            record['segmentation'] = dict(
                size=[info['height'], info['width']], counts=rows['masks'][index])
        else:
            x1, y1, x2, y2 = boxes[index].tolist()
            record['bbox'] = [x1, y1, x2 - x1, y2 - y1]
        yield record
