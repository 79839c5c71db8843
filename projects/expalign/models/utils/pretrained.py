"""Where pretrained weights come from, and what to say when they cannot be had.

Every encoder names its weights in one string: a hub name, a local folder (or file), or
``'package:NAME/SUBFOLDER'``, a folder inside an installed Python package. A dict instead of a
string holds configuration arguments for a randomly initialised network.
"""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expalign.utils.download import is_offline
from expalign.utils.hub_errors import hub_failure, is_gated

PACKAGE_PREFIX = 'package:'


class PretrainedModelError(RuntimeError):
    """Pretrained weights are missing, out of reach, or not what the encoder needs."""


def resolve_model_source(model: str) -> str:
    """Turn the name of a pretrained model into a local path or a hub name.

    Args:
        model: Hub name, local folder or file, or ``'package:NAME/SUBFOLDER'`` (``SUBFOLDER`` may
            be left out). The package is located, not imported.

    Returns:
        An existing local path, or the hub name unchanged.

    Raises:
        TypeError: ``model`` is not a string.
        PretrainedModelError: The package or the local path does not exist.
    """
    if not isinstance(model, str):
        raise TypeError(f'expected the name or path of a model, got {type(model).__name__}')
    if model.startswith(PACKAGE_PREFIX):
        return _resolve_package(model)
    path = Path(model).expanduser()
    if path.exists():
        return str(path)
    # A hub name has at most one slash and does not look like a file.
    looks_local = model.startswith(('.', '/', '~')) or model.count('/') > 1
    if looks_local or path.suffix in ('.safetensors', '.pth'):
        raise PretrainedModelError(
            f'{model!r} does not exist. Give an existing local folder, a hub name '
            f"('owner/name') or '{PACKAGE_PREFIX}NAME/SUBFOLDER'.")
    return model


def _resolve_package(model: str) -> str:
    name, _, subfolder = model.removeprefix(PACKAGE_PREFIX).partition('/')
    if not name.isidentifier():
        raise PretrainedModelError(
            f'{model!r} is not of the form {PACKAGE_PREFIX}NAME/SUBFOLDER: {name!r} is not the '
            'import name of a package.')
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise PretrainedModelError(
            f'{model!r}: the Python package {name!r} is not installed. '
            f'Install it: pip install {name.replace("_", "-")}')
    folder = Path(spec.submodule_search_locations[0]) / subfolder
    if not folder.exists():
        raise PretrainedModelError(f'{model!r}: the package {name!r} has no {subfolder!r}.')
    return str(folder)


def load_pretrained(loader: Any, model: str, owner: str, hint: str = '',
                    allow_missing: Sequence[str] = (), **kwargs: Any) -> torch.nn.Module:
    """Load a transformers network in float32, completely or not at all.

    ``from_pretrained`` draws what a checkpoint does not have at random and only logs it; here
    that is an error.

    Args:
        loader: A transformers model class with ``from_pretrained``.
        model: What :func:`resolve_model_source` accepts.
        owner: Who asks, for the messages, e.g. ``'CLIPTokenEncoder(model=...)'``.
        hint: A remedy that only the owner knows, added to the message of a gated model.
        allow_missing: Parts of parameter names that the checkpoint need not have.
        kwargs: Handed to ``from_pretrained``.

    Raises:
        PretrainedModelError: The weights cannot be had, or do not fit the network.
    """
    with explain_failure(owner, model, hint), _quiet_transformers():
        source = resolve_model_source(model)
        _announce(source)
        network, info = loader.from_pretrained(
            source, local_files_only=Path(source).exists(), dtype=torch.float32,
            output_loading_info=True, trust_remote_code=False, **kwargs)
    missing = [key for key in info['missing_keys'] if not any(p in key for p in allow_missing)]
    reshaped = [key[0] for key in info['mismatched_keys']]
    _check_fit(network, model, owner, missing=missing, reshaped=reshaped)
    return network


def _announce(source: str) -> None:
    """Say that a model is fetched now, which transformers does without a word."""
    from huggingface_hub import try_to_load_from_cache
    if not Path(source).exists() and not is_offline() and not isinstance(
            try_to_load_from_cache(source, 'config.json'), str):
        print(f'Fetching {source} from the model hub', file=sys.stderr, flush=True)


