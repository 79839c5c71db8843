"""The base of every pretrained network: freezing, in one place.

A frozen network has no trainable parameter, stays in eval mode whatever mode its parent is in, and
records no graph.
"""

from contextlib import contextmanager

import torch
from mmengine.model import BaseModule
from torch import nn


class FreezableModule(BaseModule):
    """Holds a network whose weights were set when it was built, frozen or not.

    Args:
        model: The network. It is kept as ``self.model``.
        frozen: Whether to freeze it.
    """

    def __init__(self, model: nn.Module, frozen: bool = True) -> None:
        super().__init__()
        self.model = model
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)
        # transformers builds and loads its models in eval mode; start like any other module.
        self.train()

    def train(self, mode: bool = True) -> 'FreezableModule':
        """Set the mode of the network; a frozen one stays in eval mode."""
        return super().train(mode and not self.frozen)

    def init_weights(self) -> None:
        """Do nothing: the weights are in place, and transformers' models would be drawn anew.

        mmengine calls ``init_weights`` on every child that has one before training.
        """

    @contextmanager
    def grad_context(self):
        """Within it, a frozen network records no graph; any other one is left alone."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            yield
