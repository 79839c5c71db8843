"""Detections of an image in the forms of files and other packages.

The project's own form is JSON, :func:`as_record`; what changes the meaning of a key changes
``VERSION``, a new key does not.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .prompts import prompt_key

if TYPE_CHECKING:
    from .detections import Detections

SCHEMA, VERSION = 'expalign.detections', 1
SCORE_DIGITS, PIXEL_DIGITS, SHARE_DIGITS = 4, 2, 6
TIME_DIGITS = 6
COLUMNS = ('image', 'prompt', 'label', 'score', 'x1', 'y1', 'x2', 'y2')


def as_record(found: 'Detections') -> dict[str, Any]:
    """The project's form, of values that JSON has.

    Returns:
        ``schema``, ``version``; ``image``: its path or address, None for an array; ``width``,
        ``height`` in pixels; ``prompts``; ``model``; ``threshold``, one number or one a prompt;
        ``best_scores``: of every prompt, below the threshold too; ``detections``: by falling
        score, each with ``prompt``, ``label`` (its index), ``score``, ``box`` (x1, y1, x2, y2 in
        pixels), of models that have them ``mask``, a COCO run-length encoding, and where things
        are followed through a film ``track``, their number, or None for one that is not. Of a
        frame of a film also ``film``, its path or address, ``frame``, its number from 0, and
        ``time``, its seconds from the film's start.
    """
    height, width = found.size
    thresholds = found.thresholds
    place = {} if found.frame is None else dict(
        film=found.frame.film, frame=found.frame.frame,
        time=round(found.frame.time, TIME_DIGITS))
    return dict(
        schema=SCHEMA, version=VERSION, image=found.path, **place, width=width, height=height,
        prompts=list(found.prompts), model=found.model,
        threshold=thresholds[0] if len(set(thresholds)) == 1 else thresholds,
        best_scores=[round(score, SCORE_DIGITS) for score in found.best_scores.tolist()],
        detections=[_entry(found, index) for index in range(len(found))])


def _entry(found: 'Detections', index: int) -> dict[str, Any]:
    entry: dict[str, Any] = dict(
        prompt=found.names[index], label=int(found.labels[index]),
        score=round(float(found.scores[index]), SCORE_DIGITS),
        box=[round(side, PIXEL_DIGITS) for side in found.boxes[index].tolist()])
    if found.masks is not None:
        entry['mask'] = found.masks.rle(index)
    if found.tracks is not None:
        track = int(found.tracks[index])
        entry['track'] = track if track >= 0 else None
    return entry


def as_coco_results(
    found: 'Detections', image_id: int | str, category_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """COCO's list of results; ``category_ids`` of the prompts, by default 1, 2, ..."""
    results = []
    for index, (x1, y1, x2, y2) in enumerate(found.boxes.astype(float).tolist()):
        label = int(found.labels[index])
        result: dict[str, Any] = dict(
            image_id=image_id,
            category_id=label + 1 if category_ids is None else category_ids[label],
            bbox=[round(side, PIXEL_DIGITS) for side in (x1, y1, x2 - x1, y2 - y1)],
            score=round(float(found.scores[index]), SCORE_DIGITS))
        if found.masks is not None:
            result['segmentation'] = found.masks.rle(index)
        results.append(result)
    return results


