"""The text of a config in a checkpoint, read as data.

mmengine writes configs as Python and reads them by execution. What it writes is assignments of
literals and ``dict(...)`` only, and nothing else is read here.
"""

import ast
import re
from itertools import islice
from typing import Any

from .checkpoint_limits import CONFIG_SIGNS

# mmengine exchanges templates and reads base files before it runs a text, which changes it.
TEMPLATE, BASE = '{{', '_base_'
# What the parser makes an object of; a name between quotes counts for one.
SIGN = re.compile(r'[^\w\s\'"]|\n')
STATEMENT = re.compile(r'^[^\s)\]}#]|;', re.MULTILINE)
STATEMENT_SIGNS = 40


def literal_config(text: str) -> dict[str, Any]:
    """Names and values of a config's text, of literals, lists, tuples and ``dict(...)``.

    That is all that mmengine writes into checkpoints.

    Raises:
        ValueError: it has anything else in it; the message has the line.
    """
    if TEMPLATE in text:
        line = text[:text.index(TEMPLATE)].count('\n') + 1
        raise ValueError(f'line {line} has a template {TEMPLATE}')
    check_signs(text)
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


def check_signs(text: str, where: str = 'it') -> None:
    """Refuse what would be too large when it is parsed: some 600 bytes a sign, more a statement.

    Args:
        text: of Python or JSON.
        where: it is; starts the message.

    Raises:
        LimitExceeded: it has too many signs.
    """
    limit = CONFIG_SIGNS.value + 1
    found = sum(1 for _ in islice(SIGN.finditer(text), limit))
    found += STATEMENT_SIGNS * sum(1 for _ in islice(STATEMENT.finditer(text), limit))
    CONFIG_SIGNS.check(found, where)


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
