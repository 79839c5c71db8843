"""Lets every OpenMMLab entry point read ``.safetensors`` checkpoints from local paths.

A safetensors file holds named tensors and a header of strings, and no code; a config in the header
must be plain data, because mmengine would run it as Python. The header's
``dataset_meta`` and ``frozen_encoders``, where there are any, are JSON (the latter is checked when
the model is loaded); all other entries are kept as they are.
"""

import json
import os
from collections import OrderedDict
from typing import Any

from safetensors import SafetensorError, safe_open

from expalign.engine.frozen_encoders import with_record
from expalign.engine.safe_load import refuse_config_code


def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
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
    """
    path = os.path.expanduser(filename)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'checkpoint {filename} does not exist')
    device = 'cpu' if map_location is None else str(map_location)
    try:
        with safe_open(path, framework='pt', device=device) as file:
            state_dict = OrderedDict(
                (name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
            meta: dict[str, Any] = dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f'{filename} is not a safetensors file: {error}') from error
    refuse_config_code(dict(meta=meta), filename)
    if 'dataset_meta' in meta:
        try:
            meta['dataset_meta'] = json.loads(meta['dataset_meta'])
        except json.JSONDecodeError as error:
            raise ValueError(f"{filename}: 'dataset_meta' is not JSON: {error}") from error
    return dict(state_dict=with_record(state_dict, meta, filename), meta=meta)
