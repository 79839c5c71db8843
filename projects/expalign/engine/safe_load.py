"""Loading torch checkpoints without running what is in them.

A checkpoint is a pickle, and a pickle can name any importable object and call it.
``torch.load(..., weights_only=True)`` accepts tensors, plain data and torch's own short list of
types, and nothing else. mmengine extends that list by types through which a file can install a
function of its choice, and loads whatever still fails without any check; neither happens here.

The text of a config, which is Python, is plain data to torch. mmengine runs it: when training is
resumed (``meta.config``), and where an inferencer is given nothing but a checkpoint.
"""

import ast
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

import torch
from torch import hub

from expalign.engine.checkpoint_limits import CONFIG_SIGNS
from expalign.limits import LimitExceeded
from expalign.trust import FLAG, checkpoints_are_trusted

# Where mmengine looks for the text of a config.
CONFIG_TEXTS = (('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg'))
# mmengine exchanges templates and reads base files before it runs a text, which changes it.
TEMPLATE, BASE = '{{', '_base_'
# Headers of converted weights name their config's file under the same key: nothing to run.
FILE_NAME = re.compile(r'[\w.-]+\.py')
# What the parser makes an object of; a name between quotes counts for one.
SIGN = re.compile(r'[^\w\s\'"]|\n')
STATEMENT = re.compile(r'^[^\s)\]}#]|;', re.MULTILINE)
STATEMENT_SIGNS = 40


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
    if name is None:
        name = file if isinstance(file, str) else str(getattr(
            file, 'name', 'the checkpoint, which was read from a stream without a name,'))
    with _explained(name):
        checkpoint = torch.load(
            file, map_location=map_location, weights_only=not checkpoints_are_trusted())
    refuse_config_code(checkpoint, name)
    return checkpoint


def load_torch_url(url: str, **options: Any) -> Any:
    """:func:`torch.hub.load_state_dict_from_url` under the rules of :func:`load_torch_file`."""
    with _explained(url):
        checkpoint = hub.load_state_dict_from_url(
            url, weights_only=not checkpoints_are_trusted(), **options)
    refuse_config_code(checkpoint, url)
    return checkpoint


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


def literal_config(text: str) -> dict[str, Any]:
    """Names and values of a config's text, of literals, lists, tuples and ``dict(...)``.

    That is all that mmengine writes into checkpoints.

    Raises:
        ValueError: it has anything else in it; the message has the line.
    """
    if TEMPLATE in text:
        line = text[:text.index(TEMPLATE)].count('\n') + 1
        raise ValueError(f'line {line} has a template {TEMPLATE}')
    _check_size(text)
    fields = {}
    try:
        for statement in ast.parse(text).body:
            if (not isinstance(statement, ast.Assign) or len(statement.targets) != 1
                    or not isinstance(statement.targets[0], ast.Name)
                    or statement.targets[0].id == BASE):
                raise ValueError(f'line {statement.lineno} is not an assignment to a name')
            fields[statement.targets[0].id] = _value(statement.value)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f'it cannot be read: {error}') from error
    return fields


def _check_size(text: str) -> None:
    """Parsed, a text takes some 600 bytes a sign and far more a statement."""
    limit = CONFIG_SIGNS.value + 1
    found = sum(1 for _ in islice(SIGN.finditer(text), limit))
    found += STATEMENT_SIGNS * sum(1 for _ in islice(STATEMENT.finditer(text), limit))
    CONFIG_SIGNS.check(found, 'it')


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.List | ast.Tuple):
        kind = list if isinstance(node, ast.List) else tuple
        return kind(_value(entry) for entry in node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(key): _value(value)
                for key, value in zip(node.keys, node.values, strict=True)}
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict'
            and len(node.args) <= 1 and all(keyword.arg for keyword in node.keywords)):
        first = _value(node.args[0]) if node.args else {}
        return dict(first, **{keyword.arg: _value(keyword.value) for keyword in node.keywords})
    if isinstance(node, ast.Name) and node.id in ('inf', 'nan'):  # as Python prints these floats
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f'line {node.lineno} has more than literals and dict(...) in it'
                         ) from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        if checkpoints_are_trusted():
            raise ValueError(f'{name} is no torch checkpoint, or damaged: {error}') from error
        culprit = re.search(r'GLOBAL (\S+)', str(error))
        found = f'it names {culprit[1]}, which' if culprit else 'it is no torch checkpoint, or'
        raise UntrustedCheckpointError(_refusal(name, found)) from error
    except (EOFError, RuntimeError) as error:
        raise ValueError(f'{name} cannot be loaded as a torch checkpoint: {error}') from error


def _refusal(name: str, found: str) -> str:
    return (
        f'{name} was not loaded: {found} is more than tensors and plain data, and loading it could '
        'run code. Nothing of it was run. Ask its author for a .safetensors file; or, if you '
        f'trust them as you would a program of theirs, repeat the command with {FLAG} (in Python: '
        'expalign.trust_checkpoints())')
