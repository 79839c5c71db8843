"""Compiles the static parts of the model at the start of a run."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from expalign.engine.compiled import compile_model
from expalign.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """:func:`~expalign.engine.compiled.compile_model` before training or a test.

    Args:
        cuda_graphs: see there.
        backend: see there.
    """

    priority = 'VERY_LOW'  # behind the moving average and fused copies

    def __init__(self, cuda_graphs: bool = False, backend: str = 'inductor') -> None:
        self.cuda_graphs, self.backend = cuda_graphs, backend

    def before_train(self, runner: Runner) -> None:
        """Compile for training."""
        compile_model(runner.model, self.cuda_graphs, self.backend)

    def before_test_epoch(self, runner: Runner) -> None:
        """Compile for a test."""
        compile_model(runner.model, self.cuda_graphs, self.backend)
