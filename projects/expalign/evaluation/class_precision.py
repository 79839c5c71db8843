"""COCO's box AP of every class, unrounded, by pycocotools."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.cocoeval import COCOeval

from .coco_ground_truth import CocoGroundTruth
from .found_and_true import FoundAndTrue


class ClassPrecision(NamedTuple):
    """Of one class: AP, AP50, and the number of its true boxes; NaN where there is none."""

    ap: float
    ap50: float
    true: int


def class_precision(
    truth: CocoGroundTruth, image_ids: Sequence[int | str], images: Sequence[FoundAndTrue],
    category_ids: Sequence[int | str],
) -> list[ClassPrecision]:
    """Evaluate boxes by class.

    Args:
        truth: annotations.
        image_ids: of the images.
        images: what was found in each.
        category_ids: K ids, by label.
    """
    found = [
        dict(image_id=image_id, category_id=category_ids[label], score=float(score), bbox=[
            float(x1), float(y1), float(x2 - x1), float(y2 - y1)])
        for image_id, image in zip(image_ids, images, strict=True)
        for (x1, y1, x2, y2), score, label in zip(
            image.boxes, image.scores, image.labels, strict=True)]
    true = [sum(int(((x.true_labels == label) & ~x.ignored).sum()) for x in images)
            for label in range(len(category_ids))]
    if not found:
        return [ClassPrecision(0.0 if n else np.nan, 0.0 if n else np.nan, n) for n in true]
    evaluation = COCOeval(truth, truth.loadRes(found), 'bbox')
    evaluation.params.imgIds = list(image_ids)
    evaluation.params.catIds = list(category_ids)  # it sorts them
    evaluation.evaluate()
    evaluation.accumulate()
    places = np.searchsorted(np.unique(category_ids), category_ids)
    precision = evaluation.eval['precision'][:, :, places, 0, -1]  # (T, R, K)
    values = np.where(precision < 0, np.nan, precision)
    return [ClassPrecision(float(values[..., k].mean()), float(values[0, :, k].mean()), n)
            for k, n in enumerate(true)]


def mean_precision(rows: Sequence[ClassPrecision]) -> tuple[float, float]:
    """AP and AP50 over the classes that are there; NaN if there is none."""
    there = [row for row in rows if row.true]
    if not there:
        return float('nan'), float('nan')
    return (float(np.mean([row.ap for row in there])), float(np.mean([row.ap50 for row in there])))
