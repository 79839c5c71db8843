"""A base model for autodistill, which labels images for a smaller model."""

from pathlib import Path
from typing import Any

from expalign.apis.detect import kept_inferencer
from expalign.structures.detection_formats import supervision_detections
from expalign.structures.thresholds import SCORE_THR, ScoreThr

try:
    from autodistill.detection import DetectionBaseModel
except ImportError as error:
    DetectionBaseModel, missing = object, error
else:
    missing = None


class ExpAlign(DetectionBaseModel):
    """A base model whose prompts are those of the ontology.

    ``ExpAlign(CaptionOntology({'a red chair': 'chair'})).label('photos', '.jpg')`` labels a folder.

    Args:
        ontology: a ``CaptionOntology``: prompts and the classes that they stand for.
        model, weights, device: see :class:`~expalign.apis.inferencer.ExpAlignInferencer`.
        score_thr: lowest score, see :func:`~expalign.structures.thresholds.thresholds_of`.

    Raises:
        ImportError: autodistill is not installed.
    """

    def __init__(self, ontology: Any, model: Any = None,
                 weights: str | Path | None = None, score_thr: ScoreThr = SCORE_THR,
                 device: str | None = None) -> None:
        if missing is not None:
            raise ImportError('this needs the package autodistill: pip install autodistill '
                              f'({missing})') from missing
        self.ontology, self.score_thr = ontology, score_thr
        self._inferencer = kept_inferencer(model, weights, device)

    def predict(self, input: Any) -> Any:
        """Search an image.

        Args:
            input: a path or address, an array (H, W, 3) uint8 in BGR order, or a PIL image.

        Returns:
            ``supervision.Detections``; ``class_id`` is the place in the ontology.
        """
        prompts = self.ontology.prompts()
        found = self._inferencer.detect(input, prompts, score_thr=self.score_thr)
        places = [prompts.index(prompt) for prompt in map(str, found.prompts)]
        classes = self.ontology.classes()
        labels = [places[label] for label in found.labels]
        masks = None if found.masks is None or not len(found) else found.masks.__array__()
        return supervision_detections(
            found.boxes, found.scores, labels, [classes[label] for label in labels], masks)
