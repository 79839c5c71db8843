"""What an inferencer makes of predictions: pictures, explanations, dictionaries and files."""

import copy
from collections.abc import Sequence
from threading import Lock
from typing import Any

import mmengine
import numpy as np
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer

from expalign.datasets.transforms.loading import read_image
from expalign.structures.thresholds import SCORE_THR, ScoreThr, thresholds_of
from expalign.utils import finished_file
from expalign.utils.picture_files import write_picture
from expalign.visualization import DRAWING, InstanceVisualizer, save_explanation

from .images import Image
from .result_files import explanation_stem, picture_file, prediction_file


class InferencerResults(DetInferencer):
    """mmdet's inferencer, whose results are drawn and written this project's way."""

    _numbering: Lock

    def visualize(
        self,
        inputs: Sequence[Image],
        preds: Sequence[DetDataSample],
        explain: bool = False,
        explain_prompts: Sequence[str] | None = None,
        pred_score_thr: ScoreThr = SCORE_THR,
        img_out_dir: str = '',
        no_save_vis: bool = False,
        return_vis: bool = False,
        show: bool = False,
        **kwargs,
    ) -> list[np.ndarray] | None:
        """Draw predictions and explanations, and write them; see :mod:`.result_files`."""
        written = bool(img_out_dir) and not no_save_vis
        if not (written or explain or show or return_vis):
            return None
        pixels = [image if isinstance(image, np.ndarray) else read_image(image)
                  for image in inputs]
        first = self.num_visualized_imgs
        thresholds = [self._thresholds(sample, pred_score_thr) for sample in preds]
        if explain:
            for place, (image, sample) in enumerate(zip(inputs, preds, strict=True)):
                save_explanation(
                    explanation_stem(img_out_dir, image, first + place), pixels[place][..., ::-1],
                    sample.alignment, sample.pred_instances, explain_prompts, thresholds[place])
        # mmdet draws arrays as if they were RGB.
        # And on the inferencer's visualizer, so each drawing gets one of its own.
        own = copy.copy(self)
        with DRAWING:
            own.visualizer = self._new_visualizer()
            pictures = DetInferencer.visualize(
                own, [image[..., ::-1] for image in pixels],
                [_shown(*pair) for pair in zip(preds, thresholds, strict=True)],
                pred_score_thr=0.0, return_vis=return_vis or written, show=show, **kwargs)
        self.num_visualized_imgs = first + len(pixels)
        if written:
            for number, (image, picture) in enumerate(zip(inputs, pictures, strict=True), first):
                write_picture(picture_file(img_out_dir, image, number), picture)
        return pictures if return_vis else None

    def _thresholds(self, sample: DetDataSample, score_thr: ScoreThr) -> list[float]:
        return thresholds_of(self.model.prompts_of(sample), score_thr, self.model.known_classes)

    def postprocess(self, preds: Sequence[DetDataSample], *args, **kwargs) -> dict[str, Any]:
        """mmdet's, with ``alignment`` where it was asked for."""
        results = super().postprocess(preds, *args, **kwargs)
        for prediction, sample in zip(results['predictions'], preds, strict=True):
            if isinstance(prediction, dict) and 'alignment' in sample:
                prediction['alignment'] = sample.alignment
        return results

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = '') -> dict[str, Any]:
        """mmdet's dictionary with ``label_names``; written as JSON where there is a folder."""
        prediction = super().pred2dict(data_sample)
        prediction['label_names'] = list(data_sample.pred_instances.label_names)
        number = self._take_numbers(1)
        if pred_out_dir:
            file = prediction_file(pred_out_dir, data_sample.get('img_path'), number)
            with finished_file(file) as temporary:
                mmengine.dump(prediction, temporary)
        return prediction

    def _new_visualizer(self) -> DetLocalVisualizer:
        options = {name: value for name, value in self.cfg.visualizer.items() if name != 'type'}
        visualizer = type(self.visualizer)(**options)
        visualizer.dataset_meta = self.model.dataset_meta
        return visualizer

    def _take_numbers(self, count: int) -> int:
        """The first of so many numbers that no other call gets."""
        with self._numbering:
            first = self.num_predicted_imgs
            self.num_predicted_imgs += count
        return first

    def _init_visualizer(self, cfg: Any) -> Any:
        # Backends log a run; here there is none, and they would only warn.
        cfg.visualizer.pop('vis_backends', None)
        cfg.visualizer.type = InstanceVisualizer if self.palette == 'none' else DetLocalVisualizer
        return super()._init_visualizer(cfg)


def _shown(sample: DetDataSample, thresholds: Sequence[float]) -> DetDataSample:
    """The sample with what scores high enough of each prompt."""
    found = sample.pred_instances
    sample = copy.copy(sample)
    sample.pred_instances = found[found.scores >= found.scores.new_tensor(thresholds)[found.labels]]
    return sample
