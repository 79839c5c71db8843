"""A backend for Label Studio: predictions for the photographs that people are about to label.

``model.py`` of a backend's folder is one line: ``from expalign.apis.adapters.label_studio_backend
import ExpAlignBackend``.
"""

import logging
import os
from typing import Any
from urllib.parse import unquote

from expalign.apis.detect import kept_inferencer
from expalign.data_tools.label_writers.labelstudio import prediction
from expalign.data_tools.label_writers.target import ImageLabels
from expalign.structures.detections import Detections

try:
    from label_studio_ml.model import LabelStudioMLBase
except ImportError as error:
    LabelStudioMLBase, missing = object, error
else:
    missing = None

MODEL = 'EXPALIGN_LABEL_STUDIO_MODEL'  # a name, config or checkpoint
SCORE_THR = 'EXPALIGN_LABEL_STUDIO_SCORE_THR'
BOXES, OUTLINES, IMAGE = 'RectangleLabels', 'PolygonLabels', 'Image'


class ExpAlignBackend(LabelStudioMLBase):
    """Searches for the labels of the project's configuration.

    The prompts of a label are its name or, where it has them, its ``predicted_values``, parted by
    commas. Boxes go to the first ``RectangleLabels`` of an image, outlines of masks to its
    ``PolygonLabels`` where there are some. The environment variables
    ``EXPALIGN_LABEL_STUDIO_MODEL`` and ``EXPALIGN_LABEL_STUDIO_SCORE_THR`` set model and threshold.

    Raises:
        ImportError: Label Studio's package for backends is not installed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if missing is not None:
            raise ImportError("this needs Label Studio's package for backends: pip install "
                              f'label-studio-ml ({missing})') from missing
        super().__init__(*args, **kwargs)

    def predict(self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None,
                **kwargs: Any) -> list[dict[str, Any]]:
        """A prediction for each task; one whose photograph cannot be read has no result.

        Raises:
            ValueError: the project labels no boxes in images.
        """
        controls = _Controls(self.parsed_label_config)
        threshold = os.environ.get(SCORE_THR, 'auto')
        inferencer = kept_inferencer(os.environ.get(MODEL))
        results = []
        for task in tasks:
            try:
                path = self._path(task, controls.value)
                found = inferencer.detect(
                    path, list(controls.prompts),
                    score_thr=threshold if threshold == 'auto' else float(threshold))
            except OSError as error:
                logging.getLogger(__name__).warning('task %s: %s', task.get('id'), error)
                results.append(dict(model_version=inferencer.name, score=0.0, result=[]))
                continue
            results.append(controls.prediction(found, inferencer.name))
        return results

    def _path(self, task: dict[str, Any], value: str) -> str:
        address = task['data'][value]
        if '?d=' in address:  # local storage, whose path is looked up as it stands
            address = unquote(address)
        if os.path.isfile(address):
            return address
        # Label Studio's 1.0 package does not take the task, which later ones need for buckets.
        options = {} if hasattr(self, 'train_output') else dict(task_id=task.get('id'))
        return self.get_local_path(address, **options)


class _Controls:
    """What a configuration says of boxes in images.

    Attributes:
        value: key of a task's data that has the image.
        prompts: what to search for, with the label that it stands for.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        boxes = _control(config, BOXES, None)
        if boxes is None:
            raise ValueError(f'the labelling configuration has no <{BOXES}> for an <{IMAGE}>')
        self._boxes, control = boxes
        self._to_name = control['to_name'][0]
        self.value = control['inputs'][0]['value']
        outlines = _control(config, OUTLINES, self._to_name)
        self._outlines = None if outlines is None else outlines[0]
        self.prompts = {
            prompt: label for label in control['labels']
            for prompt in _prompts(label, control.get('labels_attrs', {}).get(label, {}))}

    def prediction(self, found: Detections, model: str) -> dict[str, Any]:
        """The detections of an image under the labels of the project."""
        record = found.to_dict()
        entries = [dict(entry, prompt=self.prompts[entry['prompt']])
                   for entry in record['detections']]
        image = ImageLabels(
            1, '', '', None, record['width'], record['height'], entries)
        return prediction(image, model, self._boxes, self._outlines, self._to_name)


def _control(config: dict[str, Any], kind: str, to_name: str | None
             ) -> tuple[str, dict[str, Any]] | None:
    for name, control in config.items():
        if control['type'] == kind and control['inputs'][0]['type'] == IMAGE and (
                to_name in (None, control['to_name'][0])):
            return name, control
    return None


def _prompts(label: str, attributes: dict[str, str]) -> list[str]:
    given = [part.strip() for part in attributes.get('predicted_values', '').split(',')]
    return [part for part in given if part] or [label]
