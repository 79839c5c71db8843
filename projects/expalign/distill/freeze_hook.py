"""A hook that trains one part of a detector: all others keep weights and statistics."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from expalign.registry import HOOKS


@HOOKS.register_module()
class TrainOnlyHook(Hook):
    """Freeze every child of the model but those named, normalisation statistics included.

    Args:
        modules: names of the children that train, e.g. ``['text_adapter']``.

    Raises:
        ValueError: the model has no child of that name.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)

    def before_train(self, runner: Runner) -> None:
        """Check the names and stop gradients."""
        children = dict(self._model(runner).named_children())
        unknown = [name for name in self.modules if name not in children]
        if unknown:
            raise ValueError(
                f'TrainOnlyHook: the model has no {unknown[0]!r}; it has {", ".join(children)}')
        for name, child in children.items():
            if name not in self.modules:
                child.requires_grad_(False)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Validation and the loop set the mode of the whole model; set it back."""
        for name, child in self._model(runner).named_children():
            if name not in self.modules and child.training:
                child.eval()

    @staticmethod
    def _model(runner: Runner):
        return runner.model.module if is_model_wrapper(runner.model) else runner.model
