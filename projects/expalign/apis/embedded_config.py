"""The config that a checkpoint has in it, read without running it.

mmengine writes configs as Python and reads them by execution; a stranger's checkpoint could run
code that way. What mmengine writes is assignments of literals and ``dict(...)`` only, and nothing
else is accepted here.
"""

import ast
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from safetensors import safe_open


def config_of_checkpoint(path: str | Path) -> Config:
    """The config in a checkpoint.

    Args:
        path: ``.safetensors`` with ``cfg`` in its header, or ``.pth`` as mmengine's runner writes
            it.

    Raises:
        ValueError: there is none, or it is more than data; the message names the file.
    """
    text = _config_text(str(path))
    if not text:
        raise ValueError(f'{path} has no config in it: give the config and the checkpoint')
    try:
        fields = literal_config(text)
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f'the config in {path} is not plain data and is not run: {error}; give the config as '
            'a file of its own') from error
    return Config(fields)


def literal_config(text: str) -> dict[str, Any]:
    """Names and values of a config's text, of literals, lists, tuples and ``dict(...)``.

    Raises:
        SyntaxError: it is not Python.
        ValueError: it has anything else in it; the message has the line.
    """
    fields = {}
    for statement in ast.parse(text).body:
        if (not isinstance(statement, ast.Assign) or len(statement.targets) != 1
                or not isinstance(statement.targets[0], ast.Name)):
            raise ValueError(f'line {statement.lineno} is not an assignment to a name')
        fields[statement.targets[0].id] = _value(statement.value)
    return fields


def _config_text(path: str) -> str | None:
    if path.endswith('.safetensors'):
        with safe_open(path, framework='pt') as file:
            return (file.metadata() or {}).get('cfg')
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    hub = checkpoint.get('message_hub') or {}
    return hub.get('runtime_info', {}).get('cfg') or checkpoint.get('meta', {}).get('cfg')


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
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f'line {node.lineno} has more than literals and dict(...) in it'
                         ) from error
