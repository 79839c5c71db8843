"""Who is served when."""

import asyncio
import time

import pytest

from expalign.apis.web.requests import Refused
from expalign.apis.web.turns import Turns, in_thread
from expalign.limits import Limit

ALL, OWN = Limit('EXPALIGN_TEST_ALL', 5, 'waiting'), Limit('EXPALIGN_TEST_OWN', 2, 'waiting')


def test_in_the_order_of_coming_and_no_more_than_the_limits():
    async def run():
        turns, done = Turns(1, ALL, OWN, 'searches'), []

        async def visit(visitor):
            try:
                async with turns.take(visitor):
                    await asyncio.sleep(0.01)
                    done.append(visitor)
            except Refused as refused:
                done.append((refused.status, str(refused)))

        await asyncio.gather(*(visit(visitor) for visitor in 'aabaacdd'))
        refusals = [entry for entry in done if isinstance(entry, tuple)]
        assert [status for status, _ in refusals] == [429, 429, 503]
        assert '2 of your searches wait already' in refusals[0][1]
        assert [entry for entry in done if isinstance(entry, str)] == list('aabcd')
        await visit('a')  # all are gone again
        assert done[-1] == 'a'

    asyncio.run(run())


def test_what_nobody_waits_for_keeps_its_turn_until_it_ends():
    async def run():
        turns, ended = Turns(1, ALL, OWN, 'searches'), []

        async def visit(visitor, seconds):
            async with turns.take(visitor):
                await in_thread(lambda: (time.sleep(seconds), ended.append(visitor)))

        first = asyncio.ensure_future(visit('a', 0.2))
        await asyncio.sleep(0.05)
        first.cancel()
        waiting = asyncio.ensure_future(visit('b', 0))
        gone = asyncio.ensure_future(visit('c', 0))
        await asyncio.sleep(0.02)
        assert ended == []
        gone.cancel()
        await waiting
        assert ended == ['a', 'b']
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(run())
