"""Time by part of a computation, and medians of interleaved runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch


class PartTimer:
    """Times methods while they are called; a method within another counts for itself alone.

    With CUDA the device is waited for at every border, so parts add up but overlap is lost.

    >>> with PartTimer() as timer:
    ...     timer.watch(model.backbone, 'forward', 'backbone')
    ...     model.predict(images, samples)
    >>> timer.seconds
    {'backbone': 0.9}
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._undo: list[Callable[[], None]] = []
        self._running: list[str] = []
        self._since = 0.0

    def __enter__(self) -> 'PartTimer':
        return self

    def __exit__(self, *exc: object) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def watch(self, owner: Any, method: str, part: str) -> None:
        """Count the time of ``owner.method`` under ``part`` until the timer is left."""
        original, own = getattr(owner, method), method in vars(owner)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._running.append(part)
            try:
                return original(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        setattr(owner, method, timed)
        self._undo.append(
            lambda: setattr(owner, method, original) if own else delattr(owner, method))

    def _switch(self) -> None:
        """Credit the time since the last border to the part that was running."""
        now = clock()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def clock() -> float:
    """Seconds; see :func:`clock_name`. With CUDA, after everything queued on the device is done."""
    if _uses_cuda():
        torch.cuda.synchronize()
    return time.process_time() if _is_one_thread() else time.perf_counter()


def clock_name() -> str:
    """What :func:`clock` shows.

    One thread on a CPU is timed by its CPU time, which other programs on the machine do not change.
    """
    return 'CPU time' if _is_one_thread() else 'wall-clock time'


def _uses_cuda() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_initialized()


def _is_one_thread() -> bool:
    return torch.get_num_threads() == 1 and not _uses_cuda()


def interleaved(runs: Mapping[Hashable, Callable[[], Any]], repeats: int) -> dict[Hashable, list]:
    """What each run returns, ``repeats`` times, in turns: a busy machine slows all alike.

    Every run is first called once for nothing.
    """
    for run in runs.values():
        run()
    results: dict[Hashable, list] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            results[name].append(run())
    return results


def seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


def median(values: list[float]) -> float:
    """The median of some numbers."""
    return statistics.median(values)


def wall_seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of one call by the clock on the wall, whatever the number of threads."""
    start = time.perf_counter()
    call()
    if _uses_cuda():
        torch.cuda.synchronize()
    return time.perf_counter() - start
