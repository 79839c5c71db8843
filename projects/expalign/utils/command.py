"""Running of a command whose errors are meant for people."""

import sys
from collections.abc import Callable


def run_command(main: Callable[[], object]) -> None:
    """Call ``main``; an error with a message for people ends the process with that line alone.

    These are ``ValueError``, ``OSError`` and ``RuntimeError``, which this project raises where an
    input, a file or a setting is wrong. All others are faults of the program and keep their
    traceback.
    """
    try:
        main()
    except (ValueError, OSError, RuntimeError) as error:
        if isinstance(error, RecursionError | NotImplementedError):
            raise
        message = '; '.join(line.strip() for line in str(error).splitlines())
        message = message or type(error).__name__
        sys.exit(f'error: {message}'.encode('utf-8', 'backslashreplace').decode())
