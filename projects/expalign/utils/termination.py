"""SIGTERM and SIGHUP that end a process by an exception, so that its ``finally`` blocks run."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(getattr(signal, name) for name in ('SIGTERM', 'SIGHUP') if hasattr(signal, name))


class _Nesting:
    """How many blocks are open, and what was in place before the first."""

    def __init__(self) -> None:
        self.depth = 0
        self.replaced: list[signal.Signals] = []
        self.process = 0


_nesting = _Nesting()


@contextmanager
def unwinding_at_termination() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP raise ``SystemExit`` with the shell's status.

    Blocks may be nested, also in an order other than that of a stack. Nothing is changed outside
    of the main thread, where Python has no say in signals, and for signals that somebody handles
    or ignores already.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    if _nesting.process != os.getpid():  # a fork has its parent's blocks on its stack, not open
        _nesting.process, _nesting.depth = os.getpid(), 0
    if not _nesting.depth:
        _nesting.replaced = [number for number in SIGNALS
                             if signal.getsignal(number) in (signal.SIG_DFL, _raise)]
        for number in _nesting.replaced:
            signal.signal(number, _raise)
    _nesting.depth += 1


def _leave() -> None:
    if _nesting.process != os.getpid() or threading.current_thread() is not threading.main_thread():
        return
    _nesting.depth -= 1
    if not _nesting.depth:
        for number in _nesting.replaced:
            if signal.getsignal(number) in (_raise, signal.SIG_IGN):
                signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: object) -> None:
    if _nesting.process != os.getpid():  # of a fork: nothing of its own to tidy up
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    for other in _nesting.replaced:  # a second signal must not stop the tidying up
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)
