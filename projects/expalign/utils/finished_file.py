"""Files that appear complete or not at all, and folders for the time of a piece of work.

What is being written has a hidden name that tells its process: ``.NAME.OWNER.partial``. An error,
Ctrl-C, SIGTERM and SIGHUP remove it. What a SIGKILL or a power cut leaves is removed by the next
process that writes to the same folder: only where the name says that it is of this machine, and of
a process that does not run any more.
"""

import atexit
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .processes import identity, machine, runs
from .termination import unwinding_at_termination

# machine and its process numbers, process, its start, and what makes the name unique
OWNER = re.compile(r'^\..*\.([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.partial')
PRIVATE = 0o600
# Windows flushes only what may be written to; elsewhere a file may be for reading alone.
FLUSHED = os.O_RDWR if os.name == 'nt' else os.O_RDONLY
MAX_NAME, MAX_SUFFIX = 24, 12  # letters of a file's own name in that of its unfinished form

_unfinished: set[tuple[int, Path]] = set()  # with the process that writes it
_tidied: set[tuple[int, str]] = set()


@contextmanager
def finished_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it takes the name ``path`` if nothing was raised.

    Whatever stops the work leaves an older ``path`` as it was and no temporary file. The temporary
    name ends as ``path`` does, for writers that go by it. Folders on the way are made. A link is
    replaced, not what it points to.

    Raises:
        FileExistsError: ``path`` is a folder, a device or a pipe; before any work.
        FileNotFoundError: the block ended without an error and without the file.
    """
    path = Path(path)
    _check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path.parent, path) as temporary:
        yield temporary
        _flush(temporary)
        _open_as_usual(temporary)
        os.replace(temporary, path)


@contextmanager
def scratch_folder(parent: str | Path | None = None, name: str = 'expalign') -> Iterator[Path]:
    """A new folder for the time of the block, readable by this user alone.

    Args:
        parent: where to make it, such as beside a result that is moved out of it at the end; by
            default the system's folder for temporary files.
        name: what its name begins with.
    """
    parent = Path(tempfile.gettempdir() if parent is None else parent)
    parent.mkdir(parents=True, exist_ok=True)
    with _temporary(parent, Path(name)) as folder:
        folder.mkdir(mode=0o700)
        yield folder


@contextmanager
def _temporary(folder: Path, path: Path) -> Iterator[Path]:
    """An unused hidden name in ``folder``; what has it at the end of the block is removed."""
    suffix = path.suffix if len(path.suffix) <= MAX_SUFFIX else ''
    temporary = folder / (f'.{path.name[:MAX_NAME]}.{identity(os.getpid())}-'
                          f'{secrets.token_hex(4)}.partial{suffix}')
    entry = os.getpid(), temporary
    with unwinding_at_termination():
        try:
            _unfinished.add(entry)
            _tidy_once(folder)
            yield temporary
        finally:
            if entry[0] == os.getpid():  # not in a fork that ends inside the block
                _remove(temporary)
            _unfinished.discard(entry)


def _check_replaceable(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FileExistsError(f"'{path}' is a folder, a device or a pipe, which no file can "
                                  'replace: give another name for the output')


def _flush(path: Path) -> None:
    """To the disk before it gets its name, which a power cut would leave with an empty file."""
    descriptor = os.open(path, FLUSHED)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_as_usual(path: Path) -> None:
    """Give what its writer made for this user alone, as safetensors does, the usual mode."""
    if stat.S_IMODE(os.stat(path).st_mode) == PRIVATE:
        mask = os.umask(0o077)
        os.umask(mask)
        os.chmod(path, 0o666 & ~mask)


def remove_leftovers(folder: str | Path) -> None:
    """Remove from a folder what processes of this machine left that do not run any more."""
    with os.scandir(folder) as entries:
        found = [(entry.path, OWNER.match(entry.name)) for entry in entries]
    for path, match in found:
        if match and match[1] == machine() and not runs(int(match[2]), match[3]):
            with suppress(OSError):  # of another user, or another process was faster
                _remove(Path(path))


def _tidy_once(folder: Path) -> None:
    """Once a process and folder: a folder of many outputs is not listed for each of them."""
    key = os.getpid(), os.path.realpath(folder)
    if key not in _tidied:
        _tidied.add(key)
        with suppress(OSError):  # a folder that can be written to and not listed
            remove_leftovers(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@atexit.register
def _remove_unfinished() -> None:
    """What threads and generators that are not ended still have open."""
    for process, path in list(_unfinished):
        if process == os.getpid():
            with suppress(OSError):
                _remove(path)
