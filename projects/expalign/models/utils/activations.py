"""Activations in place: less memory in prediction, more work in training."""

from torch import nn


def set_activations_inplace(model: nn.Module, inplace: bool) -> None:
    """Let SiLU layers write over their input, or not; results are the same.

    Under autograd the input is needed later on, so writing over it costs a copy of it.
    """
    for part in model.modules():
        if isinstance(part, nn.SiLU):
            part.inplace = inplace
