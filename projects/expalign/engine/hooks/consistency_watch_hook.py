"""Logs how the geometric consistency loss acts."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.registry import HOOKS

from .deferred import is_reading_iter


@HOOKS.register_module()
class ConsistencyWatchHook(Hook):
    """Has the shares of :meth:`~expalign.models.losses.GACOLoss.shares` measured and logged.

    They cost one more backward pass through the loss, not the network, in the iterations that
    are logged. Models without a consistency loss are left alone.
    """

    def __init__(self) -> None:
        self._first = 0

    def before_train(self, runner: Runner) -> None:
        """Note where the run begins."""
        self._first = runner.iter

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Watch where the log is written next."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        consistency = getattr(model, 'consistency', None)
        if consistency is not None:
            consistency.watched = is_reading_iter(self, runner, batch_idx, self._first)
