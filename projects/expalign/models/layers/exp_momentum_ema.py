"""Moving averages of a model's weights in few operations."""

import math

import torch
from mmyolo.models.layers import ExpMomentumEMA as MMYOLOExpMomentumEMA
from torch import nn

from expalign.registry import MODELS


@MODELS.register_module()
class ExpMomentumEMA(MMYOLOExpMomentumEMA):
    """mmyolo's moving averages, of all tensors together instead of one by one.

    The averages are the same; so are the arguments.
    """

    def update_parameters(self, model: nn.Module) -> None:
        """Update the averages of the model after a training step."""
        steps = int(self.steps)
        if not (self.update_buffers and steps and steps % self.interval == 0):
            super().update_parameters(model)
            return
        names = [name for name, value in self.avg_parameters.items() if value.is_floating_point()]
        momentum = (1 - self.momentum) * math.exp(-(1 + steps) / self.gamma) + self.momentum
        torch._foreach_lerp_(
            [self.avg_parameters[name].data for name in names],
            [self.src_parameters[name].data for name in names], momentum)
        self.steps += 1
