"""A trained model in a small file: what was trained, and the name of the weights that it started
from.

Whoever loads it gets the whole model. The rest is fetched by its name, and checked by its digest.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file
from torch import Tensor, nn

from expalign.structures.known_classes import KNOWN_CLASSES, KnownClasses
from expalign.utils import finished_file
from expalign.version import __version__

from .encoder_fingerprint import encoder_fingerprint
from .frozen_encoders import HEADER_KEY, encoders_of_state_dict
from .plain_state import to_plain

BASE, BASE_DIGEST = 'base', 'base_sha256'
# Names of this project's weights; of a stranger's file nothing else is loaded.
NAMED = re.compile(r'expalign://[\w.-]+', re.ASCII)


class HalfPrecisionError(ValueError):
    """A number is too large for half precision."""


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """What a model trains, in half precision, with the statistics of its layers.

    Raises:
        HalfPrecisionError: a number is too large for it.
    """
    # With a layer's trained parameters go its statistics, which training changes, too.
    layers = {key.rpartition('.')[0] for key, value in model.named_parameters()
              if value.requires_grad}
    return {key: _half(key, value) for key, value in model.state_dict().items()
            if key.rpartition('.')[0] in layers}


def save_trained_part(
    model: nn.Module, cfg: Config, path: str | Path, base: str | None, **entries: str
) -> None:
    """Write the trained part of a model as a file that can be used like a whole checkpoint.

    Args:
        model: the detector, with its weights.
        cfg: of the run; what predictions need of it goes into the file.
        path: ``.safetensors``.
        base: name of the weights that training started from, ``expalign://...``. None, or an
            address of another kind: the file has all weights.
        entries: further ones of the header.
    """
    header = dict(format='pt', expalign=__version__, cfg=prediction_config(cfg), **entries)
    record = encoders_of_state_dict(model, model.state_dict(), cfg.model)
    if record:
        header[HEADER_KEY] = json.dumps(record)
    if getattr(model, 'known_classes', None) is not None:
        header[KNOWN_CLASSES] = json.dumps(model.known_classes.to_plain())
    if base is not None and NAMED.fullmatch(base):
        header |= {BASE: base, BASE_DIGEST: _digest(_state_of(base))}
        weights = trained_weights(model)
    else:
        # Not in half precision, which the digests of frozen encoders would not fit.
        weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    with finished_file(path) as temporary:
        save_file(weights, temporary, header)


def with_known_classes(path: str | Path, known: KnownClasses) -> None:
    """Write another record of its classes into a file of :func:`save_trained_part`."""
    from safetensors import safe_open
    from safetensors.torch import load_file
    with safe_open(path, framework='pt') as file:
        header = dict(file.metadata())
    header[KNOWN_CLASSES] = json.dumps(known.to_plain())
    weights = load_file(path)
    with finished_file(path) as temporary:
        save_file(weights, temporary, header)


def joined_with_base(state_dict: dict[str, Tensor], header: Mapping[str, Any], path: str
                     ) -> dict[str, Tensor]:
    """The weights of a file with those that it names as its base, where it names any.

    Args:
        state_dict: of the file; it is completed in place.
        header: of the file.
        path: of the file, for messages.

    Raises:
        ValueError: the base is no name of this project's, or not the one that was trained from.
    """
    base = header.get(BASE)
    if base is None:
        return state_dict
    if not NAMED.fullmatch(base):
        raise ValueError(f"{path}: its base {str(base)[:100]!r} is none of this project's weights")
    whole = _state_of(base)
    if _digest(whole) != header.get(BASE_DIGEST):
        raise ValueError(
            f'{path} was trained from other weights than {base} has in this version of expalign '
            f'(it was written by version {str(header.get("expalign"))[:40]}): install that version')
    for name, value in whole.items():
        state_dict.setdefault(name, value)
    return state_dict


def prediction_config(cfg: Config) -> str:
    """The text of a config with what predictions are made with, as data."""
    # A run's own visualizer may be named after a folder.
    visualizer = dict(type='mmdet.DetLocalVisualizer', name='visualizer', vis_backends=None)
    parts = dict(model=cfg.model, visualizer=visualizer)
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    if loader is not None:
        parts['test_dataloader'] = dict(dataset=dict(pipeline=loader.dataset.pipeline))
    return ''.join(f'{name} = {to_plain(part, name)!r}\n' for name, part in parts.items())


def _state_of(base: str) -> dict[str, Tensor]:
    return CheckpointLoader.load_checkpoint(
        base, map_location='cpu', logger='silent')['state_dict']


def _digest(state: Mapping[str, Tensor]) -> str:
    return encoder_fingerprint(state, {})


def _half(key: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.contiguous()
    half = value.detach().half().contiguous()
    if not half.isfinite().all():
        raise HalfPrecisionError(f'{key} has numbers that half precision cannot hold')
    return half
