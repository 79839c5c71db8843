"""What the page does with a photograph and prompts."""

import math
from typing import Any, NamedTuple

import numpy as np
from mmengine.structures import InstanceData

from expalign.apis.found import detections_of
from expalign.apis.inferencer import ExpAlignInferencer
from expalign.structures.alignment import Alignment
from expalign.structures.detections import Detections
from expalign.structures.prompts import describe_prompts
from expalign.utils.picture_files import encode_picture, shrunk
from expalign.visualization.explanation import best_scores

from .words import hints, read_prompts

EXPLAINED = 20  # prompts whose maps are kept
SHOWN_SIDE = 1600  # pixels of the longer side of pictures on the page
MASK_BYTES = 16_000  # about what a mask takes before it is drawn
SCORE_STEP = 1e-4


class Found(NamedTuple):
    """What is kept of a search.

    Attributes:
        name: of the photograph's file, '' where it has none.
        photograph: what it is kept as.
        shown: the photograph as it is shown, a JPEG of at most ``SHOWN_SIDE`` pixels a side.
        detections: all of them, without the image.
        alignment: maps of the prompts with the best scores.
        instances: their detections; labels index ``alignment.prompts``.
        places: of these prompts in ``detections.prompts``.
        notes: on how the text was read.
    """

    name: str
    photograph: str
    shown: bytes
    detections: Detections
    alignment: Alignment
    instances: InstanceData
    places: list[int]
    notes: list[str]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        masks = 0 if self.detections.masks is None else MASK_BYTES
        candidates = len(self.detections.data_sample.pred_instances)
        return (len(self.shown) + sum(maps.nbytes for maps in self.alignment.eams.values())
                + candidates * (100 + masks))


def search(inferencer: ExpAlignInferencer, pixels: np.ndarray, text: str, name: str = '',
           photograph: str = '') -> Found:
    """Search a photograph (H, W, 3) RGB for the prompts of a text.

    Without a text these are the classes that a model knows.

    Raises:
        Refused: there are no prompts, or too many.
    """
    own = None if text.strip() else inferencer.model.own_prompts()
    prompts, notes = read_prompts(text) if own is None else (list(own), [])
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    ((_, sample),) = inferencer.stream(
        [bgr], [prompts] if own is None else None, return_eam=True)
    alignment = sample.metainfo['alignment']
    sample.set_metainfo(dict(alignment=None))
    instances = sample.pred_instances
    best = np.argsort(-best_scores(instances, len(prompts)), kind='stable')[:EXPLAINED]
    places = instances.labels.new_full((len(prompts),), -1)
    places[best.copy()] = places.new_tensor(range(len(best)))
    kept = instances[places[instances.labels] >= 0]
    kept.labels = places[kept.labels]
    return Found(
        name, photograph, encode_picture(shrunk(pixels, SHOWN_SIDE), '.jpg') or b'',
        detections_of(inferencer, None, sample, 'auto'), alignment.select(best), kept,
        best.tolist(), notes)


def summary(found: Found) -> dict[str, Any]:
    """What the page makes its table of, for any threshold without asking again.

    Returns:
        ``understood``: a line; ``prompts``: K; ``thresholds``: K automatic ones; ``scores``: of
        each prompt its boxes' scores by falling score, four digits, never rounded up, so that a
        threshold counts those boxes that it draws; ``explained``: places of the prompts with maps,
        the best first; ``notes``, ``hints``: on the words; ``width``, ``height``: pixels;
        ``masks``: whether there are any; ``name``.
    """
    detections = found.detections.above(0.0)
    scores: list[list[float]] = [[] for _ in detections.prompts]
    for label, score in zip(detections.labels.tolist(), detections.scores.tolist(), strict=True):
        scores[label].append(round(math.floor(score / SCORE_STEP + 1e-6) * SCORE_STEP, 4))
    height, width = detections.size
    counts = np.bincount(found.detections.labels, minlength=len(detections.prompts))
    missed = [prompt for prompt, count in zip(detections.prompts, counts, strict=True) if not count]
    return dict(
        understood=describe_prompts(detections.prompts), prompts=detections.prompts,
        thresholds=found.detections.thresholds, scores=scores, explained=found.places,
        notes=found.notes, hints=hints(detections.prompts, missed), width=width, height=height,
        masks=detections.masks is not None, name=found.name)
