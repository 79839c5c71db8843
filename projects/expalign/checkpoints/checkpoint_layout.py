"""Whether a checkpoint has the layout that mmengine and this project read, said before they do."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from expalign.structures.known_classes import KNOWN_CLASSES, KnownClasses

from .frozen_encoders import HEADER_KEY, is_record
from .plain_state import HISTORY_KEYS

# What must be a mapping where it is there.
MAPPINGS = ('state_dict', 'ema_state_dict', 'meta', 'message_hub', 'optimizer')
HUB = ('log_scalars', 'runtime_info', 'resumed_keys')
WEIGHTS = ('state_dict', 'ema_state_dict')


class LayoutError(ValueError):
    """A checkpoint has something else where a reader expects a part of it."""


def check_layout(checkpoint: Any) -> None:
    """Compare a loaded checkpoint with the layout of mmengine; parts may be missing.

    Raises:
        LayoutError: a part is of another kind; the message begins with 'its'.
    """
    for name in MAPPINGS:
        if name in checkpoint:
            _require(checkpoint[name], Mapping, name)
    for name in WEIGHTS:
        for key, value in checkpoint.get(name, {}).items():
            if not isinstance(key, str) or not (
                    isinstance(value, Tensor) or key.endswith('_extra_state')):
                raise LayoutError(f'its {name} has a {type(value).__name__} as {key!r}, where '
                                  'weights have names and are tensors')
        _require_metadata(getattr(checkpoint.get(name), '_metadata', {}), name)
    meta = checkpoint.get('meta', {})
    for name in ('epoch', 'iter'):
        if name in meta:
            _require(meta[name], int, f'meta.{name}')
            if meta[name] < 0:
                raise LayoutError(f'its meta.{name} is {meta[name]}, and cannot be negative')
    if 'iters_per_epoch' in meta:
        _require(meta['iters_per_epoch'], int, 'meta.iters_per_epoch')
    if meta.get('seed') is not None:
        _require(meta['seed'], int, 'meta.seed')
    if 'dataset_meta' in meta and meta['dataset_meta'] is not None:
        _require_names(meta['dataset_meta'], 'meta.dataset_meta')
    hub = checkpoint.get('message_hub', {})
    for name in HUB:
        if name in hub:
            _require_names(hub[name], f'message_hub.{name}')
    for name, resumed in hub.get('resumed_keys', {}).items():
        if not isinstance(resumed, bool):
            raise LayoutError(f'its message_hub.resumed_keys.{name[:100]} is no truth value')
    for name, history in hub.get('log_scalars', {}).items():
        _require_history(history, f'message_hub.log_scalars.{name[:100]}')
    if checkpoint.get('param_schedulers') is not None:
        _require(checkpoint['param_schedulers'], list | Mapping, 'param_schedulers')


def _require_metadata(metadata: Any, name: str) -> None:
    """What torch's modules note of themselves, by the names of the modules."""
    _require_names(metadata, f"{name}'s _metadata")
    for module, notes in metadata.items():
        _require_names(notes, f"{name}'s _metadata of {module[:100]!r}")
        if HEADER_KEY in notes and not is_record(notes[HEADER_KEY]):
            raise LayoutError(f'its {name} has a record of frozen encoders that is none')
        if KNOWN_CLASSES in notes:
            try:
                KnownClasses.from_plain(notes[KNOWN_CLASSES])
            except ValueError as error:
                raise LayoutError(f'its {name}: {error}') from error


def _require_history(history: Any, name: str) -> None:
    """What :func:`~.plain_state.to_plain` makes of a history of logged values."""
    if not isinstance(history, Mapping) or history.keys() != HISTORY_KEYS:
        return  # is skipped, with a warning
    values, counts = history['values'], history['counts']
    if not all(isinstance(x, Tensor) and x.dim() == 1 for x in (values, counts)) or (
            len(values) != len(counts) or type(history['max_length']) is not int
            or history['max_length'] < 1):
        raise LayoutError(f'its {name} is no history of values and counts')


def _require(value: Any, kind: Any, name: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = 'a whole number' if kind is int else 'a dict or list' if kind is not Mapping else (
            'a dict')
        raise LayoutError(f'its {name} is a {type(value).__name__}, and not {wanted}')


def _require_names(value: Any, name: str) -> None:
    _require(value, Mapping, name)
    strange = next((key for key in value if not isinstance(key, str)), None)
    if strange is not None:
        raise LayoutError(f'its {name} has the key {str(strange)[:100]}, which is no name')
