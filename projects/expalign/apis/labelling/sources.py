"""What SOURCE stands for: folders, patterns, lists, archives and addresses as units of work."""

import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from expalign.utils.file_kinds import is_address, special_kind
from expalign.utils.image_files import SUFFIXES
from expalign.utils.tally import Tally

from .addresses import file_system
from .archives import ARCHIVES, units_of_archive
from .units import MARK, Broken, Files, Unit, unit_size

LISTS = ('.txt', '.jsonl')
LIST_KEYS = ('image', 'path', 'url', 'file_name', 'filename', 'file', 'img', 'image_path')
BRACES = re.compile(r'\{(\d+)\.\.(\d+)\}')
MAX_EXPANDED = 1_000_000


class Sources:
    """Where images come from.

    Args:
        sources: each a folder, a pattern, a list (``.txt``, a path or address a line; ``.jsonl``),
            an archive (``.tar``, also compressed; ``.parquet``), an image, or an address of one of
            these; ``{000..012}`` stands for numbers, as in webdataset's names of shards.
        out: the folder of the results, which is not searched.

    Attributes:
        names: the sources as the record of a run has them: absolute paths and addresses.
        folders: the folders among them, which names of images start from.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: it cannot be read, or is the folder of the results.
    """

    def __init__(self, sources: Sequence[str | Path], out: str | Path) -> None:
        if not sources:
            raise ValueError('there is no source: give a folder, a list, a pattern or an archive')
        self.names = [_absolute(name) for given in sources for name in _expanded(str(given))]
        self.folders = [name for name in self.names
                        if not is_address(name) and os.path.isdir(name)]
        self._out = os.path.realpath(out)
        for name in self.names:
            self._check(name)

    def _check(self, name: str) -> None:
        if is_address(name):
            file_system(name)
        elif os.path.isdir(name):
            if os.path.realpath(name) == self._out:
                raise ValueError(f'the folder of results is the source {name}: give another --out')
        elif not os.path.lexists(name):
            if not glob.has_magic(name):
                raise FileNotFoundError(f'the source {name} does not exist')
            if next(glob.iglob(name, recursive=True), None) is None:
                raise FileNotFoundError(f'no file fits the pattern {name}')
        elif (kind := special_kind(name)) is not None:
            raise ValueError(f'the source {name} is {kind}')

    def units(self, tally: Tally) -> Iterator[Unit]:
        """All images; ``tally`` gets what is left out."""
        waiting: list[str] = []
        before = 0
        for name in self.names:
            for found in self._found(name, tally):
                if isinstance(found, Broken):
                    yield found
                elif found.lower().endswith(ARCHIVES):
                    yield from units_of_archive(found)
                else:
                    waiting.append(found)
                if len(waiting) == unit_size(before):
                    yield Files(tuple(waiting))
                    before += len(waiting)
                    waiting = []
        if waiting:
            yield Files(tuple(waiting))

    def count(self) -> int | None:
        """How many images there are, by names and heads alone; None where only reading tells."""
        total = 0
        for unit in self.units(Tally()):
            if unit.keys is None:
                return None
            total += len(unit.keys)
        return total

    def _found(self, name: str, tally: Tally, in_list: bool = False) -> Iterator[str | Broken]:
        """Files of a source; those of a folder that are no images are counted."""
        if is_address(name):
            yield from self._at_address(name, tally, in_list)
        elif os.path.isdir(name):
            yield from self._below(name, tally)
        elif not in_list and name.lower().endswith(LISTS) and os.path.isfile(name):
            for entry in _entries(name):
                yield from [entry] if isinstance(entry, Broken) else self._found(entry, tally, True)
        elif glob.has_magic(name) and not os.path.lexists(name):
            for path in sorted(glob.iglob(name, recursive=True)):
                if self._is_out(path):
                    tally.note('folders left out: of the results', path)
                elif os.path.isdir(path) or path.lower().endswith(SUFFIXES + ARCHIVES):
                    yield from self._found(path, tally, True)
                else:
                    tally.note('files left out: no images', path)
        else:
            yield name

    def _below(self, folder: str, tally: Tally) -> Iterator[str]:
        """Images and archives of a folder tree; links are followed, each folder once."""
        seen: set[str] = set()

        def unreadable(error: OSError) -> None:
            tally.note('folders left out: not readable', error.filename)

        for place, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
            real = os.path.realpath(place)
            if real in seen or self._is_out(real):
                tally.note('folders left out: ' + (
                    'of the results' if self._is_out(real) else 'searched already, behind a link'),
                    place)
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(folders)
            for name in sorted(files):
                if name.startswith('.'):
                    tally.note('files left out: hidden', os.path.join(place, name))
                elif name.lower().endswith(SUFFIXES + ARCHIVES):
                    yield os.path.join(place, name)
                else:
                    tally.note('files left out: no images', os.path.join(place, name))

    def _is_out(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._out or real.startswith(self._out + os.sep) and not any(
            os.path.realpath(folder).startswith(self._out + os.sep) for folder in self.folders)

    def _at_address(self, address: str, tally: Tally, in_list: bool) -> Iterator[str | Broken]:
        """An image, or what fits a pattern or lies in a folder of another machine."""
        system, path = file_system(address)
        web = address.startswith(('http://', 'https://'))  # which has no folders
        lowered = address.lower()
        if not in_list and lowered.endswith(LISTS):
            with system.open(path, 'rt', encoding='utf-8') as file:
                for entry in _lines(file, address, ''):
                    yield from [entry] if isinstance(entry, Broken) else self._found(
                        entry, tally, True)
        elif web or lowered.endswith(SUFFIXES + ARCHIVES) and not glob.has_magic(path):
            yield address
        else:
            found = sorted(system.glob(path) if glob.has_magic(path) else system.find(path))
            if not found:
                yield Broken(address, 'there is no image at this address')
            for name in found:
                if name.lower().endswith(SUFFIXES + ARCHIVES):
                    yield system.unstrip_protocol(name)
                else:
                    tally.note('files left out: no images', name)


def _expanded(name: str) -> Iterator[str]:
    """Names of shards for ``{000..012}``."""
    match = BRACES.search(name)
    if match is None or os.path.lexists(os.path.expanduser(name)):
        yield name
        return
    first, last = int(match[1]), int(match[2])
    if not 0 <= last - first < MAX_EXPANDED:
        raise ValueError(f'{match[0]} in {name} must go from a number to a higher one')
    for number in range(first, last + 1):
        digits = f'{number:0{len(match[1])}d}'
        yield from _expanded(name[:match.start()] + digits + name[match.end():])


def _absolute(name: str) -> str:
    return name if is_address(name) else os.path.abspath(os.path.expanduser(name))


def _entries(path: str) -> Iterator[str | Broken]:
    with open(path, encoding='utf-8-sig', errors='surrogateescape') as file:
        yield from _lines(file, path, os.path.dirname(path))


def _lines(file: Iterator[str], name: str, folder: str) -> Iterator[str | Broken]:
    """The entries of a list; a line of another form is one that cannot be read."""
    is_json = name.lower().endswith('.jsonl')
    for number, line in enumerate(file, 1):
        text = line.rstrip('\r\n')
        if not text.strip():
            continue
        entry = _json_entry(text) if is_json else text.strip()
        if entry is None or '\0' in entry:
            yield Broken(f'{name}{MARK}line {number}', 'the line of the list names no image: give '
                         f'a text, or an object with one of {", ".join(LIST_KEYS)}')
        else:
            yield entry if is_address(entry) else _placed(entry, folder)


def _json_entry(text: str) -> str | None:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(entry, dict):
        entry = next((entry[key] for key in LIST_KEYS if isinstance(entry.get(key), str)), None)
    return entry if isinstance(entry, str) and entry else None


def _placed(entry: str, folder: str) -> str:
    """A path of a list: from the folder of the list or, where it is not there, from this one."""
    path = os.path.expanduser(entry)
    beside = os.path.abspath(os.path.join(folder, path))
    here = os.path.abspath(path)
    return here if not os.path.lexists(beside) and os.path.lexists(here) else beside
