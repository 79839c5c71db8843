"""Who is served when: a few at a time, in the order of coming, and no endless queue."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from expalign.limits import Limit

from .requests import Refused

Result = TypeVar('Result')


class Turns:
    """Turns at something that few can have at a time.

    Args:
        places: how many at a time.
        all_waiting, own_waiting: how many wait, of all visitors and of one.
        name: what waits, for the messages.
    """

    def __init__(self, places: int, all_waiting: Limit, own_waiting: Limit, name: str) -> None:
        self._free = asyncio.Semaphore(places)  # gives turns in the order of coming
        self._all, self._own, self.name = all_waiting, own_waiting, name
        self._waiting: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, holder: str) -> AsyncIterator[None]:
        """Have a turn for the time of the block.

        Raises:
            Refused: too many wait.
        """
        if self._waiting.total() >= self._all.value:
            raise Refused(503, f'the queue of {self.name} is full: try again in a minute')
        if self._waiting[holder] >= self._own.value:
            raise Refused(429, f'{self._waiting[holder]} of your {self.name} wait already: wait '
                               'for them')
        self._waiting[holder] += 1
        try:
            async with self._free:
                yield
        finally:
            self._waiting[holder] -= 1
            if not self._waiting[holder]:
                del self._waiting[holder]


async def in_thread(work: Callable[..., Result], *args: object) -> Result:
    """Do work in a thread; who gives up waiting still waits for its end, as nothing can stop it."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # else asyncio prints it
        raise
