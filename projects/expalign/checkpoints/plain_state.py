"""What a training checkpoint holds beside weights, as plain data and back.

``torch.load(path, weights_only=True)`` refuses whatever could run code. Of what mmengine saves,
histories of logged values and numpy's numbers are refused; as tensors and plain numbers they pass
torch's own list of allowed types, and nothing has to be added to it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

HISTORY_KEYS = {'values', 'counts', 'max_length'}


def to_plain(value: Any, name: str) -> Any:
    """A copy of nested containers whose leaves are tensors, numbers, strings and None.

    Arrays become lists, numpy's numbers Python's, paths strings, subclasses of dict plain ones; a
    :class:`HistoryBuffer` becomes ``values`` and ``counts`` (n) and ``max_length``.

    Args:
        value: what to convert; tensors are passed on as they are.
        name: what it is called in error messages.

    Raises:
        TypeError: a value of another type; the message has its name and type.
    """
    if value is None or type(value) in (bool, int, float, str, bytes, complex):
        return value
    if isinstance(value, torch.Tensor | torch.device | torch.dtype | torch.Size):
        return value
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return dict(
            values=torch.from_numpy(values.copy()), counts=torch.from_numpy(counts.copy()),
            max_length=value.max_length)
    if isinstance(value, Mapping):
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        return kind(
            (to_plain(key, f'a key of {name}'), to_plain(item, f'{name}[{key!r}]'))
            for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        items = [to_plain(item, f'{name}[{index}]') for index, item in enumerate(value)]
        return set(items) if kind is frozenset else kind(items)
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist(), name)
    if isinstance(value, PurePath):
        return str(value)
    for base in (bool, int, float, str):  # enumerations and numbers of other libraries
        if isinstance(value, base):
            return base(value)
    raise TypeError(
        f'{name} is a {type(value).__name__}, which a checkpoint cannot hold as plain data: keep '
        'numbers, strings, tensors and containers of them in the message hub, the metainfo of '
        'data sets and the state of schedulers')


def history_from_plain(value: Any) -> Any:
    """The :class:`HistoryBuffer` that :func:`to_plain` wrote; anything else as it is."""
    if not (isinstance(value, dict) and value.keys() == HISTORY_KEYS):
        return value
    return HistoryBuffer(
        value['values'].cpu().numpy(), value['counts'].cpu().numpy(), value['max_length'])
