"""Training in bfloat16 autocast, on GPUs and CPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from expalign.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """mmengine's wrapper with the forward pass under ``torch.autocast`` to bfloat16.

    bfloat16 has the range of float32, so that losses need no scaling; weights, gradients and the
    optimizer's state stay in float32. mmengine's ``AmpOptimWrapper``, which scales losses for
    fp16, refuses CPUs.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of a forward pass; autocast is for the device that the model is on."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
