"""A dry run of a torch checkpoint's pickle on inert records: what it calls, and how large it is.

``torch.load(..., weights_only=True)`` calls functions of torch's list with whatever arguments the
file gives, so that a few bytes allocate any amount (``bytearray(10**10)``,
``torch.FloatTensor(10**10)``), and believes sizes and shapes. Here the same pickle is run on
records first, and refused where it does what :func:`torch.save` never does.
"""

import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import torch

from .checkpoint_limits import DEPTH, OBJECTS, UNPACKED
from .inert_records import STORAGE_DTYPES, Inert, Storage, storage_of

ITEM_SIZES = {name: dtype.itemsize for name, dtype in STORAGE_DTYPES.items()} | {
    'UntypedStorage': 1, 'ComplexFloatStorage': 8, 'ComplexDoubleStorage': 16,
    'QInt8Storage': 1, 'QUInt8Storage': 1, 'QInt32Storage': 4}
SMALL_FILE = 16 * 2**20
# Python 2's names, which protocol 2 writes.
MODULES = {'__builtin__': 'builtins'}
REBUILDS = tuple(f'torch._utils.{name}' for name in (
    '_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3'))
WRAPPERS = ('torch.nn.parameter.Parameter', 'torch._utils._rebuild_parameter',
            'torch._utils._rebuild_parameter_with_state')
TYPED = 'torch._tensor._rebuild_from_type_v2'
ORDERED = 'collections.OrderedDict'
MAPPINGS = (ORDERED, 'collections.Counter')
HARMLESS = ('torch.Size', 'torch.device', 'builtins.complex', 'torch.serialization._get_layout')
LATIN = ('latin1', 'latin-1')
KEY_TYPES = (str, int, float, bytes, type(None))


class Refused(pickle.UnpicklingError):
    """The pickle calls what a checkpoint has no need for; the message is the culprit's name."""


class Record(Inert):
    """What the file calls, once the arguments are found to be in order."""

    check: Callable[[str, tuple], None]

    def __new__(cls, *args: Any, **kwargs: Any) -> 'Record':
        cls.check(cls.origin, args)
        return super().__new__(cls, *args)

    def __setstate__(self, state: Any) -> None:
        if self.origin != ORDERED or not isinstance(state, Dictionary) or any(
                key != '_metadata' for key, _ in state.entries):
            raise Refused(f'{self.origin} with a state of its own')
        self.state = state


class Dictionary(Inert):
    """A dict of the file; kept as pairs, because keys can be chosen to collide."""


