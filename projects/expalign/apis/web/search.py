"""What the page does with a photograph and prompts."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.structures import InstanceData

from expalign.apis.found import detections_of
from expalign.apis.inferencer import ExpAlignInferencer
from expalign.structures.alignment import Alignment
from expalign.structures.detections import Detections
from expalign.structures.instance_masks import InstanceMasks
from expalign.structures.prompts import (
    asks_everything,
    check_everything,
    describe_prompts,
    distinct_prompts,
    parse_prompts,
)
from expalign.structures.thresholds import ScoreThr
from expalign.utils.picture_files import encode_picture, shrunk
from expalign.visualization.explanation import best_scores

from .requests import Refused
from .words import MAX_HINTS, hints, read_prompts

EXPLAINED = 20  # prompts whose maps are kept
# Pixels of the longer side of a photograph as it is searched and shown. The network sees 640 of
# them; masks of more take seconds.
SHOWN_SIDE = 1600
MASK_BYTES = 16_000  # about what a mask takes before it is drawn
SCORE_STEP = 1e-4


class Found(NamedTuple):
    """What is kept of a search.

    Attributes:
        name: of the photograph's file, '' where it has none.
        photograph: what it is kept as.
        size: its height and width in pixels.
        shown: the photograph as it is searched and shown, at most ``SHOWN_SIDE`` pixels a side, as
            a JPEG.
        detections: all of them, in pixels of ``shown`` and without the image.
        alignment: maps of the prompts with the best scores; None where everything was searched.
        instances: their detections; labels index ``alignment.prompts``.
        places: of these prompts in ``detections.prompts``.
        notes: on how the text was read.
    """

    name: str
    photograph: str
    size: tuple[int, int]
    shown: bytes
    detections: Detections
    alignment: Alignment | None
    instances: InstanceData
    places: list[int]
    notes: list[str]

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        masks = 0 if self.detections.masks is None else MASK_BYTES
        candidates = len(self.detections.data_sample.pred_instances)
        maps = {} if self.alignment is None else self.alignment.eams
        return (len(self.shown) + sum(values.nbytes for values in maps.values())
                + candidates * (100 + masks))


def search(inferencer: ExpAlignInferencer, pixels: np.ndarray, text: str, name: str = '',
           photograph: str = '', examples: Sequence[str] = ()) -> Found:
    """Search a photograph (H, W, 3) RGB for the prompts of a text, and for examples.

    Without both these are the classes that a model knows; of ``'*'`` all names that it knows.

    Raises:
        Refused: there are no prompts, or too many, or the model has no table of names.
    """
    own = None if text.strip() or examples else inferencer.model.own_prompts()
    prompts, notes = _prompts(inferencer, text, examples) if own is None else (list(own), [])
    everything = asks_everything(prompts)
    size, pixels = pixels.shape[:2], shrunk(pixels, SHOWN_SIDE)
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    ((_, sample),) = inferencer.stream(
        [bgr], [prompts] if own is None else None, return_eam=not everything, hints=True)
    shown = encode_picture(pixels, '.jpg') or b''
    detections = detections_of(inferencer, None, sample, 'auto')
    if everything:
        return Found(name, photograph, size, shown, detections, None, sample.pred_instances, [],
                     notes)
    alignment = sample.metainfo['alignment']
    sample.set_metainfo(dict(alignment=None))
    instances = sample.pred_instances
    best = np.argsort(-best_scores(instances, len(prompts)), kind='stable')[:EXPLAINED]
    places = instances.labels.new_full((len(prompts),), -1)
    places[best.copy()] = places.new_tensor(range(len(best)))
    kept = instances[places[instances.labels] >= 0]
    kept.labels = places[kept.labels]
    return Found(name, photograph, size, shown, detections, alignment.select(best), kept,
                 best.tolist(), notes)


def _prompts(inferencer: ExpAlignInferencer, text: str, examples: Sequence[str]
             ) -> tuple[list[str], list[str]]:
    """The prompts of a text and examples, and notes on how it was read."""
    words, notes = read_prompts(text) if text.strip() or not examples else ([], [])
    try:
        prompts = check_everything(distinct_prompts(parse_prompts([*words, *examples])))
        if asks_everything(prompts):
            inferencer.model.every_name()
    except ValueError as error:
        raise Refused(400, str(error)) from error
    return prompts, notes


def summary(found: Found) -> dict[str, Any]:
    """What the page makes its table of, for any threshold without asking again.

    Returns:
        ``understood``: a line; ``prompts``: K; ``thresholds``: K automatic ones; ``scores``: of
        each prompt its boxes' scores by falling score, four digits, never rounded up, so that a
        threshold counts those boxes that it draws; ``explained``: places of the prompts with maps,
        the best first; ``everything``: whether all known names were searched for; ``notes``,
        ``hints``: on the words; ``width``, ``height``: pixels;
        ``masks``: whether there are any; ``name``.
    """
    detections = found.detections.above(0.0)
    scores: list[list[float]] = [[] for _ in detections.prompts]
    for label, score in zip(detections.labels.tolist(), detections.scores.tolist(), strict=True):
        scores[label].append(round(math.floor(score / SCORE_STEP + 1e-6) * SCORE_STEP, 4))
    height, width = found.size
    everything = found.alignment is None
    return dict(
        understood=f'everything: the {len(detections.prompts):,} names that the model knows'
        if everything else describe_prompts(detections.prompts), everything=everything,
        prompts=detections.prompts, thresholds=found.detections.thresholds, scores=scores,
        explained=found.places, notes=found.notes, hints=_hints(found), width=width, height=height,
        masks=detections.masks is not None, name=found.name)


class _Grown(NamedTuple):
    """One of the masks, for the photograph in its own size, when it is asked for."""

    masks: InstanceMasks
    index: int

    def on_image(self, size: tuple[int, int]) -> np.ndarray:
        """The mask, (H, W) bool."""
        (mask,) = self.masks[self.index:self.index + 1].resized(size)
        return mask


def in_own_pixels(found: Found, threshold: ScoreThr) -> Detections:
    """What was found above a threshold, in pixels of the photograph."""
    shown = found.detections.above(threshold)
    if shown.size == tuple(found.size):
        return shown
    every = found.detections.above(0.0)
    scale = found.size[1] / shown.size[1], found.size[0] / shown.size[0]
    masks = every.masks
    return Detections(
        every.boxes * (*scale, *scale), every.scores, every.labels, every.prompts, found.size,
        None if masks is None else [_Grown(masks, index) for index in range(len(masks))],
        threshold=shown.thresholds, model=shown.model)


def _hints(found: Found) -> list[dict[str, Any]]:
    """Better words: those that score higher in the photograph, and spellings."""
    if found.alignment is None:
        return []
    detections = found.detections
    better = [dict(prompt=hint.prompt, better=hint.better, score=round(hint.better_score, 2))
              for hint in detections.hints]
    counts = np.bincount(detections.labels, minlength=len(detections.prompts))
    known = {hint['prompt'] for hint in better}
    missed = [prompt for prompt, count in zip(detections.prompts, counts, strict=True)
              if not count and prompt not in known]
    return (better + hints(detections.prompts, missed))[:MAX_HINTS]
