"""Unpickling without running anything: classes and functions of a file become inert records.

No name of the file is ever looked up: every class and function becomes a fresh subclass of
:class:`Inert`, which only remembers what it was called with.
"""

import pickle
from typing import Any, NamedTuple

import torch

STORAGE_DTYPES = {
    'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


class Inert:
    """What a class or function of the file becomes: a record of how it was used.

    Attributes:
        origin: ``'module.name'`` as the file has it; set on the subclass.
        args: what it was called with.
        state: what the file wanted to set as its state, or None.
        entries: items assigned to it, as (key, value) pairs.
    """

    origin = ''

    def __new__(cls, *args: Any, **kwargs: Any) -> 'Inert':
        self = super().__new__(cls)
        self.args, self.state, self.entries = args, None, []
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries.append((key, value))

    def append(self, value: Any) -> None:
        """Take an item that the file adds to a list of its own making."""
        self.entries.append((None, value))

    def add(self, value: Any) -> None:
        """Take an item that the file adds to a set of its own making."""
        self.entries.append((None, value))


class Storage(NamedTuple):
    """A reference to the numbers of a tensor."""

    dtype_name: str
    key: str
    size: int


def storage_of(pid: Any) -> Storage:
    """A reference of torch to a storage, with five entries, or six in files before torch 1.6.

    Raises:
        pickle.UnpicklingError: it is none.
    """
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != 'storage' or (
            not isinstance(pid[2], str)):
        raise pickle.UnpicklingError(f'unknown reference {str(pid)[:100]} in the pickle')
    if type(pid[4]) is not int or pid[4] < 0:
        raise pickle.UnpicklingError(f'storage {pid[2][:20]} has the size {str(pid[4])[:20]}')
    return Storage(getattr(pid[1], 'origin', '').rpartition('.')[2], pid[2], pid[4])
