"""From the network's logits and boxes to detections, in numpy.

The same steps as in ``ExpAlignHead.predict_by_feat``. Axes: K prompts, N locations, n detections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .preprocess import Letterboxed
from .settings import DetectorSettings


@dataclass(frozen=True)
class Candidates:
    """What NMS chooses the detections of an image from, by falling score.

    Attributes:
        boxes: (n, 4) xyxy in pixels of the image, not cut at its borders.
        scores: (n).
        labels: (n), index into the prompts.
        size: height and width of the image.
        settings: those of NMS are used.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    size: tuple[int, int]
    settings: DetectorSettings


def select_candidates(
    logits: np.ndarray, settings: DetectorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best (location, prompt) pairs above the threshold.

    Args:
        logits: (K, N).
        settings: ``score_thr``, ``nms_pre``, ``multi_label`` and ``max_per_prompt`` are used.

    Returns:
        scores (n), locations (n) and labels (n), by falling score.
    """
    if settings.max_per_prompt is not None:
        locations = np.argsort(-logits, axis=1, kind='stable')[:, :settings.max_per_prompt]
        labels = np.broadcast_to(np.arange(len(logits))[:, None], locations.shape)
        labels, locations = labels.ravel(), locations.ravel()
    elif settings.multi_label:
        labels, locations = np.nonzero(logits > settings.logit_thr)
    else:
        labels, locations = logits.argmax(axis=0), np.arange(logits.shape[1])
    found = logits[labels, locations]
    above = np.flatnonzero(found > settings.logit_thr)
    order = above[np.argsort(-found[above], kind='stable')[:settings.nms_pre]]
    return sigmoid(found[order]), locations[order], labels[order]


def check_finite(outputs: Mapping[str, np.ndarray], images: Sequence) -> None:
    """Refuse outputs that are NaN or infinite: such a score is above no threshold.

    Args:
        outputs: of the network, each (B, ...) but those of detections (n, ...).
        images: B paths, arrays or pictures, for the message.

    Raises:
        ValueError: with the output, and the image where the output has one row for each.
    """
    for name, values in outputs.items():
        if values.dtype.kind != 'f' or np.isfinite(values.sum(dtype=np.float64)):
            continue
        wrong = ~np.isfinite(values)
        where = 'the network'
        if len(values) == len(images):
            number = int(wrong.reshape(len(values), -1).any(1).argmax())
            image = images[number]
            where = f'image {image}' if isinstance(image, str | Path) else f'image number {number}'
        raise ValueError(
            f'{where}: {wrong.sum():,} of {values.size:,} numbers of the output {name!r} are not '
            'finite (NaN or infinite): the exported file or the image is damaged, or half '
            'precision overflowed')


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    part = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, part) / (1 + part)


def class_wise_nms(
    boxes: np.ndarray, labels: np.ndarray, settings: DetectorSettings
) -> np.ndarray:
    """Greedy non-maximum suppression, followed until ``max_per_img`` boxes stay.

    A box goes when its IoU with a kept box of its class is strictly greater than the threshold.

    Args:
        boxes: (n, 4) xyxy, by falling score.
        labels: (n).
        settings: ``iou_threshold``, ``class_agnostic`` and ``max_per_img`` are used.

    Returns:
        Indices (m), m <= max_per_img, by falling score.
    """
    groups = np.zeros_like(labels) if settings.class_agnostic else labels
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    kept_of: dict[int, list[int]] = {}
    for index, group in enumerate(groups.tolist()):
        if len(kept) == settings.max_per_img:
            break
        rivals = kept_of.setdefault(group, [])
        if rivals:
            others = boxes[rivals]
            corner = np.minimum(boxes[index, 2:], others[:, 2:])
            sides = np.maximum(corner - np.maximum(boxes[index, :2], others[:, :2]), 0)
            shared = sides[:, 0] * sides[:, 1]
            union = areas[index] + areas[rivals] - shared
            if (shared > np.float32(settings.iou_threshold) * union).any():
                continue
        rivals.append(index)
        kept.append(index)
    return np.array(kept, dtype=np.int64)


def boxes_to_original(boxes: np.ndarray, frame: Letterboxed) -> np.ndarray:
    """Boxes (n, 4) xyxy from the network's input to pixels of the image."""
    pad = np.array(frame.pad * 2, dtype=np.float32)
    return (boxes - pad) / np.array(frame.scale * 2, dtype=np.float32)


def clip_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (n, 4) xyxy cut at the borders of an image of ``size`` (height, width)."""
    height, width = size
    return boxes.clip(0, np.array([width, height] * 2, dtype=np.float32))
