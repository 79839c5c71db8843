"""Images in tar archives and Parquet tables.

Tar archives are read in webdataset's convention with the standard library: the convention groups
members by name for samples of several files, and here every image is one, so nothing is to be
grouped. A plain archive on this machine is listed once, by its heads alone, and then read from any
place by any worker. One that is compressed or on another machine is read once, from its beginning,
by one worker.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from expalign.limits import IMAGE_BYTES
from expalign.utils.file_kinds import is_address
from expalign.utils.image_files import SUFFIXES, UnreadableImage

from .addresses import EXTRA, open_file
from .units import MARK, Broken, Item, Unit, broken_item, unit_size

TAR = ('.tar',)
PACKED = ('.tar.gz', '.tgz', '.tar.bz2', '.tbz2', '.tar.xz', '.txz')
PARQUET = ('.parquet', '.pq')
ARCHIVES = TAR + PACKED + PARQUET
ROWS_READ = 16  # of a table at a time
# Names of columns with images, the likeliest first.
COLUMNS = ('image', 'img', 'jpg', 'jpeg', 'png', 'webp', 'image_bytes', 'bytes', 'content', 'data')
BLOCK = 512  # of tar
DAMAGED = 'the archive is damaged or ends early; images before that are labelled'


def units_of_archive(name: str) -> Iterator[Unit]:
    """The units of an archive."""
    if name.lower().endswith(PARQUET):
        yield from _row_groups(name)
    elif name.lower().endswith(TAR) and not is_address(name):
        yield from _members(name)
    else:
        yield Shard(name)


@dataclass(frozen=True)
class Members:
    """Some images of a plain tar archive on this machine: names, offsets and sizes."""

    name: str
    members: tuple[tuple[str, int, int], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Archive and member."""
        return tuple(f'{self.name}{MARK}{member}' for member, _, _ in self.members)

    def items(self) -> Iterator[Item]:
        """One a member."""
        for key, (_, offset, size) in zip(self.keys, self.members, strict=True):
            yield Item(key, _Piece(self.name, offset, size), dict(within=self.name))


class _Piece(NamedTuple):
    path: str
    offset: int
    size: int

    def __call__(self) -> bytes:
        IMAGE_BYTES.check(self.size, 'it has too many bytes')
        with open(self.path, 'rb') as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise UnreadableImage('the archive ends in the middle of it')
        return content


def _members(path: str) -> Iterator[Unit]:
    found: list[tuple[str, int, int]] = []
    before = 0
    try:
        with tarfile.open(path, 'r:') as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # or all are kept
                if _is_image(member):
                    found.append((member.name, member.offset_data, member.size))
                if len(found) == unit_size(before):
                    yield Members(path, tuple(found))
                    before += len(found)
                    found = []
            whole = _ends_well(path, archive.offset)
    except (OSError, tarfile.TarError) as error:
        yield Broken(path, f'{DAMAGED} ({error})')
        whole = True
    if found:
        yield Members(path, tuple(found))
    if not whole:
        yield Broken(path, DAMAGED)


def _ends_well(path: str, offset: int) -> bool:
    """Whether an archive stops at empty blocks: tarfile takes garbage for the end, too."""
    with open(path, 'rb') as file:
        file.seek(max(0, offset - BLOCK))
        return not file.read(2 * BLOCK)[-BLOCK:].strip(b'\0')


def _is_image(member: tarfile.TarInfo) -> bool:
    name = member.name.rpartition('/')[2]
    return member.isfile() and name.lower().endswith(SUFFIXES) and not name.startswith('.')


@dataclass(frozen=True)
class Shard:
    """A tar archive that is read from its beginning: compressed, or on another machine."""

    name: str
    keys: None = None

    def items(self) -> Iterator[Item]:
        """One a member; where the archive breaks off, one that cannot be read."""
        try:
            with open_file(self.name) as file, tarfile.open(
                    fileobj=file, mode='r|*', bufsize=128 * BLOCK) as archive:
                for member in archive:
                    archive.members = []  # or all are kept
                    if _is_image(member):
                        yield self._item(archive, member)
        except (OSError, EOFError, ValueError, tarfile.TarError) as error:
            yield broken_item(self.name, f'{DAMAGED} ({error})')

    def _item(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Item:
        key, about = f'{self.name}{MARK}{member.name}', dict(within=self.name)
        if member.size > IMAGE_BYTES.value:
            return broken_item(key, f'{member.size:,} bytes are more than an image may have')
        content = archive.extractfile(member).read()
        return Item(key, _Content(content), about)


class _Content(NamedTuple):
    content: bytes

    def __call__(self) -> bytes:
        return self.content


@dataclass(frozen=True)
class RowGroup:
    """A row group of a Parquet table.

    Args:
        name: of the file.
        group: its place among the row groups.
        first: place of its first row in the table.
        count: rows.
        column: with the images.
    """

    name: str
    group: int
    first: int
    count: int
    column: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Table and row."""
        return tuple(f'{self.name}{MARK}{row:09d}'
                     for row in range(self.first, self.first + self.count))

    def items(self) -> Iterator[Item]:
        """One a row."""
        keys = self.keys
        done = 0
        try:
            with open_file(self.name) as file:
                table = _parquet_file(file)
                for batch in table.iter_batches(
                        ROWS_READ, row_groups=[self.group], columns=[self.column]):
                    for value in batch.column(0).to_pylist():
                        yield self._item(keys[done], value)
                        done += 1
        except OSError as error:
            for key in keys[done:]:
                yield broken_item(key, f'the table cannot be read: {error}')

    def _item(self, key: str, value: Any) -> Item:
        content = value.get('bytes') if isinstance(value, dict) else value
        if not content:
            return broken_item(key, 'the row has no bytes of an image')
        return Item(key, _Content(bytes(content)), dict(within=self.name))


def _row_groups(name: str) -> Iterator[Unit]:
    try:
        with open_file(name) as file:
            table = _parquet_file(file)
            column = _image_column(table.schema_arrow, name)
            counts = [table.metadata.row_group(group).num_rows
                      for group in range(table.num_row_groups)]
    except OSError as error:  # pyarrow's own errors of a file are ValueErrors, too
        yield Broken(name, f'the table cannot be read: {error}')
        return
    first = 0
    for group, count in enumerate(counts):
        yield RowGroup(name, group, first, count, column)
        first += count


def _parquet_file(file: Any) -> Any:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(f'Parquet tables need pyarrow: {EXTRA}') from error
    try:
        return ParquetFile(file)
    except ArrowInvalid as error:
        raise UnreadableImage(f'it is damaged or no Parquet table ({error})') from error


def _image_column(schema: Any, name: str) -> str:
    """The column with the bytes of images: binary, or with a field ``bytes`` as datasets has it.
    """
    from pyarrow import types
    found = []
    for entry in schema:
        kind = entry.type
        if types.is_struct(kind):
            kind = next((kind.field(i).type for i in range(kind.num_fields)
                         if kind.field(i).name == 'bytes'), kind)
        if types.is_binary(kind) or types.is_large_binary(kind):
            found.append(entry.name)
    known = [column for column in COLUMNS if column in found]
    if not found or len(found) > 1 and not known:
        what = f'several columns with bytes, {", ".join(found)}' if found else (
            f'no column with the bytes of images; its columns are {", ".join(schema.names)}')
        raise ValueError(f'{name} has {what}; name the one with images "image"')
    return known[0] if known else found[0]
