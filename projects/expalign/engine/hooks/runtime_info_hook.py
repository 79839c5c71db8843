"""Losses and the norm of the gradient for the log, read from the device when it is written."""

from collections.abc import Callable
from typing import Any

from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from expalign.registry import HOOKS

from .deferred import is_reading_iter, read_together


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):
    """mmengine's hook, which reads every loss from the device in every iteration.

    Here the losses of all iterations since the last line come in one copy, before the next line
    is written (:func:`~.deferred.is_reading_iter`). What is published is the same, in the same
    order. In between a training step does not wait for the device.
    """

    def before_train(self, runner: Runner) -> None:
        """Keep the norm of clipped gradients on the device, too."""
        super().before_train(runner)
        self._first, self._pending = runner.iter, []
        self._grad_norm: Tensor | None = None
        wrapper = runner.optim_wrapper
        if getattr(wrapper, 'clip_grad_kwargs', None):
            wrapper.clip_func = self._keep_norm(wrapper.clip_func)

    def _keep_norm(self, clip: Callable) -> Callable:
        """``clip`` without its result, which mmengine's wrapper would read at once."""
        def clip_and_keep(*args: Any, **kwargs: Any) -> None:
            self._grad_norm = clip(*args, **kwargs)

        return clip_and_keep

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: dict | None = None
    ) -> None:
        """Note the outputs of an iteration, and publish what was noted when a line is due."""
        if outputs is not None:
            for name, value in outputs.items():
                outputs[name] = value.detach() if isinstance(value, Tensor) else value
            if self._grad_norm is not None:
                outputs.setdefault(runner.optim_wrapper.grad_name, self._grad_norm)
            self._pending.append(outputs)
        if is_reading_iter(self, runner, batch_idx, self._first):
            read_together(self._pending)
            for noted in self._pending:
                super().after_train_iter(runner, batch_idx, None, noted)
            self._pending = []
