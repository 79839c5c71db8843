"""Opening a safetensors file of a stranger: its header is bounded, and the file is named."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from expalign.limits import LimitExceeded
from expalign.utils.file_kinds import describe_file, special_kind

from .checkpoint_limits import HEADER_BYTES
from .config_text import check_signs


@contextmanager
def open_safetensors(path: str | Path, device: str = 'cpu', framework: str = 'pt'
                     ) -> Iterator[Any]:
    """:func:`safetensors.safe_open`, and one error for all that is wrong with the file.

    Args:
        path: local path.
        device: of the tensors.
        framework: of the tensors; ``'numpy'`` needs no torch.

    Raises:
        ValueError: it is no safetensors file, or damaged; the message says what it is.
        LimitExceeded: its header is too large.
    """
    size = 0 if special_kind(path) else os.path.getsize(path)
    length = 0
    if size >= 8:
        with open(path, 'rb') as file:
            length = int.from_bytes(file.read(8), 'little')
    if not 2 <= length <= size - 8:
        raise ValueError(f'{path} is not a safetensors file: it is {describe_file(path)}')
    HEADER_BYTES.check(length, str(path))
    try:
        with safe_open(path, framework=framework, device=device) as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f'{path} is not a safetensors file: {error}') from error


def header_json(header: dict[str, str], key: str, path: str | Path) -> Any:
    """An entry of a header that is JSON.

    Raises:
        ValueError: it is not.
        LimitExceeded: it is too large.
    """
    return _parsed(header[key], f"{path}: '{key}'")


def read_json_object(path: str | Path) -> dict[str, Any]:
    """A JSON file of a stranger that holds one object.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else; the message says what it is.
        LimitExceeded: it is too large.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f'{path} does not exist')
    if special_kind(path):
        raise ValueError(f'{path} is {special_kind(path)}')
    HEADER_BYTES.check(os.path.getsize(path), str(path))
    try:
        text = Path(path).read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is {describe_file(path)}, and not JSON') from error
    content = _parsed(text, str(path))
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds a {type(content).__name__}, and not an object')
    return content


def _parsed(text: str, where: str) -> Any:
    try:
        check_signs(text.replace('\n', ' '), where)
        return json.loads(text)
    except LimitExceeded:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{where} is not JSON: {error}') from error
