"""Building what a stranger's config describes without memory for it, to see whether it can be."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from expalign.registry import MODELS

from .checkpoint import ENCODERS
from .checkpoint_limits import MODEL_LAYERS, MODEL_NUMBERS


def dry_build(model: Mapping[str, Any], pipeline: list[dict], stored: int) -> None:
    """Build the parts of a model on torch's ``meta`` device, and the pipeline.

    Encoders that load weights of a name are left out: those are as large as they are.

    Args:
        model: config of a detector.
        pipeline: configs of its transforms.
        stored: a model with as many weights is accepted, whatever the limit.

    Raises:
        LimitExceeded: it is larger than the limits allow.
        Exception: whatever a constructor raises.
    """
    settings = {key: model.get(key) for key in ('train_cfg', 'test_cfg')}
    with _counted(stored):
        for name, part in model.items():
            if not isinstance(part, Mapping) or 'type' not in part or _loads_by_name(name, part):
                continue
            extra = settings if name == 'bbox_head' else {}
            MODELS.build(ConfigDict(deepcopy(dict(part, **extra))))
    Compose([ConfigDict(deepcopy(transform)) for transform in pipeline])


def _loads_by_name(name: str, part: Mapping[str, Any]) -> bool:
    return (name in ENCODERS and part['type'].startswith('expalign.')
            and not isinstance(part.get('model'), Mapping))


@contextmanager
def _counted(stored: int) -> Iterator[None]:
    """On the device ``meta``, stop when there are too many layers or numbers."""
    found = dict(layers=0, numbers=0)

    def add_layer(parent: nn.Module, name: str, layer: nn.Module | None) -> None:
        found['layers'] += 1
        MODEL_LAYERS.check(found['layers'], name)

    def add_numbers(parent: nn.Module, name: str, tensor: Tensor | None) -> None:
        found['numbers'] += 0 if tensor is None else tensor.numel()
        if found['numbers'] > stored:
            MODEL_NUMBERS.check(found['numbers'], f'{type(parent).__name__}.{name}')

    handles = [
        hooks.register_module_module_registration_hook(add_layer),
        hooks.register_module_parameter_registration_hook(add_numbers),
        hooks.register_module_buffer_registration_hook(add_numbers)]
    try:
        with torch.device('meta'):
            yield
    finally:
        for handle in handles:
            handle.remove()
