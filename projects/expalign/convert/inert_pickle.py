"""Reading a torch checkpoint without trusting it: tensors come out, everything else stays inert.

A checkpoint is a pickle, and a pickle can name any importable object and call it. Here no name is
ever looked up: every class and function of the file becomes a record of
:mod:`expalign.engine.inert_records`. Nothing is imported, nothing of the file runs, and even
containers and tensors are first such records; :class:`InertArchive` then turns the records of
tensors into tensors by its own code.
"""

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expalign.engine.inert_records import STORAGE_DTYPES, Inert, InertUnpickler, Storage
from expalign.engine.torch_archive import ArchiveError, TorchArchive
from expalign.file_kinds import describe_file
from expalign.limits import LimitExceeded
from expalign.pickle_scan import BoundedReader, check_pickle

MAPPINGS = ('collections.OrderedDict', 'collections.defaultdict')
REBUILD_TENSOR = ('torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_tensor')
REBUILD_PARAMETER = (
    'torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state')


class UnreadableCheckpoint(ValueError):
    """The file is not a checkpoint of the expected form, or is damaged."""


class InertArchive:
    """A checkpoint in torch's zip format (torch 1.6 and later), opened without running it.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableCheckpoint: it is no zip archive of torch, or its pickle cannot be parsed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'checkpoint {self.path} does not exist')
        try:
            self._file = open(self.path, 'rb')  # noqa: SIM115  (as long as the archive)
            self._archive = TorchArchive(self._file, str(self.path))
            content = self._archive.pickle()
        except ArchiveError as error:
            raise UnreadableCheckpoint(
                f'{self.path} ({describe_file(self.path)}) is not a zip archive as torch.save '
                f'writes it since torch 1.6: {error}') from error
        try:
            check_pickle(BoundedReader(io.BytesIO(content), len(content)), str(self.path))
            self.root = InertUnpickler(io.BytesIO(content)).load()
        except LimitExceeded:
            raise
        # Whatever a damaged or hostile pickle makes the parser raise, it has not run anything.
        except Exception as error:
            raise UnreadableCheckpoint(
                f'{self.path}: its pickle cannot be read ({type(error).__name__}: {error})'
            ) from error

    def tensor(self, record: Any) -> Tensor | None:
        """The tensor that ``record`` stands for, or None where it stands for something else.

        Raises:
            UnreadableCheckpoint: sizes and data of the tensor do not belong together.
        """
        if isinstance(record, Inert) and record.origin in REBUILD_PARAMETER and record.args:
            return self.tensor(record.args[0])
        if not isinstance(record, Inert) or record.origin not in REBUILD_TENSOR:
            return None
        try:
            storage, offset, size, stride = record.args[:4]
            return self._view(self._storage(storage), offset, tuple(size), tuple(stride))
        except (TypeError, ValueError) as error:
            raise UnreadableCheckpoint(f'{self.path}: a tensor is malformed: {error}') from error

    def _storage(self, storage: Any) -> Tensor:
        if not isinstance(storage, Storage):
            raise UnreadableCheckpoint(f'{type(storage).__name__} instead of a storage')
        dtype = STORAGE_DTYPES.get(storage.dtype_name)
        if dtype is None:
            raise UnreadableCheckpoint(f'unknown storage type {storage.dtype_name!r}')
        try:
            data = self._archive.storage(storage.key)
        except ArchiveError as error:
            raise UnreadableCheckpoint(f'{self.path}: {error}') from error
        if len(data) != storage.size * dtype.itemsize:
            raise UnreadableCheckpoint(
                f'storage {storage.key} has {len(data)} bytes for {storage.size} x {dtype}')
        # A bytearray, because torch wants memory that may be written to.
        return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0).to(dtype)

    @staticmethod
    def _view(storage: Tensor, offset: int, size: tuple, stride: tuple) -> Tensor:
        numbers = (offset, *size, *stride)
        if len(size) != len(stride) or not all(
                isinstance(x, int) and x >= 0 for x in numbers):
            raise UnreadableCheckpoint(f'size {size} with stride {stride} at {offset}')
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        # The first bound also keeps a stride of 0 from asking for more memory than the file has.
        if math.prod(size) > len(storage) or (math.prod(size) and last >= len(storage)):
            raise UnreadableCheckpoint(f'size {size} does not fit {len(storage)} elements')
        return torch.as_strided(storage, size, stride, offset).clone()


def as_mapping(record: Any) -> Mapping[Any, Any] | None:
    """The items of a dict or of the record of one, as far as keys are strings or integers.

    None for anything else.
    """
    if isinstance(record, dict):
        items = record.items()
    elif isinstance(record, Inert) and record.origin in MAPPINGS:
        items = record.entries
    else:
        return None
    return {key: value for key, value in items if isinstance(key, (str, int))}


def module_state(record: Any) -> Mapping[str, Any] | None:
    """The attributes of a pickled ``nn.Module``, or None where ``record`` is none."""
    state = record.state if isinstance(record, Inert) else None
    if isinstance(state, dict) and {'_parameters', '_buffers', '_modules'} <= state.keys():
        return state
    return None


def named_module_tensors(archive: InertArchive, record: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a pickled ``nn.Module`` tree by its dotted name.

    Parameters and buffers have the names that ``state_dict()`` would give them. Tensors that are
    plain attributes (anchors, text vectors) are listed too, under ``module.attribute``.
    """
    seen: set[int] = set()  # a hostile tree may contain itself
    stack = [('', record)]
    while stack:
        prefix, module = stack.pop()
        state = module_state(module)
        if state is None or id(module) in seen:
            continue
        seen.add(id(module))
        for group in (state['_parameters'], state['_buffers'], state):
            for name, value in (as_mapping(group) or {}).items():
                tensor = archive.tensor(value)
                if tensor is not None:
                    yield f'{prefix}{name}', tensor
        children = as_mapping(state['_modules']) or {}
        stack += [(f'{prefix}{name}.', child) for name, child in reversed(children.items())]
