"""Stop a training whose loss or weights are no longer numbers, and say where."""

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from expalign.registry import HOOKS

MAX_LISTED = 5


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends the run at the first loss that is NaN or infinite.

    The message has the iteration, the names of the losses, the images of this process's batch and
    the last checkpoint. The hook runs before checkpoints are saved. A step may also spoil the
    weights while its loss was a number, or in another process; such weights are not saved, so
    that the last checkpoint on disk is a good one.

    Raises:
        FloatingPointError: a loss is not finite, or a weight that is about to be saved.
    """

    priority = 'ABOVE_NORMAL'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Check the losses of one iteration."""
        losses = {
            name: torch.as_tensor(value).detach().item()
            for name, value in (outputs or {}).items() if 'loss' in name}
        wrong = {name: value for name, value in losses.items() if not math.isfinite(value)}
        if not wrong:
            return
        samples = (data_batch or {}).get('data_samples', [])
        images = [sample.get('img_id', sample.get('img_path')) for sample in samples]
        raise FloatingPointError(
            f'iteration {runner.iter + 1}: {wrong} with the images {images}. The run is stopped; '
            f'{_last_checkpoint(runner)}. Lower the learning rate, or use bf16 instead of fp16, '
            'and look at these images')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to save weights that are not finite."""
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
    return f'the last good checkpoint is {record.read_text().strip()}'
