"""What is kept for visitors: whose it is, how much of it, and for how long.

An entry is named by a number that nobody can guess. Visitors without a cookie are one visitor,
told apart by these names alone; what they keep counts against their address.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from expalign.limits import Limit

from . import limits

Value = TypeVar('Value')
Clock = Callable[[], float]


class Amount(NamedTuple):
    """How much is kept: so many bytes, and so many entries."""

    size: Limit
    number: Limit


class Entry(NamedTuple, Generic[Value]):
    """What is kept; ``holder`` has no more room where too much is: a visitor, or an address."""

    value: Value
    size: int
    visitor: str
    holder: str
    time: float


class Shelf(Generic[Value]):
    """Keeps values for visitors for an hour, and fewer where they are too many.

    Args:
        each: how much of one holder.
        together: how much of all.
        forget: called with a value that is not kept any more.
        clock: seconds.
    """

    def __init__(self, each: Amount, together: Amount,
                 forget: Callable[[Value], None] = lambda value: None,
                 clock: Clock = time.monotonic) -> None:
        self._each, self._together, self._forget = each, together, forget
        self._clock, self._lock = clock, Lock()
        self._entries: OrderedDict[str, Entry[Value]] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, value: Value, size: int, visitor: str, holder: str) -> str:
        """Keep a value of so many bytes; its name."""
        name = secrets.token_hex(16)
        with self._lock:
            self._entries[name] = Entry(value, size, visitor, holder, self._clock())
        self.sweep()
        return name

    def find(self, name: str, visitor: str) -> Value | None:
        """A visitor's own; None where it is somebody else's, or not there: all the same."""
        with self._lock:
            entry = self._entries.get(name)
        return entry.value if entry is not None and entry.visitor == visitor else None

    def sweep(self) -> None:
        """Forget what is too old, and the oldest of who holds too much.

        Where all together is too much, it is the oldest of who holds most.
        """
        gone: list[str] = []
        with self._lock:
            oldest = self._clock() - limits.KEEP_SECONDS.value
            held: dict[str, OrderedDict[str, Entry[Value]]] = {}
            for name, entry in self._entries.items():
                if entry.time < oldest:
                    gone.append(name)
                else:
                    held.setdefault(entry.holder, OrderedDict())[name] = entry
            for entries in held.values():
                while _exceeds(entries.values(), self._each):
                    gone.append(entries.popitem(last=False)[0])
            while _exceeds([e for own in held.values() for e in own.values()], self._together):
                most = max(held.values(), key=lambda own: (_size(own.values()), len(own)))
                gone.append(most.popitem(last=False)[0])
            values = [self._entries.pop(name).value for name in gone]
        for value in values:
            self._forget(value)


def _exceeds(entries: Iterable[Entry], amount: Amount) -> bool:
    entries = list(entries)
    return _size(entries) > amount.size.value or len(entries) > amount.number.value


def _size(entries: Iterable[Entry]) -> int:
    return sum(entry.size for entry in entries)
