"""Running many small attempts in one forked process of bounded memory."""

import json
import os
import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.helpers.processes import fork

MEMORY = 10**9  # bytes beyond what the test's process has already
CHUNK = 200  # attempts a process


class Outcome(NamedTuple):
    """What became of an attempt.

    Attributes:
        name: of the attempt.
        error: name of the error's class, '' for none.
        message: of the error.
        seconds: of processor time.
    """

    name: str
    error: str
    message: str
    seconds: float


def attempts(function: Callable[[str], object], names: Iterable[str], folder: Path
             ) -> list[Outcome]:
    """Call ``function(name)`` for each name, in a process that gets no more than 1 GB of memory.

    Args:
        function: may raise any error.
        names: of the attempts.
        folder: for the report.
    """
    report = folder / 'outcomes.jsonl'
    names, found = list(names), []
    for start in range(0, len(names), CHUNK):
        code = fork(_run, function, names[start:start + CHUNK], report)
        lines = report.read_text().splitlines()
        assert code == 0, f'the process died after {"".join(lines[-1:])}'
        found += [Outcome(*json.loads(line)) for line in lines]
    return found


def _run(function: Callable[[str], object], names: list[str], report: Path) -> None:
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * os.sysconf('SC_PAGE_SIZE') + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with open(report, 'w') as file:
        for name in names:
            start = time.process_time()
            error, message = '', ''
            try:
                function(name)
            except Exception as caught:
                error, message = type(caught).__name__, str(caught)
            seconds = time.process_time() - start
            file.write(json.dumps([name, error, message, seconds]) + '\n')
            file.flush()
