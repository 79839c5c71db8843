"""Loading torch checkpoints without running what is in them.

A checkpoint is a pickle, and a pickle can name any importable object and call it.
``torch.load(..., weights_only=True)`` accepts tensors, plain data and torch's own short list of
types, and nothing else; what it could still do, such as to fill the memory, is checked before
(:mod:`expalign.checkpoints.checked_pickle`). mmengine extends that list by types through which a
file can install a function of its choice, and loads whatever still fails without any check; neither
happens here.

The text of a config, which is Python, is plain data to torch. mmengine runs it: when training is
resumed (``meta.config``), and where an inferencer is given nothing but a checkpoint.
"""

import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlparse

import torch
from torch import hub

from expalign.limits import LimitExceeded
from expalign.utils.file_kinds import special_kind

from .checked_pickle import NoCheckpoint, check_torch_file
from .checkpoint_layout import check_layout
from .config_text import literal_config
from .foreign_classes import is_foreign, stand_ins
from .torch_records import Refused
from .trust import FLAG, checkpoints_are_trusted

# Where mmengine looks for the text of a config.
CONFIG_TEXTS = (('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg'))
# Headers of converted weights name their config's file under the same key: nothing to run.
FILE_NAME = re.compile(r'[\w.-]+\.py')
MAX_TOLD = 500  # letters of another library's error


class UntrustedCheckpointError(RuntimeError):
    """A checkpoint holds more than tensors and plain data."""


def load_torch_file(
    file: str | os.PathLike | IO[bytes], map_location: Any = None, name: str | None = None
) -> Any:
    """What :func:`torch.load` gives, with ``weights_only=True`` unless checkpoints are trusted.

    Args:
        file: local path, or open file that can be searched.
        map_location: as of :func:`torch.load`.
        name: what the file is called in messages; by default its path.

    Raises:
        UntrustedCheckpointError: the file could run code. Nothing of it was run.
        ValueError: it is no checkpoint, or damaged; the message says what it is.
        LimitExceeded: it asks for more memory or time than a limit allows.
    """
    if isinstance(file, os.PathLike):
        file = os.fspath(file)
    if name is None:
        name = file if isinstance(file, str) else str(getattr(
            file, 'name', 'the checkpoint, which was read from a stream without a name,'))
    trusted = checkpoints_are_trusted()
    with _explained(name):
        if not trusted:
            _check(file, name)
        checkpoint = torch.load(file, map_location=map_location, weights_only=not trusted)
        if not trusted:
            check_layout(checkpoint)
    refuse_config_code(checkpoint, name)
    return checkpoint


def load_foreign_file(path: str | os.PathLike) -> Any:
    """A torch file with classes of other projects in it, of which only stand-ins are made.

    Whether checkpoints are trusted does not count: nothing of the file runs.

    Args:
        path: of the file.

    Returns:
        What is in it, on the CPU, with
        :class:`~expalign.checkpoints.foreign_classes.StandIn` objects.

    Raises:
        FileNotFoundError: there is no such file.
        UntrustedCheckpointError: it names functions that no checkpoint has a need for.
        ValueError: it is no checkpoint, or damaged; the message says what it is.
        LimitExceeded: it asks for more memory or time than a limit allows.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f'checkpoint {path} does not exist')
    with _explained(path, trustable=False), stand_ins(_check(path, path, is_foreign)):
        return torch.load(path, map_location='cpu', weights_only=True)


def load_torch_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True,
    check_hash: bool = False, file_name: str | None = None,
) -> Any:
    """:func:`torch.hub.load_state_dict_from_url` under the rules of :func:`load_torch_file`.

    The file is fetched once, and kept where torch keeps its own.
    """
    folder = Path(model_dir or Path(hub.get_dir(), 'checkpoints'))
    name = file_name or PurePosixPath(urlparse(url).path).name
    file = folder / name
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        digest = hub.HASH_REGEX.search(name) if check_hash else None
        hub.download_url_to_file(url, str(file), digest and digest[1], progress=progress)
    return load_torch_file(file, map_location, url)


def _check(
    file: str | IO[bytes], name: str, foreign: Callable[[str], bool] | None = None
) -> set[str]:
    if not isinstance(file, str):
        return check_torch_file(file, name, foreign)
    kind = special_kind(file)
    if kind is not None:
        raise NoCheckpoint(f'it is {kind}')
    with open(file, 'rb') as stream:
        return check_torch_file(stream, name, foreign)


def refuse_config_code(checkpoint: Any, name: str) -> None:
    """Refuse a checkpoint whose config is a program, unless checkpoints are trusted.

    Args:
        checkpoint: what was loaded; anything but a mapping has no config.
        name: what it is called in the message.

    Raises:
        UntrustedCheckpointError: a config in it is more than :func:`literal_config` reads, or
            would import modules.
    """
    if checkpoints_are_trusted():
        return
    for keys in CONFIG_TEXTS:
        text = checkpoint
        for key in keys:
            text = text.get(key) if isinstance(text, Mapping) else None
        if isinstance(text, str) and not FILE_NAME.fullmatch(text):
            try:
                fields = literal_config(text)
                # The one that mmengine reads when training is resumed, and imports for.
                if keys == CONFIG_TEXTS[0] and 'custom_imports' in fields:
                    raise ValueError('it has custom_imports')
            except LimitExceeded as error:
                raise LimitExceeded(f'the config in {name} ({".".join(keys)}): {error}') from error
            except ValueError as error:
                raise UntrustedCheckpointError(
                    _refusal(name, f'the config in it ({".".join(keys)}, {error})')) from error


@contextmanager
def _explained(name: str, trustable: bool = True) -> Iterator[None]:
    try:
        yield
    except (OSError, LimitExceeded):  # they name the file
        raise
    except Refused as error:
        found = f'it names {error}, which' if str(error) else 'it is no torch checkpoint, or'
        raise UntrustedCheckpointError(_refusal(name, found, trustable)) from error
    # Whatever torch and its parsers make of a damaged or hostile file.
    except Exception as error:
        culprit = re.search(r'GLOBAL (\S+)', str(error))
        if culprit and isinstance(error, pickle.UnpicklingError) and not (
                trustable and checkpoints_are_trusted()):
            found = f'it names {culprit[1]}, which'
            raise UntrustedCheckpointError(_refusal(name, found, trustable)) from error
        kind = '' if isinstance(error, ValueError | pickle.UnpicklingError | RuntimeError
                                ) else f'{type(error).__name__}: '
        # torch says much about its options around what is wrong.
        told = ' '.join(str(error).rpartition('WeightsUnpickler error:')[2].split())
        told = told.partition(' Check the documentation of torch.load')[0][:MAX_TOLD]
        raise ValueError(
            f'{name} cannot be loaded as a torch checkpoint: {kind}{told}') from error


def _refusal(name: str, found: str, trustable: bool = True) -> str:
    choice = (
        f'; or, if you trust them as you would a program of theirs, repeat the command with {FLAG} '
        '(in Python: expalign.trust_checkpoints())' if trustable else '')
    return (
        f'{name} was not loaded: {found} is more than tensors and plain data, and loading it could '
        f'run code. Nothing of it was run. Ask its author for a .safetensors file{choice}')
