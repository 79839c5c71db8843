"""Explanation pictures during validation and testing."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mmdet.structures import DetDataSample
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from expalign.registry import HOOKS


@HOOKS.register_module()
class ExplanationHook(Hook):
    """Adds explanations of the first images of every validation to the run's visualizer.

    They go where the visualizer's backends put pictures: mmengine's local one to
    ``WORK_DIR/TIMESTAMP/vis_data/vis_image``, TensorBoard's to its log. Process 0 draws.

    Args:
        num_images: images of each validation or test, the same ones every time.
        prompts: rows of the pictures; by default the six prompts with the best scores.
        score_thr: lowest score of a box that is drawn.
    """

    def __init__(
        self, num_images: int = 4, prompts: Sequence[str] | None = None, score_thr: float = 0.3
    ) -> None:
        if num_images < 1:
            raise ValueError(f'ExplanationHook: num_images must be 1 or more, got {num_images}')
        self.num_images = num_images
        self.prompts = prompts
        self.score_thr = score_thr
        self._drawn = 0
        self._recording = ExitStack()
        self._passes: list = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Start with the first image again."""
        self._drawn = 0

    before_test_epoch = before_val_epoch

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Watch the neck where images of this batch are to be drawn."""
        if self._drawn < self.num_images and is_main_process():
            from expalign.apis.alignment import recorded_alignments
            self._passes = self._recording.enter_context(recorded_alignments(_detector(runner)))

    before_test_iter = before_val_iter

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch=None,
        outputs: Sequence[DetDataSample] | None = None,
    ) -> None:
        """Draw what was watched."""
        self._recording.close()
        if not self._passes:
            return
        from expalign.apis.alignment import alignments_of
        from expalign.apis.images import read_image
        from expalign.visualization import draw_explanation
        passes, self._passes = self._passes, []
        samples = outputs[:self.num_images - self._drawn]
        self._drawn += len(samples)
        for sample, alignment in zip(
                samples, alignments_of(_detector(runner), passes[-1], samples), strict=True):
            picture = draw_explanation(
                read_image(sample.img_path)[..., ::-1], alignment, sample.pred_instances,
                self.prompts, self.score_thr)
            runner.visualizer.add_image(
                f'explanation_{Path(sample.img_path).stem}', picture, runner.epoch)

    after_test_iter = after_val_iter


def _detector(runner: Runner):
    return getattr(runner.model, 'module', runner.model)