def load_exactly(network: torch.nn.Module, state_dict: Mapping[str, Tensor], model: str,
                 owner: str) -> None:
    """Load a state dict that must have exactly the network's keys and shapes.

    Raises:
        PretrainedModelError: It does not; the message names the first keys.
    """
    own = network.state_dict()
    _check_fit(network, model, owner,
               missing=own.keys() - state_dict.keys(), unknown=state_dict.keys() - own.keys(),
               reshaped=[key for key in own.keys() & state_dict.keys()
                         if own[key].shape != state_dict[key].shape])
    network.load_state_dict(state_dict)


def _check_fit(network: torch.nn.Module, model: str, owner: str, **faults: Collection[str]) -> None:
    listed = [f'{len(keys)} {kind} keys ({", ".join(sorted(keys)[:3])})'
              for kind, keys in faults.items() if keys]
    if listed:
        raise PretrainedModelError(
            f'{owner}: the weights of {model!r} do not fit {type(network).__name__}: '
            f'{"; ".join(listed)}. Are they of another kind or size of model?')


def load_tokenizer(tokenizer: str, owner: str) -> Any:
    """Load a transformers tokenizer; arguments and errors as in :func:`load_pretrained`."""
    from transformers import AutoTokenizer
    with explain_failure(owner, tokenizer), _quiet_transformers():
        source = resolve_model_source(tokenizer)
        return AutoTokenizer.from_pretrained(
            source, local_files_only=Path(source).exists(), trust_remote_code=False)


def config_from_dict(factory: Any, kwargs: dict, owner: str) -> Any:
    """Build a transformers configuration; a key that it does not know is an error.

    transformers itself keeps unknown keys silently, so a misspelt width would give a network of
    the default size.
    """
    known = factory(**{k: v for k, v in kwargs.items() if k == 'model_type'})
    unknown = sorted(key for key in kwargs if not hasattr(known, key))
    if unknown:
        raise ValueError(f'{owner}: {type(known).__name__} has no {unknown}.')
    return factory(**kwargs)


def read_optional_json(model: str, filename: str, owner: str, instead: str) -> dict | None:
    """Read a JSON file that may lie beside a model's weights.

    Args:
        model: What :func:`resolve_model_source` accepts.
        filename: Path relative to the model's folder.
        owner: Who asks, for the message.
        instead: The argument that makes the file unnecessary, for the message.

    Returns:
        Its content, or None where the model does not have it.

    Raises:
        PretrainedModelError: Offline, and the cache cannot tell whether the model has the file.
    """
    source = resolve_model_source(model)
    if Path(source).exists():
        path = Path(source) / filename
        return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else None
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    cached = try_to_load_from_cache(source, filename)
    if cached is None:
        try:
            cached = hf_hub_download(source, filename)
        except LocalEntryNotFoundError as error:
            raise PretrainedModelError(
                f'{owner}: the model hub cannot be reached to see whether {model!r} has a '
                f'{filename!r}. Give {instead} explicitly.') from error
        except EntryNotFoundError:
            return None
    # Neither a path nor None: the cache knows that the file does not exist.
    return json.loads(Path(cached).read_text(encoding='utf-8')) if isinstance(cached, str) else None


@contextmanager
def explain_failure(owner: str, model: str, hint: str = '') -> Iterator[None]:
    """Turn what goes wrong inside into one :class:`PretrainedModelError`.

    Args:
        owner: Who asks, e.g. ``'CLIPTokenEncoder(model=...)'``.
        model: The name as the user gave it.
        hint: Added where the model is gated.
    """
    from safetensors import SafetensorError
    try:
        yield
    except PretrainedModelError as error:
        raise PretrainedModelError(f'{owner}: {error}') from error
    except (OSError, ValueError, SafetensorError) as error:
        reason = ' '.join(filter(None, (_reason(error), hint if is_gated(error) else '')))
        raise PretrainedModelError(f'{owner}: cannot load {model!r}. {reason}') from error


def _reason(error: BaseException) -> str:
    failure = hub_failure(error)
    if failure:
        return failure
    details = str(error).strip().splitlines() or ['no details']
    return ('Expected a model as transformers writes it (config.json, model.safetensors; tokenizer '
            f'files for a text encoder). {type(error).__name__}: {details[0]}')


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Hide loading reports and progress bars: what matters in them is checked here."""
    from transformers.utils import logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
