"""Stop a training whose loss or weights are no longer numbers, and say where."""

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from expalign.registry import HOOKS

from .deferred import is_reading_iter, read_together

MAX_LISTED = 5


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends the run at the first loss that is NaN or infinite.

    The message has the iteration, the names of the losses, the images of this process's batch and
    the last checkpoint. Losses are looked at when the log is written, and before a checkpoint is
    saved: in between a step does not wait for the device. A step may also spoil the weights while
    its loss was a number, or in another process; such weights are not saved, so that the last
    checkpoint on disk is a good one.

    Raises:
        FloatingPointError: a loss is not finite, or a weight that is about to be saved.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self) -> None:
        self._first = 0
        self._pending: list[tuple[int, dict[str, Any], list]] = []

    def before_train(self, runner: Runner) -> None:
        """Note where the run begins."""
        self._first = runner.iter

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Note the losses and images of an iteration, and check what was noted when it is time."""
        outputs = {} if outputs is None else outputs
        for name, value in outputs.items():
            outputs[name] = value.detach() if isinstance(value, Tensor) else value
        samples = (data_batch or {}).get('data_samples', [])
        images = [sample.get('img_id', sample.get('img_path')) for sample in samples]
        self._pending.append((runner.iter + 1, outputs, images))
        if is_reading_iter(self, runner, batch_idx, self._first):
            self._check(runner)

    def _check(self, runner: Runner) -> None:
        """Look at the losses of all iterations since the last time."""
        pending, self._pending = self._pending, []
        read_together([outputs for _, outputs, _ in pending])
        for iteration, outputs, images in pending:
            wrong = {name: value for name, value in outputs.items()
                     if 'loss' in name and not math.isfinite(value)}
            if wrong:
                raise FloatingPointError(
                    f'iteration {iteration}: {wrong} with the images {images}. The run is '
                    f'stopped; {_last_checkpoint(runner)}. Lower the learning rate, or use bf16 '
                    'instead of fp16, and look at these images')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are not finite, or that such a loss has changed."""
        self._check(runner)
        wrong = [
            name for name, value in checkpoint['state_dict'].items()
            if value.is_floating_point() and not torch.isfinite(value).all()]
        if wrong:
            raise FloatingPointError(
                f'epoch {runner.epoch + 1}, iteration {runner.iter}: {len(wrong)} weights are not '
                f'finite ({", ".join(wrong[:MAX_LISTED])}) and are not saved. The run is stopped; '
                f'{_last_checkpoint(runner)}. Lower the learning rate, or use bf16 instead of '
                'fp16')


def _last_checkpoint(runner: Runner) -> str:
    """Where to go on from, as part of a sentence."""
    record = Path(runner.work_dir) / 'last_checkpoint'
    if not record.is_file():
        return f'there is no checkpoint in {runner.work_dir} yet'
    name = record.read_text(encoding='utf-8').strip()
    return f'the last good checkpoint is {name}'
