"""What describes a YOLO data set: ``data.yaml``, or darknet's ``obj.data``, with values as text."""

from collections import Counter
from pathlib import Path

import yaml

from expalign.limits import YAML_BYTES, YAML_DEPTH
from expalign.utils.file_kinds import describe_file

from .plain_text import read_text

NULL = ('', '~', 'null', 'Null', 'NULL')


def is_yaml(path: Path) -> bool:
    """Whether a file is YAML, by its name; copies of a Mac's attributes ('._data.yaml') are not."""
    return path.suffix.lower() in ('.yaml', '.yml') and not path.name.startswith('.')


def read_description(path: Path) -> dict:
    """The keys of a description; scalars are text as written: ``yes``, ``02146``, ``1.0``.

    Raises:
        ValueError: it is not YAML, has no keys, has a key twice, or is larger or deeper than the
            limits allow; the message has the file and, where there is one, the line.
    """
    content = (_read_yaml if is_yaml(path) else _read_darknet)(path)
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' must hold keys such as 'train' and 'names'; it is "
                         f'{describe_file(path)}')
    return content


class _AsWritten(getattr(yaml, 'CBaseLoader', yaml.BaseLoader)):
    """Scalars as text. A key that occurs twice, whose last value would stand, is an error."""

    def construct_mapping(self, node, deep=False):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and keys[key.value] > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f'the key {key.value!r} is there twice', problem_mark=key.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path) -> object:
    text = read_text(path, YAML_BYTES)
    try:
        _check_depth(text, path)
        # What an alias stands for is one object, however often it is named.
        return yaml.load(text, Loader=_AsWritten)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        line = f', line {mark.line + 1}' if mark else ''
        problem = getattr(error, 'problem', None) or str(error).splitlines()[0]
        raise ValueError(f"'{path}'{line}: not YAML: {problem}; the file is "
                         f'{describe_file(path)}') from error


def _check_depth(text: str, path: Path) -> None:
    """By events: without recursion, and what an alias stands for is not looked at."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=_AsWritten):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            deepest = depth
            YAML_DEPTH.check(depth, f"'{path}', line {event.start_mark.line + 1}")


def _read_darknet(path: Path) -> dict[str, str]:
    """``key = value`` lines."""
    content: dict[str, str] = {}
    for number, line in enumerate(read_text(path, YAML_BYTES).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        key, sign, value = (part.strip() for part in line.partition('='))
        if not sign:
            raise ValueError(f"'{path}', line {number}: {line[:60]!r} is not 'key = value'; a data "
                             'set is described by data.yaml, or by such lines (obj.data); the file '
                             f'is {describe_file(path)}')
        content[key] = value
    return content


def is_absent(value: object) -> bool:
    """Whether a key of a description has no value."""
    return value is None or isinstance(value, str) and value in NULL
