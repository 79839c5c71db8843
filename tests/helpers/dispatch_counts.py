"""Counts of the aten operations of a computation, and of those that make the host wait.

What makes the host wait for a GPU is seen on a CPU too, where the same operations are called.
"""

from collections import Counter

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operations whose result, or the size of it, the host needs to go on.
WAITING = frozenset((
    '_local_scalar_dense', 'is_nonzero', 'nonzero', 'masked_select', 'equal', 'bincount',
    '_unique', '_unique2', 'unique_dim', 'unique_consecutive', 'unique_dim_consecutive'))
INDEXING = frozenset(('index', 'index_put', 'index_put_', '_index_put_impl_',
                      '_unsafe_index', '_unsafe_index_put'))
# Python's own ways to the host, which call no operation where the tensor is there already.
TO_HOST = frozenset(('cpu', 'numpy', 'tolist', '__array__'))


class DispatchCounts(TorchDispatchMode):
    """Counts operations, by name, while it is entered; the backward pass included.

    Views count as operations. What an operation calls inside of its kernel is not seen.

    Attributes:
        operations: how often every operation was called.
        waits: how often those were that make the host wait for the device: operations of
            :data:`WAITING`, repetition by counts on the device, indexing with booleans, copies
            from a device to the host, and ``cpu()``, ``numpy()`` and ``tolist()``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self._calls = _HostCalls(self.waits)

    def __enter__(self) -> 'DispatchCounts':
        self._calls.__enter__()
        return super().__enter__()

    def __exit__(self, *exc) -> None:
        super().__exit__(*exc)
        self._calls.__exit__(*exc)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        self.operations[name] += 1
        if _waits(name, args, kwargs):
            self.waits[name] += 1
        return func(*args, **kwargs)


def count(call) -> DispatchCounts:
    """The counts of one call."""
    with DispatchCounts() as counts:
        call()
    return counts


def _waits(name: str, args: tuple, kwargs: dict) -> bool:
    if name in WAITING:
        return True
    if name in INDEXING:
        return any(index is not None and index.dtype in (torch.bool, torch.uint8)
                   for index in args[1])
    if name == 'repeat_interleave':
        return kwargs.get('output_size') is None
    if name == '_to_copy':
        device = kwargs.get('device')
        return device is not None and _leaves(args[0], torch.device(device))
    if name == 'copy_':
        return _leaves(args[1], args[0].device)
    return False


def _leaves(tensor: torch.Tensor, device: torch.device) -> bool:
    """Whether a copy to ``device`` goes from another device to the host."""
    return device.type == 'cpu' and tensor.device.type != 'cpu'


class _HostCalls(TorchFunctionMode):
    def __init__(self, waits: Counter[str]) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, '__name__', '')
        if name in TO_HOST:
            self._waits[name] += 1
        return func(*args, **(kwargs or {}))
