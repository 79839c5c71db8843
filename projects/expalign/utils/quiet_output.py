"""Keeps what libraries print out of the way of what a command says."""

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


class LogOutput(io.TextIOBase):
    """A stream into a file; what is written after its end is dropped.

    Loggers keep the stream that they find when they are made, and outlive it.

    Args:
        path: of the file, which is appended to.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, 'a', encoding='utf-8', errors='backslashreplace')  # noqa: SIM115

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Write, while the file is open."""
        if not self._file.closed:
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, while the file is open."""
        if not self._file.closed:
            self._file.flush()

    def end(self) -> None:
        """Close the file; the stream itself stays."""
        self._file.close()


@contextlib.contextmanager
def output_to(path: str | Path) -> Iterator[None]:
    """Within it, standard output and warnings go to a file; the error stream stays."""
    log = LogOutput(Path(path))

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    try:
        with contextlib.redirect_stdout(log), warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        sys.stdout.flush()
        log.end()
