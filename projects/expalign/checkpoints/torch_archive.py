"""The directory of a checkpoint in torch's zip format, read strictly.

torch inflates compressed entries without a limit, and its reader of zip files is not Python's: a
file may be made so that the two see different things. So the layout must be the one that torch
writes: nothing compressed, shared or named twice, and the directory at the very end.
"""

import os
import struct
import zipfile
from typing import IO

from .checkpoint_limits import ARCHIVE_FILES, PICKLE_BYTES

END, LOCATOR = struct.Struct('<4s4H2LH'), struct.Struct('<4sLQL')
ZIP64 = 0xFFFFFFFF


class ArchiveError(ValueError):
    """The archive is damaged, or not as torch.save writes it; the message says what is wrong."""


class TorchArchive:
    """A checkpoint that :func:`torch.save` wrote since torch 1.6.

    Args:
        file: open file; only its directory is read.
        name: of the file, for messages about limits.

    Raises:
        ArchiveError: it is no such archive.
        LimitExceeded: it has too many entries.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self.size = file.seek(0, os.SEEK_END)
        try:
            self._check_end(file)
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, struct.error, NotImplementedError, UnicodeError) as error:
            raise ArchiveError(f'its zip directory is damaged or cut off ({error})') from error
        self._entries = self._check_entries(self._archive.infolist())

    def _check_end(self, file: IO[bytes]) -> None:
        """The directory ends the file, and both kinds of its end record agree."""
        file.seek(max(self.size - END.size - LOCATOR.size, 0))
        tail = file.read()
        signature, *_, count, length, start, comment = END.unpack(tail[-END.size:])
        if signature != b'PK\5\6' or comment:
            raise ArchiveError('its zip directory is not at its end: it is cut off, or something '
                               'was added to it')
        locator = tail[:-END.size]
        end = self.size - END.size
        if locator[:4] == b'PK\6\7':
            offset = LOCATOR.unpack(locator)[2]
            end -= LOCATOR.size + 56  # the size of the record that the locator is about
            if offset != end:
                raise ArchiveError('its zip directory is not where it says')
            file.seek(offset)
            count, length, start = struct.unpack('<Q2Q', file.read(56)[32:56])
        ARCHIVE_FILES.check(count, self.name)
        if start + length != end:
            raise ArchiveError('its zip directory is not where it says')

    def _check_entries(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """By path below the one top folder."""
        found: dict[str, zipfile.ZipInfo] = {}
        folders = set()
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ArchiveError(
                    f'{entry.filename[:100]!r} is compressed ({entry.compress_size:,} bytes '
                    f'stand for {entry.file_size:,}), which torch.save never does')
            folder, _, path = entry.filename.partition('/')
            folders.add(folder)
            # torch looks names up without regard to case.
            if path.lower() in found:
                raise ArchiveError(f'{path[:100]!r} is in it twice')
            found[path.lower()] = entry
        if len(folders) > 1:
            raise ArchiveError(f'it has {len(folders)} folders, and not one as torch.save writes')
        total = sum(entry.file_size for entry in entries)
        if total > self.size:
            raise ArchiveError(f'its entries have {total:,} bytes, and the file has {self.size:,}')
        if 'data.pkl' not in found:
            raise ArchiveError("the archive has no 'data.pkl', as torch.save writes it")
        return found

    def pickle(self) -> bytes:
        """The pickle that all else hangs on.

        Raises:
            ArchiveError: it is damaged.
            LimitExceeded: it is too large.
        """
        entry = self._entries['data.pkl']
        PICKLE_BYTES.check(entry.file_size, self.name)
        return self._read(entry)

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            return self._archive.read(entry)
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise ArchiveError(f'{entry.filename[:100]!r} in it is damaged ({error})') from error

    def check_storages(self, sizes: dict[str, int]) -> None:
        """Compare what a pickle says of storages, in bytes by key, with what is there.

        Raises:
            ArchiveError: one is missing, or of another size.
        """
        for key, size in sizes.items():
            entry = self._entries.get(f'data/{key}'.lower())
            if entry is None or entry.file_size != size:
                raise ArchiveError(f"'data/{key[:100]}' should have {size:,} bytes, and "
                                   f'{"is not there" if entry is None else entry.file_size}')
