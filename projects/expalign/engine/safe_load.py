"""Loading torch checkpoints without running what is in them.

A checkpoint is a pickle, and a pickle can name any importable object and call it.
``torch.load(..., weights_only=True)`` accepts tensors, plain data and torch's own short list of
types, and nothing else. mmengine extends that list by types through which a file can install a
function of its choice, and loads whatever still fails without any check; neither happens here.
"""

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import torch
from torch import hub

from expalign.trust import FLAG, checkpoints_are_trusted


class UntrustedCheckpointError(RuntimeError):
    """A checkpoint holds more than tensors and plain data."""


def load_torch_file(
    file: str | IO[bytes], map_location: Any = None, name: str | None = None
) -> Any:
    """What :func:`torch.load` gives, with ``weights_only=True`` unless checkpoints are trusted.

    Args:
        file: local path or open file.
        map_location: as of :func:`torch.load`.
        name: what the file is called in messages; by default its path.

    Raises:
        UntrustedCheckpointError: the file could run code. Nothing of it was run.
        ValueError: it is no checkpoint, or damaged.
    """
    with _explained(name or str(getattr(file, 'name', file))):
        return torch.load(
            file, map_location=map_location, weights_only=not checkpoints_are_trusted())


def load_torch_url(url: str, **options: Any) -> Any:
    """:func:`torch.hub.load_state_dict_from_url` under the rules of :func:`load_torch_file`."""
    with _explained(url):
        return hub.load_state_dict_from_url(
            url, weights_only=not checkpoints_are_trusted(), **options)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        if checkpoints_are_trusted():
            raise ValueError(f'{name} is no torch checkpoint, or damaged: {error}') from error
        raise UntrustedCheckpointError(_refusal(name, str(error))) from error
    except (EOFError, RuntimeError) as error:
        raise ValueError(f'{name} cannot be loaded as a torch checkpoint: {error}') from error


def _refusal(name: str, reason: str) -> str:
    culprit = re.search(r'GLOBAL (\S+)', reason)
    found = f'it names {culprit[1]}, which ' if culprit else 'it is no torch checkpoint, or '
    return (
        f'{name} was not loaded: {found}is more than tensors and plain data, and loading it could '
        'run code. Nothing of it was run. Ask its author for a .safetensors file; or, if you '
        f'trust them as you would a program of theirs, repeat the command with {FLAG} (in Python: '
        'expalign.trust_checkpoints())')
