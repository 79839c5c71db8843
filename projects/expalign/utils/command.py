"""Running of a command whose errors are meant for people."""

import os
import sys
import warnings
from collections.abc import Callable


def run_command(main: Callable[[], object]) -> None:
    """Call ``main``; an error with a message for people ends the process with that line alone.

    These are ``ValueError``, ``OSError`` and ``RuntimeError``, which this project raises where an
    input, a file or a setting is wrong. All others are faults of the program and keep their
    traceback.
    """
    warnings.showwarning = _show_own
    try:
        main()
    except (ValueError, OSError, RuntimeError) as error:
        if isinstance(error, RecursionError | NotImplementedError):
            raise
        message = '; '.join(line.strip() for line in str(error).splitlines())
        message = message or type(error).__name__
        sys.exit(f'error: {message}'.encode('utf-8', 'backslashreplace').decode())


def _show_own(message: Warning | str, category: type, filename: str, *_: object) -> None:
    """A warning of this project in one line; those of other packages mean nothing to a user."""
    parts = os.path.normpath(filename).split(os.sep)
    if 'site-packages' not in parts or 'expalign' in parts:
        print(f'note: {message}', file=sys.stderr)
