"""Optimizers over what is trained, and nothing else."""

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from expalign.engine.checkpoint import is_frozen
from expalign.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor without the parameters of frozen modules.

    The parent puts them into groups of the optimizer and warns about each; frozen encoders have
    hundreds.
    """

    def add_params(self, params: list[dict], module: nn.Module, *args, **kwargs) -> None:
        """Add the parameter groups of one module and its children."""
        if not is_frozen(module):
            super().add_params(params, module, *args, **kwargs)
