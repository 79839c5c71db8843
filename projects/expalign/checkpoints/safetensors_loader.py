"""Lets every OpenMMLab entry point read ``.safetensors`` checkpoints from local paths.

A safetensors file holds named tensors and a header of strings, and no code; a config in the header
must be plain data, because mmengine would run it as Python. The header's
``dataset_meta``, ``frozen_encoders`` and ``known_classes``, where there are any, are JSON (the
second is checked when the model is loaded); all other entries are kept as they are. A file with
``base`` is completed by the weights of that name (:mod:`.trained_part`).
"""

import os
from collections import OrderedDict
from typing import Any

from expalign.structures.known_classes import KNOWN_CLASSES, KnownClasses

from .checkpoint_layout import LayoutError, check_layout
from .frozen_encoders import with_record
from .safe_load import refuse_config_code
from .safetensors_file import header_json, open_safetensors
from .trained_part import joined_with_base


def load_from_safetensors(filename: str | os.PathLike, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint in mmengine's form.

    Args:
        filename: local path.
        map_location: a device or its name; CPU by default.

    Returns:
        ``state_dict`` (name -> tensor) and ``meta`` (the header's entries; ``dataset_meta`` as a
        dict).

    Raises:
        FileNotFoundError: there is no such file.
        UntrustedCheckpointError: the config in its header is a program.
        ValueError: it is no safetensors file, or its ``dataset_meta`` is not JSON.
        LimitExceeded: its header is too large.
    """
    path = os.path.expanduser(os.fspath(filename))
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    device = 'cpu' if map_location is None else str(map_location)
    with open_safetensors(path, device) as file:
        try:
            state_dict = OrderedDict(
                (name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
        # Shapes and types that torch cannot have.
        except (RuntimeError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f'{filename} has a tensor that torch cannot read: {error}') from error
        meta: dict[str, Any] = dict(file.metadata() or {})
    refuse_config_code(dict(meta=meta), filename)
    if 'dataset_meta' in meta:
        meta['dataset_meta'] = header_json(meta, 'dataset_meta', filename)
    try:
        check_layout(dict(meta={} if 'dataset_meta' not in meta else dict(
            dataset_meta=meta['dataset_meta'])))
    except LayoutError as error:
        raise ValueError(f'{filename} cannot be loaded: {error}') from error
    state_dict = joined_with_base(state_dict, meta, str(filename))
    return dict(state_dict=_with_records(state_dict, meta, str(filename)), meta=meta)


def _with_records(state_dict: OrderedDict, meta: dict[str, Any], path: str) -> OrderedDict:
    """Put the header's records where torch and mmengine hand them to the model."""
    with_record(state_dict, meta, path)
    if KNOWN_CLASSES in meta:
        record = header_json(meta, KNOWN_CLASSES, path)
        KnownClasses.from_plain(record, f"{path}: '{KNOWN_CLASSES}'")
        notes = {} if not hasattr(state_dict, '_metadata') else state_dict._metadata['']
        state_dict._metadata = {'': {**notes, KNOWN_CLASSES: record}}
    return state_dict
