"""Running of a command whose errors are meant for people."""

import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO


def run_command(main: Callable[[], object]) -> None:
    """Call ``main``; an error with a message for people ends the process with that line alone.

    These are ``ValueError``, ``OSError`` and ``RuntimeError``, which this project raises where an
    input, a file or a setting is wrong. All others are faults of the program and keep their
    traceback.
    """
    show_own_warnings()
    _take_all_letters(sys.stdout)
    try:
        main()
    except (ValueError, OSError, RuntimeError) as error:
        if isinstance(error, RecursionError | NotImplementedError):
            raise
        message = '; '.join(line.strip() for line in str(error).splitlines())
        message = message or type(error).__name__
        sys.exit(f'error: {message}'.encode('utf-8', 'backslashreplace').decode())


def show_own_warnings() -> None:
    """From now on: this project's warnings in one line, and none of other packages."""
    warnings.showwarning = _show_own


def _take_all_letters(stream: TextIO) -> None:
    """Let a stream take names in every script: Windows and old locales know few letters.

    What is no terminal is read by programs, and gets UTF-8; a terminal shows codes.
    """
    if isinstance(stream, io.TextIOWrapper) and stream.errors == 'strict':
        encoding = stream.encoding if stream.isatty() else 'utf-8'
        stream.reconfigure(encoding=encoding, errors='backslashreplace')


def _show_own(message: Warning | str, category: type, filename: str, *_: object) -> None:
    """A warning of this project in one line; those of other packages mean nothing to a user."""
    parts = Path(filename).parts
    if 'site-packages' not in parts or 'expalign' in parts:
        print(f'note: {message}', file=sys.stderr)


@contextmanager
def without_lines(*beginnings: str) -> Iterator[None]:
    """Leave lines that begin so out of the standard output, where a package prints them."""
    with redirect_stdout(_Filtered(sys.stdout, beginnings)):
        yield


class _Filtered(io.TextIOBase):
    """Passes on all lines but those with certain beginnings."""

    def __init__(self, stream: TextIO, beginnings: tuple[str, ...]) -> None:
        self._stream, self._beginnings, self._line = stream, beginnings, ''

    def write(self, text: str) -> int:
        self._line += text
        while (end := self._line.find('\n') + 1) > 0:
            line, self._line = self._line[:end], self._line[end:]
            if not line.startswith(self._beginnings):
                self._stream.write(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