def coco_dataset(founds: Sequence['Detections'], names: Sequence[str]) -> dict[str, Any]:
    """A data set in COCO's form, as tools for labels read it, of images with the same prompts.

    Args:
        founds: one an image.
        names: ``file_name`` of each image.

    Returns:
        ``images``, ``annotations`` and ``categories``; ids count from 1. Annotations keep their
        ``score``; ``area`` is the box's.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (found, name) in enumerate(zip(founds, names, strict=True), 1):
        height, width = found.size
        images.append(dict(id=number, file_name=name, width=width, height=height))
        for result in as_coco_results(found, number, None):
            area = round(result['bbox'][2] * result['bbox'][3], PIXEL_DIGITS)
            annotations.append(dict(id=len(annotations) + 1, iscrowd=0, area=area, **result))
    prompts = founds[0].prompts if founds else []
    return dict(images=images, annotations=annotations, categories=[
        dict(id=number, name=prompt) for number, prompt in enumerate(prompts, 1)])


def as_yolo_lines(found: 'Detections', scores: bool) -> str:
    """YOLO's label file: class, centre, width and height as shares of the image, and the score."""
    height, width = found.size
    lines = []
    for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True):
        x1, y1, x2, y2 = (box / (width, height, width, height)).tolist()
        numbers = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        line = f'{int(label)} ' + ' '.join(f'{number:.{SHARE_DIGITS}f}' for number in numbers)
        lines.append(f'{line} {float(score):.{SCORE_DIGITS}f}' if scores else line)
    return ''.join(f'{line}\n' for line in lines)


def as_rows(found: 'Detections') -> list[tuple]:
    """A row a detection with the columns ``COLUMNS``."""
    return [
        (found.path or '', name, int(label), round(float(score), SCORE_DIGITS),
         *(round(side, PIXEL_DIGITS) for side in box.tolist()))
        for name, label, score, box in zip(
            found.names, found.labels, found.scores, found.boxes, strict=True)]


def as_supervision(found: 'Detections') -> Any:
    """See :func:`supervision_detections`."""
    masks = np.asarray(found.masks) if found.masks is not None and len(found) else None
    made = supervision_detections(found.boxes, found.scores, found.labels, found.names, masks)
    made.tracker_id = found.tracks
    return made


def supervision_detections(
    boxes: Any, scores: Any, labels: Any, names: Any, masks: np.ndarray | None
) -> Any:
    """``supervision.Detections`` with the prompts in ``data['class_name']``.

    Args:
        boxes: n boxes, xyxy in pixels.
        scores, labels, names: n of each.
        masks: (n, H, W) bool, or None.

    Raises:
        ImportError: supervision is not installed.
    """
    try:
        from supervision import Detections as Supervised
    except ImportError as error:
        raise ImportError('to_supervision needs the package supervision: pip install supervision'
                          ) from error
    return Supervised(
        xyxy=np.asarray(boxes, dtype=np.float32).reshape(-1, 4),
        confidence=np.asarray(scores, dtype=np.float32), class_id=np.asarray(labels, dtype=int),
        mask=masks, data={'class_name': np.asarray(names, dtype=str)})


def as_pandas(found: 'Detections') -> Any:
    """A ``pandas.DataFrame`` with the columns ``COLUMNS``.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise ImportError('to_pandas needs the package pandas: pip install pandas') from error
    return DataFrame(as_rows(found), columns=list(COLUMNS))


def summary(found: 'Detections', listed: int = 4) -> str:
    """One line: ``2 crow, 1 black bear (best 0.95); giraffe: none above 0.3, best 0.01``."""
    counts = np.bincount(found.labels, minlength=len(found.prompts))
    first: dict[str, int] = {}  # equal prompts are scored under the first of them
    for label, prompt in enumerate(found.prompts):
        first.setdefault(prompt_key(prompt), label)
    keys = list(first.values())
    text = ', '.join(f'{counts[key]} {found.prompts[key]}' for key in keys if counts[key])
    parts = [f'{text} (best {found.scores.max():.2f})'] if text else []
    missed = sorted((key for key in keys if not counts[key]),
                    key=lambda key: -found.best_scores[key])
    few = len(missed) <= listed
    for key in missed if few else missed[:1]:
        name = found.prompts[key] if few else f'{len(missed)} others'
        best = found.best_scores[key]
        near = f', best {best:.2f}' if best > 0 else ''
        of = '' if few or not near else f' ({found.prompts[key]})'
        parts.append(f'{name}: none above {found.thresholds[key]:.3g}{near}{of}')
    return '; '.join(parts)
