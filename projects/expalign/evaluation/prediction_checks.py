"""What every metric asks of predictions before it counts them, and of a test before it scores it.

A box that is no number overlaps nothing, so that nothing is found where it lies, and its score
moves the others' ranks; a label of -1 would be the last class. Neither is a matter of average.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log


class BadPredictions(ValueError):
    """Predictions that no metric can judge; the message has the image."""


def image_name(sample: Mapping[str, Any]) -> str:
    """The image of a sample in messages: its id and, where it is known, its file."""
    name = f'image {sample.get("img_id")!r}'
    return f'{name} ({sample["img_path"]})' if sample.get('img_path') else name


def check_predictions(sample: Mapping[str, Any], num_labels: int | None = None) -> None:
    """Refuse boxes and scores that are not finite, turned boxes, and labels of no class.

    Args:
        sample: ``img_id`` and ``pred_instances``: ``bboxes`` (n, 4), ``scores`` (n) and
            ``labels`` (n), tensors or arrays.
        num_labels: number of classes or prompts; None where it is not known.

    Raises:
        BadPredictions: with the image, how many and what.
    """
    predictions = sample['pred_instances']
    where = f'the predictions of {image_name(sample)}'
    boxes, scores, labels = (
        _array(predictions, key, where) for key in ('bboxes', 'scores', 'labels'))
    if not len(boxes) == len(scores) == len(labels):
        raise BadPredictions(f'{where} are {len(boxes)} boxes, {len(scores)} scores and '
                             f'{len(labels)} labels: there must be as many of each')
    for values, what in ((boxes, 'boxes'), (scores, 'scores')):
        finite = np.isfinite(values)
        wrong = np.flatnonzero(~finite.all(axis=tuple(range(1, finite.ndim))))
        if len(wrong):
            raise BadPredictions(
                f'{where} cannot be evaluated: {len(wrong)} of {len(values)} {what} are not finite '
                f'(the first is {values[wrong[0]].tolist()}). Weights or input are damaged, or '
                'half precision overflowed')
    if len(boxes):
        _check_forms(boxes, scores, labels, where)
    wrong = labels[(labels < 0) | (labels >= (np.inf if num_labels is None else num_labels))]
    if len(wrong):
        known = 'no negative ones' if num_labels is None else f'0 to {num_labels - 1}'
        raise BadPredictions(
            f'{where} cannot be evaluated: {len(wrong)} of {len(labels)} labels are of no class '
            f'(the first is {wrong[0]}; there are {known}). Model and data set have other classes')


def check_mask_sizes(sample: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Refuse masks that are not one for each box, or not of the image's size.

    Args:
        sample: as of :func:`check_predictions`, with ``masks``: RLE dicts or (n, H, W).
        size: height and width of the image in the annotation file.

    Raises:
        BadPredictions: with the image and both sizes.
    """
    predictions = sample['pred_instances']
    where = f'the predictions of {image_name(sample)}'
    if 'masks' not in predictions:
        raise BadPredictions(f"metric 'segm' needs masks, {where} have none: use metric='bbox' or "
                             'a model with masks')
    masks = predictions['masks']
    if not hasattr(masks, 'shape') and not (isinstance(masks, Sequence) and all(
            isinstance(mask, dict) and isinstance(mask.get('counts'), str | bytes)
            and 'size' in mask for mask in masks)):
        raise BadPredictions(f'{where} have masks that are neither an array (n, H, W) nor a list '
                             "of compressed encodings (dicts of 'size' and 'counts')")
    if len(masks) != len(predictions['labels']):
        raise BadPredictions(
            f'{where} are {len(predictions["labels"])} boxes and {len(masks)} masks')
    sizes = [masks.shape[1:]] * len(masks) if hasattr(masks, 'shape') else [
        mask['size'] for mask in masks]
    for found in sizes:
        if tuple(found) != tuple(size):
            raise BadPredictions(f'masks of {image_name(sample)} are of height and width '
                                 f'{list(found)}, the annotation file says {list(size)}')


def check_all_tested(name: str, found: int, expected: int) -> None:
    """Refuse to score a part of the data set.

    Args:
        name: of the metric.
        found: images that there are results of.
        expected: images of the data set.

    Raises:
        RuntimeError: there are fewer.
    """
    if found < expected:
        raise RuntimeError(
            f'{name} has results of {found:,} images, the data set has {expected:,}: the test did '
            'not reach all of them (a process or worker ended early, or ids repeat); there is no '
            'score for a part')


def report_untested(name: str, tested: Collection, annotated: Collection, source: str) -> None:
    """Warn of images of the annotation file that were not tested.

    Args:
        name: of the metric.
        tested: ids of images that there are results of.
        annotated: ids of the images of the file.
        source: the file.
    """
    left_out = sorted(set(annotated) - set(tested), key=str)
    if left_out:
        print_log(
            f'{name}: {len(left_out):,} of {len(annotated):,} images of {source} were not tested '
            f'and count as without detections (ids {", ".join(map(repr, left_out[:5]))}'
            f'{", ..." if len(left_out) > 5 else ""})', 'current', logging.WARNING)


def _array(predictions: Mapping[str, Any], key: str, where: str) -> np.ndarray:
    if key not in predictions:
        raise BadPredictions(f'{where} have no {key!r}')
    values = predictions[key]
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    if values.dtype == torch.bfloat16:  # which neither NumPy nor the evaluators know
        raise BadPredictions(f'{where} have {key!r} in bfloat16: convert them with .float()')
    return values.detach().cpu().numpy()


def _check_forms(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, where: str) -> None:
    forms = boxes.shape[1:], scores.shape[1:], labels.shape[1:]
    if forms != ((4,), (), ()) or labels.dtype.kind not in 'iu':
        raise BadPredictions(
            f'{where} cannot be evaluated: boxes must be (n, 4), scores (n,) and labels (n,) whole '
            f'numbers, got {boxes.shape}, {scores.shape} and {labels.shape} of {labels.dtype}')
    turned = boxes[(boxes[:, 2:] < boxes[:, :2]).any(axis=1)]
    if len(turned):
        raise BadPredictions(
            f'{where} cannot be evaluated: {len(turned)} of {len(boxes)} boxes have a negative '
            f'width or height (the first is {turned[0].tolist()}): they must be x1, y1, x2, y2')
