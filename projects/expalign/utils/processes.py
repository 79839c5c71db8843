"""Which process of which machine wrote a file, and whether it still runs."""

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

WINDOWS = os.name == 'nt'


@cache
def machine() -> str:
    """Eight digits for this machine and, in a container, its numbering of processes."""
    namespace = ''
    with suppress(OSError):
        namespace = os.readlink('/proc/self/ns/pid')
    return hashlib.sha256(f'{socket.gethostname()} {namespace}'.encode()).hexdigest()[:8]


def identity(process: int) -> str:
    """Machine, number and start of a process, as part of a file's name."""
    return f'{machine()}-{process}-{start_of(process)}'


def runs(process: int, start: str) -> bool:
    """Whether a process runs, and is the one that has started then."""
    if WINDOWS:
        from .windows_processes import started
        now = started(process)
        return now is not None and now in (start, '0')
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # of another user, most likely
    return start_of(process) in (start, '0')


def start_of(process: int) -> str:
    """When a process has started, in the kernel's ticks; '0' where the system does not say.

    '' for one that has ended and is only not waited for yet.
    """
    if WINDOWS:
        from .windows_processes import started
        return started(process) or ''
    try:
        # The second field, the program's name, may have spaces and brackets in it.
        fields = Path(f'/proc/{process}/stat').read_bytes().rpartition(b')')[2].split()
    except OSError:
        return '0'
    return '' if fields[0] in b'ZX' else fields[19].decode()
