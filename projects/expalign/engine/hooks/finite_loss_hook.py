"""Stop a training whose loss is no longer a number, and say where."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from expalign.registry import HOOKS


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends the run at the first loss that is NaN or infinite.

    The message has the iteration, the losses and the images of the batch. It runs before
    checkpoints are saved, so the last one on disk is from before.

    Raises:
        FloatingPointError: a loss is not finite.
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
        wrong = {
            name: float(value) for name, value in (outputs or {}).items()
            if 'loss' in name and not math.isfinite(value)}
        if not wrong:
            return
        samples = (data_batch or {}).get('data_samples', [])
        images = [sample.get('img_id', sample.get('img_path')) for sample in samples]
        raise FloatingPointError(
            f'iteration {runner.iter + 1}: {wrong} with the images {images}. The run is stopped; '
            f'the last good checkpoint is in {runner.work_dir}. Lower the learning rate, or use '
            'bf16 instead of fp16, and look at these images')
