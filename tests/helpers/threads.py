"""Calls that really run at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

THREADS = 8


def at_once(work: Callable[[Any], Any], tasks: Sequence[Any], repeats: int = 1) -> list[list[Any]]:
    """What ``work`` gives for every task, each in its own thread, started together.

    Returns:
        Per task the results of its repeats.
    """
    barrier = Barrier(len(tasks))

    def run(task: Any) -> list[Any]:
        barrier.wait(timeout=60)
        return [work(task) for _ in range(repeats)]

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))
