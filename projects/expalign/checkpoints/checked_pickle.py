"""Everything about a torch checkpoint that can be known before torch loads it."""

import io
import os
import pickle
import struct
from collections.abc import Callable
from typing import IO, Any, NoReturn

from expalign.utils.file_kinds import describe_content
from expalign.utils.pickle_scan import ALL_STEPS, BoundedReader, check_pickle

from .inert_records import Inert
from .torch_archive import TorchArchive
from .torch_records import Dictionary, DryRun, Refused, as_dict, check_records

ZIP = b'PK\3\4'
# How torch.save began files before torch 1.6: two pickles, a number and a version.
LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.'
Foreign = Callable[[str], bool] | None
LEGACY_PICKLES = 5  # number, version, machine, object, keys of storages


class NoCheckpoint(ValueError):
    """The file is something else; the message says what it is."""


def check_torch_file(
    file: IO[bytes], name: str, foreign: Foreign = None
) -> set[str]:
    """Refuse what torch should not be given; the file stands where it stood afterwards.

    Args:
        file: of ``torch.save``, seekable.
        name: of the file, for messages.
        foreign: which names beyond torch's own may be in it; by default none.

    Returns:
        The names that are.

    Raises:
        pickle.UnpicklingError: its pickle is damaged, or does more than describe data
            (:class:`~expalign.checkpoints.torch_records.Refused`).
        NoCheckpoint: it is something else.
        ArchiveError: its archive is not as torch writes it.
        LimitExceeded: it asks for more than a limit allows.
    """
    start = file.tell()
    head = file.read(512)
    size = file.seek(0, os.SEEK_END)
    try:
        if head.startswith(ZIP):
            return _check_archive(file, size, name, foreign)
        if head.startswith(LEGACY):
            return _check_legacy(file, size, name, foreign)
        _explain(file, head, size, name)
    except (RecursionError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
            UnicodeError, EOFError, struct.error) as error:
        # What a damaged or hostile pickle makes the parser raise; nothing of it has run.
        raise pickle.UnpicklingError(f'{type(error).__name__}: {error}') from error
    finally:
        file.seek(start)


def _check_archive(file: IO[bytes], size: int, name: str, foreign: Foreign) -> set[str]:
    archive = TorchArchive(file, name)
    content = archive.pickle()
    check_pickle(BoundedReader(io.BytesIO(content), len(content)), name)
    run = DryRun(io.BytesIO(content), foreign)
    root = run.load()
    archive.check_storages(run.storages)
    check_records(root, run, size, name)
    _check_root(root)
    return run.stand_ins


def _check_legacy(file: IO[bytes], size: int, name: str, foreign: Foreign) -> set[str]:
    file.seek(0)
    reader, root, run = BoundedReader(file, size), None, None
    for number in range(LEGACY_PICKLES):
        start = file.tell()
        check_pickle(reader, name)
        end = file.tell()
        if number == LEGACY_PICKLES - 2:
            file.seek(start)
            run = DryRun(io.BytesIO(file.read(end - start)), foreign)
            root = run.load()
            file.seek(end)
    stated = sum(run.storages.values())
    if stated > size:
        raise NoCheckpoint(f'it is damaged or cut off: its tensors have {stated:,} bytes, and the '
                           f'file has {size:,}')
    check_records(root, run, size, name)
    _check_root(root)
    return run.stand_ins


def _check_root(root: Any) -> None:
    if as_dict(root) is None:
        raise NoCheckpoint(
            f'it holds {_kind(root)}, where a checkpoint holds weights by their names')


def _kind(root: Any) -> str:
    if isinstance(root, Inert) and not isinstance(root, Dictionary):
        return 'a tensor' if '_rebuild' in root.origin else f'a {root.origin.rpartition(".")[2]}'
    return 'nothing' if root is None else f'a {type(root).__name__}'


def _explain(file: IO[bytes], head: bytes, size: int, name: str) -> NoReturn:
    """Say what a file is that torch.save did not write."""
    kind = describe_content(head, size)
    file.seek(0)
    try:
        found = check_pickle(BoundedReader(file, size), name, ALL_STEPS)
    except pickle.UnpicklingError:
        found = []
    if found:
        raise Refused(found[0])
    hint = ': give it a name that ends in .safetensors' if 'safetensors' in kind else ''
    raise NoCheckpoint(f'it is {kind}{hint}')
