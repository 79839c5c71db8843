"""Freezing, in one place: of a pretrained network as a whole, and of all but some parts of a model.

A frozen network has no trainable parameter, stays in eval mode whatever mode its parent is in, and
records no graph.
"""

import re
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .autocast_twin import AutocastTwin, twin_applies


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
        self._twin = AutocastTwin()
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


    def run_network(self, images: Tensor) -> Any:
        """What the network gives for images (B, 3, H, W); see :meth:`grad_context`.

        A frozen network runs wholly in autocast's type on a GPU: its maps come in that type.
        """
        with self.grad_context():
            if self.frozen and twin_applies(images):
                return self._twin(self.model, images)
            return self.model(images)


def freeze_all_but(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    r"""Freeze the parameters whose names no pattern matches.

    Those that were frozen before stay so.

    Args:
        model: any module.
        patterns: regular expressions for the beginning of a parameter's name, such as
            ``'text_adapter'`` or ``r'neck\.embed_branches\.\d\.2'``.

    Returns:
        The largest submodules that have parameters and train none. They belong in eval mode, for
        a normalisation layer in training mode changes without a gradient too.

    Raises:
        ValueError: a pattern matches no parameter that can be trained.
    """
    names = [name for name, value in model.named_parameters() if value.requires_grad]
    for pattern in patterns:
        if not any(re.match(pattern, name) for name in names):
            children = ', '.join(name for name, _ in model.named_children())
            raise ValueError(
                f'no parameter that can be trained has a name that begins with {pattern!r}: the '
                f'model has {children}; a frozen encoder stays frozen')
    for name, parameter in model.named_parameters():
        if not any(re.match(pattern, name) for pattern in patterns):
            parameter.requires_grad_(False)
    return _frozen_parts(model)


def _frozen_parts(module: nn.Module) -> list[nn.Module]:
    flags = [parameter.requires_grad for parameter in module.parameters()]
    if flags and not any(flags):
        return [module]
    return [part for child in module.children() for part in _frozen_parts(child)]
