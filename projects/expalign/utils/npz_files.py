"""Reading of NumPy's ``.npz`` files, which may come from strangers: bounded and without pickles."""

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from expalign.limits import ARRAY_BYTES

from .file_kinds import describe_file, special_kind

# What the readers of archives raise for damaged ones, beside BadZipFile.
DAMAGE = (OSError, EOFError, RuntimeError, NotImplementedError, UnicodeError, OverflowError,
          zlib.error, struct.error)


def read_arrays(path: str | Path, names: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Those of the named arrays that the file has.

    Nothing is unpacked before the file has said how much it is.

    Args:
        path: the file.
        names: of the arrays.
        what: what the file is for; starts the messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no ``.npz`` file, damaged, has arrays of objects, which need pickles, or
            more bytes than ``ARRAY_BYTES`` allows.
    """
    where = f'{what} {path}'
    if not Path(path).exists():
        raise FileNotFoundError(f'{where}: the file does not exist')
    if special_kind(path) is not None:
        raise ValueError(f'{where}: it is {special_kind(path)}')
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name for name in names if f'{name}.npy' in archive.namelist()]
            members = [archive.getinfo(f'{name}.npy') for name in found]
            ARRAY_BYTES.check(sum(member.file_size for member in members), where)
            return {name: _read_member(archive, member, where)
                    for name, member in zip(found, members, strict=True)}
    except zipfile.BadZipFile as error:
        raise ValueError(f'{where}: not a whole .npz file ({error}); it is '
                         f'{describe_file(path)}') from error
    except DAMAGE as error:
        raise ValueError(f'{where}: damaged: {error}') from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    """An array that has as many bytes as its head says, which NumPy allocates."""
    with archive.open(member) as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(file)
        except (ValueError, TypeError, SyntaxError, TokenError) as error:
            raise ValueError(f'{where}: {member.filename} is no array: {error}') from error
        if dtype.hasobject:
            raise ValueError(f'{where}: {member.filename} holds objects, which need pickles; write '
                             'text as an array of strings')
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(f'{where}: {member.filename} says that it is {shape} of {dtype}, and '
                             f'has {member.file_size - file.tell():,} bytes')
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
