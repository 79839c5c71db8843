"""Pieces of work: images that are read one after another by one worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from expalign.utils.image_files import UnreadableImage

from .addresses import read_file

MARK = '::'  # between an archive and what is in it
SMALLEST, LARGEST = 4, 64  # images of a unit


class Item(NamedTuple):
    """One image.

    Attributes:
        key: what tells it from all others, and where it is: an absolute path, an address, or an
            archive, ``MARK`` and its place in it.
        read: gives the bytes of the file; called in a thread.
        about: what is written beside its labels; for one in an archive ``within``, the archive.
    """

    key: str
    read: Callable[[], bytes]
    about: dict[str, Any] = {}


class Unit(Protocol):
    """Images that one worker reads.

    Attributes:
        keys: of the images; None where only reading tells.
        name: of the whole: an archive, or ''.
    """

    name: str

    @property
    def keys(self) -> tuple[str, ...] | None:
        """See the attributes."""

    def items(self) -> Iterator[Item]:
        """The images in order."""


def unit_size(before: int) -> int:
    """How many images the next unit takes after so many: an eighth of them, within bounds.

    Units are made before anyone knows how many images there will be. So the last one that is
    handed out is never much of the whole, and several workers end together, with few images too.
    """
    return min(max(before // 8, SMALLEST), LARGEST)


@dataclass(frozen=True)
class Files:
    """Image files: paths and addresses."""

    keys: tuple[str, ...]
    name: str = ''

    def items(self) -> Iterator[Item]:
        """One a file."""
        for key in self.keys:
            yield Item(key, _Read(key))


@dataclass(frozen=True)
class Broken:
    """Something that should have had images, and cannot be read."""

    name: str
    reason: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Its own name."""
        return (self.name,)

    def items(self) -> Iterator[Item]:
        """One, which cannot be read."""
        yield broken_item(self.name, self.reason)


@dataclass(frozen=True)
class Task:
    """A unit as it is given to a worker.

    Args:
        number: tells it from all others of the run.
        unit: the images.
        skip: keys that are done.
        only: the only keys to do; None: all.
        careful: whether one image at a time goes from its file to the disk: one of these has ended
            a worker.
    """

    number: int
    unit: Unit
    skip: frozenset[str] = field(default=frozenset(), repr=False)
    only: frozenset[str] | None = None
    careful: bool = False

    def items(self) -> Iterator[Item]:
        """What is to be done; a file that is named twice once."""
        seen = set(self.skip)
        for item in self.unit.items():
            if item.key not in seen and (self.only is None or item.key in self.only):
                seen.add(item.key)
                yield item


def broken_item(key: str, reason: str) -> Item:
    """An item that cannot be read."""
    return Item(key, _Fail(reason))


class _Read(NamedTuple):
    key: str

    def __call__(self) -> bytes:
        return read_file(self.key)


class _Fail(NamedTuple):
    reason: str

    def __call__(self) -> bytes:
        raise UnreadableImage(self.reason)
