"""Moving average of what is trained, without copies of frozen encoders."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from torch import nn

from expalign.checkpoints.checkpoint import is_frozen
from expalign.registry import HOOKS


@HOOKS.register_module()
class TrainableEMAHook(EMAHook):
    """:class:`mmengine.EMAHook` that leaves the model's frozen parts out.

    A frozen encoder equals its average. mmengine's hook would keep a second copy of it in memory
    and in every checkpoint; here the averaged model has nothing in its place.
    """

    def before_run(self, runner: Runner) -> None:
        """Build the averaged model from the parts that are trained."""
        model = getattr(runner.model, 'module', runner.model)
        self.frozen = [name for name, part in model.named_children() if is_frozen(part)]
        with self._without_frozen(model):
            super().before_run(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Resume the average, or start it from the weights that are loaded."""
        prefixes = tuple(f'{name}.' for name in self.frozen)
        trained = {
            name: value for name, value in checkpoint['state_dict'].items()
            if not name.startswith(prefixes)} if prefixes else checkpoint['state_dict']
        view = {**checkpoint, 'state_dict': trained}
        super().after_load_checkpoint(runner, view)
        # On resuming, the parent has exchanged averaged and plain weights.
        checkpoint['state_dict'].update(view['state_dict'])

    def _swap_ema_parameters(self) -> None:
        with self._without_frozen(self.src_model):
            super()._swap_ema_parameters()

    @contextmanager
    def _without_frozen(self, model: nn.Module) -> Iterator[None]:
        """The model with nothing in the place of its frozen parts."""
        parts = {name: getattr(model, name) for name in self.frozen}
        try:
            for name in parts:
                setattr(model, name, nn.Identity())
            yield
        finally:
            for name, part in parts.items():
                setattr(model, name, part)