class DryRun(pickle._Unpickler):
    """Runs a pickle that :func:`~expalign.utils.pickle_scan.check_pickle` let pass, on records.

    Args:
        file: the pickle.
        foreign: which names beyond torch's own it may have, for stand-ins that do nothing.

    Attributes:
        stand_ins: those of them that it has.
        storages: by key, in bytes.
        tensor_bytes: what all tensors would take if none shared its numbers with another.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: IO[bytes], foreign: Callable[[str], bool] | None = None) -> None:
        super().__init__(file, encoding='bytes')
        self.foreign = foreign
        self.stand_ins: set[str] = set()
        self.storages: dict[str, int] = {}
        self.tensor_bytes = 0

    def load_empty_dict(self) -> None:
        """Begin a :class:`Dictionary` instead of a dict."""
        self.append(Dictionary())

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dict

    def find_class(self, module: str, name: str) -> type:
        origin = f'{MODULES.get(module, module)}.{name}'
        if self.foreign is not None and self.foreign(origin):
            self.stand_ins.add(origin)
            return type('Inert', (Inert,), dict(origin=origin))
        return type('Record', (Record,), dict(origin=origin, check=self._check_call))

    def persistent_load(self, pid: Any) -> Storage:
        storage = storage_of(pid)
        if storage.dtype_name not in ITEM_SIZES:
            raise pickle.UnpicklingError(f'unknown storage type {storage.dtype_name!r}')
        size = storage.size * ITEM_SIZES[storage.dtype_name]
        if self.storages.setdefault(storage.key, size) != size:
            raise pickle.UnpicklingError(f'storage {storage.key} has two sizes')
        return storage

    def _check_call(self, origin: str, args: tuple) -> None:
        if origin in REBUILDS:
            self._check_tensor(args)
        elif origin == TYPED:
            function = args[0] if len(args) == 4 else None
            if getattr(function, 'origin', None) not in REBUILDS or not isinstance(args[2], tuple):
                raise Refused(origin)
            self._check_tensor(args[2])
            _check_attributes(args[3])
        elif origin in WRAPPERS:
            if not args or not isinstance(args[0], Record):
                raise Refused(f'{origin} of no tensor')
            _check_attributes(args[3] if len(args) > 3 else None)
        elif origin in MAPPINGS:
            _check_pairs(origin, args)
        elif origin == '_codecs.encode':
            if len(args) != 2 or args[1] not in LATIN:
                raise Refused(origin)
        elif origin in ('builtins.set', 'builtins.bytearray'):
            wanted = list if origin == 'builtins.set' else Record
            if args and not (len(args) == 1 and isinstance(args[0], wanted)):
                raise Refused(origin)
            for entry in args[0] if args and wanted is list else ():
                _check_key(entry)
        elif origin not in HARMLESS:
            raise Refused(origin)

    def _check_tensor(self, args: tuple) -> None:
        if len(args) < 4 or not isinstance(args[0], Storage) or not all(
                isinstance(part, tuple) for part in args[2:4]):
            raise pickle.UnpicklingError('a tensor is malformed')
        (storage, offset, size, stride), numbers = args[:4], (args[1], *args[2], *args[3])
        if len(size) != len(stride) or not all(type(x) is int and x >= 0 for x in numbers):
            raise pickle.UnpicklingError(
                f'a tensor has the size {str(size)[:100]}, stride {str(stride)[:100]} and offset '
                f'{str(offset)[:20]}')
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if count and last >= storage.size:
            raise pickle.UnpicklingError(
                f'a tensor of size {str(size)[:100]} does not fit its {storage.size} numbers')
        self.tensor_bytes += count * ITEM_SIZES[storage.dtype_name]


def _check_attributes(state: Any) -> None:
    """Of a tensor's Python attributes none may take the place of torch's own."""
    pairs = state.entries if isinstance(state, Dictionary) else ()
    if state is not None and not isinstance(state, Dictionary) or any(
            not isinstance(key, str) or hasattr(torch.Tensor, key) for key, _ in pairs):
        raise Refused('a tensor with attributes')


def _check_pairs(origin: str, args: tuple) -> None:
    """A mapping may be made of nothing, of a dict, or of a list of pairs, as Python 2 did."""
    if not args or len(args) == 1 and isinstance(args[0], Dictionary):
        return
    if len(args) != 1 or not isinstance(args[0], list):
        raise Refused(origin)
    for pair in args[0]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Refused(origin)
        _check_key(pair[0])


def _check_key(key: Any) -> None:
    if not isinstance(key, KEY_TYPES):
        raise pickle.UnpicklingError(f'a {type(key).__name__} is a key in it')


def check_records(root: Any, run: DryRun, file_size: int, name: str) -> None:
    """Refuse what would grow beyond the limits when it is loaded, copied or saved again.

    Args:
        root: what the dry run gave.
        run: the dry run.
        file_size: of the checkpoint, in bytes.
        name: of the file, for messages.

    Raises:
        LimitExceeded: too many objects, too deep, or tensors far larger than the file.
        pickle.UnpicklingError: a container holds itself, or a key is none.
    """
    UNPACKED.check(run.tensor_bytes // max(file_size, SMALL_FILE), name)
    sizes: dict[int, int] = {}  # of what is below an object, by its id
    path: set[int] = set()
    stack = [(root, False)]
    limit, depth = OBJECTS.value, DEPTH.value
    while stack:
        value, done = stack.pop()
        if done:
            path.discard(id(value))
            sizes[id(value)] = 1 + sum(sizes.get(id(part), 1) for part in _parts(value))
            if sizes[id(value)] > limit:
                OBJECTS.check(sizes[id(value)], name)
        elif id(value) not in sizes and isinstance(value, Inert | list | tuple):
            if id(value) in path:
                raise pickle.UnpicklingError('a container in it holds itself')
            path.add(id(value))
            if len(path) > depth:
                DEPTH.check(len(path), name)
            stack.append((value, True))
            stack += [(part, False) for part in _parts(value)]


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Inert):
        yield from value.args
        yield value.state
        for key, entry in value.entries:
            if isinstance(value, Dictionary) or value.origin == ORDERED:
                _check_key(key)
            yield entry
    elif isinstance(value, list | tuple) and not isinstance(value, Storage):
        yield from value


def as_dict(value: Any) -> Mapping[Any, Any] | None:
    """The items of a dict of the file; None for what is no dict."""
    if isinstance(value, Dictionary) or getattr(value, 'origin', None) == ORDERED:
        return {key: entry for key, entry in value.entries if isinstance(key, str | int)}
    return None
