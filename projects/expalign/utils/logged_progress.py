"""Progress of long loops in the log: how far, how fast, how long it still takes."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from mmengine.logging import print_log

Item = TypeVar('Item')


def logged_progress(items: Sequence[Item], what: str, interval: float = 15.0) -> Iterator[Item]:
    """Iterate over ``items``; every ``interval`` seconds a line in the log says how far it is.

    Args:
        items: what to go through.
        what: what the items are, in the plural, for the line.
        interval: seconds between two lines; a loop that ends before the first is silent.
    """
    start = shown = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - shown >= interval:
            shown, rate = now, done / (now - start)
            print_log(f'{done:,} of {len(items):,} {what}, {rate:,.1f} a second, '
                      f'{(len(items) - done) / max(rate, 1e-9):,.0f} s to go', 'current')
        yield item
