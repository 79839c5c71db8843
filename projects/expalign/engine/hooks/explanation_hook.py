"""Explanation pictures during validation and testing."""

from collections.abc import Sequence
from pathlib import Path

from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.hooks import RemovableHandle

from expalign.models.necks import EAHOutput
from expalign.registry import HOOKS
from expalign.structures.thresholds import SCORE_THR, ScoreThr, thresholds_of


@HOOKS.register_module()
class ExplanationHook(Hook):
    """Adds explanations of the first images of every validation to the run's visualizer.

    They go where the visualizer's backends put pictures: mmengine's local one to
    ``WORK_DIR/TIMESTAMP/vis_data/vis_image``, TensorBoard's to its log. Process 0 draws.

    Args:
        num_images: images of each validation or test, the same ones every time.
        prompts: rows of the pictures; by default the six prompts with the best scores.
        score_thr: lowest score of a box that is drawn; by default the model's own for its classes.
    """

    def __init__(
        self, num_images: int = 4, prompts: Sequence[str] | None = None,
        score_thr: ScoreThr = SCORE_THR,
    ) -> None:
        if num_images < 1:
            raise ValueError(f'ExplanationHook: num_images must be 1 or more, got {num_images}')
        self.num_images = num_images
        self.prompts = prompts
        self.score_thr = score_thr
        self._drawn = 0
        self._watch: RemovableHandle | None = None
        self._neck_out: EAHOutput | None = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Start with the first image again."""
        self._drawn = 0

    before_test_epoch = before_val_epoch

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Watch the neck where images of this batch are to be drawn."""
        if self._drawn < self.num_images and is_main_process():
            self._watch = _detector(runner).neck.register_forward_hook(self._keep)

    before_test_iter = before_val_iter

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch=None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Draw what was watched."""
        if self._watch is None:
            return
        self._watch.remove()
        from expalign.datasets.transforms.loading import read_image
        from expalign.models.detectors.alignments import alignments_of
        from expalign.visualization import draw_explanation
        neck_out, self._watch, self._neck_out = self._neck_out, None, None
        samples = outputs[:self.num_images - self._drawn]
        self._drawn += len(samples)
        detector = _detector(runner)
        prompts = [detector.prompts_of(sample) for sample in samples]
        for sample, alignment in zip(
                samples, alignments_of(detector, neck_out, samples, prompts), strict=True):
            picture = draw_explanation(
                read_image(sample.img_path)[..., ::-1], alignment, sample.pred_instances,
                self.prompts,
                thresholds_of(alignment.prompts, self.score_thr, detector.known_classes))
            runner.visualizer.add_image(
                f'explanation_{Path(sample.img_path).stem}', picture, runner.epoch)

    after_test_iter = after_val_iter

    def _keep(self, neck: nn.Module, args: tuple, output: EAHOutput) -> None:
        self._neck_out = output


def _detector(runner: Runner):
    return getattr(runner.model, 'module', runner.model)
