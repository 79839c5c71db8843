"""Boxes of a sample by prompt: the annotated ones and the best predicted ones."""

import numpy as np
from mmdet.evaluation.functional import bbox_overlaps

from expalign.evaluation.prediction_checks import check_predictions
from expalign.structures.prompts import first_occurrences, key_of_sample, parse_prompts


def prompts_of(sample: dict) -> list[str]:
    """The K prompts of a sample.

    Raises:
        ValueError: it has no ``text``.
    """
    if sample.get('text') is None:
        raise ValueError(
            f'image {_name(sample)} has no prompts: the test pipeline must pack the meta key '
            "'text'")
    return parse_prompts(sample['text'], bool(sample.get('custom_entities', False)))


def annotated_boxes(sample: dict) -> list[np.ndarray]:
    """For every prompt its annotated boxes (g, 4), xyxy in pixels of the original image.

    They come from the meta key ``instances``, as the boxes of ``gt_instances`` are those of the
    resized image. Ignored instances are left out.

    Raises:
        ValueError: the sample has no ``instances``, or one of them is of no prompt.
    """
    if sample.get('instances') is None:
        raise ValueError(
            f'image {_name(sample)} has no annotations: the test pipeline must pack the meta key '
            "'instances'")
    boxes: list[list] = [[] for _ in prompts_of(sample)]
    for instance in sample['instances']:
        label = instance['bbox_label']
        if not 0 <= label < len(boxes):
            raise ValueError(
                f'image {_name(sample)} has an instance of label {label}, but {len(boxes)} prompts')
        if not instance['ignore_flag']:
            boxes[label].append(instance['bbox'])
    return [np.array(rows, dtype=np.float64).reshape(-1, 4) for rows in boxes]


def predicted_boxes(sample: dict, limit: int) -> list[np.ndarray]:
    """For every prompt its best predicted boxes (n, 4), n <= ``limit``, by falling score.

    A prompt that is there twice is scored once, under its first index; both get its boxes.

    Raises:
        BadPredictions: boxes, scores or labels that cannot be judged.
    """
    check_predictions(sample, len(prompts_of(sample)))
    predictions = sample['pred_instances']
    labels, scores, boxes = (
        np.asarray(predictions[key].cpu()) for key in ('labels', 'scores', 'bboxes'))
    order = np.argsort(-scores, kind='stable')
    labels, boxes = labels[order], boxes[order].astype(np.float64)
    firsts = first_occurrences(prompts_of(sample), key_of_sample(sample))
    return [boxes[labels == first][:limit] for first in firsts]


def best_overlaps(predicted: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """For every predicted box (n, 4) its largest IoU with an annotated one (g, 4), g > 0: (n)."""
    if not len(predicted):
        return np.zeros(0)
    return bbox_overlaps(predicted, annotated).max(axis=1)


def _name(sample: dict) -> str:
    return repr(sample.get('img_path', sample.get('img_id')))
