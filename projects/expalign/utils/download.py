"""Fetching a large file: continued where it broke off, checked by its hash, complete or not there.

What has come so far lies beside the target under a hidden name, and the next attempt, also of
another process, goes on from there. Of two processes that want one file one fetches it, and the
other waits for it.
"""

import errno
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from expalign.limits import DOWNLOAD_BYTES
from expalign.version import __version__

from .file_lock import lock_file

TIMEOUT = 30.0  # seconds without a sign of life
RETRIES = 5  # in a row, once something has come
PAUSE = 1.0  # seconds before the first of them; each next one waits twice as long
BLOCK = 2**20
PASSING = (408, 429, 500, 502, 503, 504)  # what servers say when they have too much to do


class FetchError(RuntimeError):
    """A file cannot be had; the message is one line that says what to do."""


class Source(NamedTuple):
    """Where a file is.

    Attributes:
        address: http or https.
        sha256: all digits, or the first ones that its publisher gives; '' where none are known.
        megabytes: its size, about.
    """

    address: str
    sha256: str = ''
    megabytes: int = 0


class _Broken(Exception):
    """A transfer ended early, and may be continued."""


def download(source: Source, target: str | Path) -> None:
    """Fetch a file; one that is there already stays as it is.

    Progress is shown on the standard error output where that is a terminal.

    Args:
        source: of the file.
        target: where to put it; folders on the way are made.

    Raises:
        FetchError: it cannot be reached, is another file, or finds no room on the disk.
        LimitExceeded: it is larger than the limit.
    """
    target = Path(target)
    address = mirrored(source.address)
    remedy = f'Try again, or fetch it on another machine and put it there as {target}'
    if urlsplit(address).scheme not in ('http', 'https'):
        raise FetchError(f'{address} is no address that begins with http:// or https://')
    if is_offline() and not target.is_file():
        raise FetchError(f'{address} was not fetched, because HF_HUB_OFFLINE is set. Unset it, or '
                         f'fetch the file on another machine and put it there as {target}')
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _unfinished(target) as file:
            if file is not None:
                _fetch(source._replace(address=address), file)
                _let_go(file)
                os.replace(file.name, target)
    except FetchError as error:
        raise FetchError(f'{error}. {remedy}') from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FetchError(f'{address}: there is no room left in {target.parent}. Make some, and try '
                         'again: it goes on from where it stopped') from error


def is_offline() -> bool:
    """Whether the user forbids the network, by the variable of the model hub's own client."""
    return os.environ.get('HF_HUB_OFFLINE', '').lower() in ('1', 'true', 'yes', 'on')


def hub_endpoint() -> str | None:
    """The mirror of the model hub that ``HF_ENDPOINT`` names, as for the hub's own client."""
    return os.environ.get('HF_ENDPOINT', '').rstrip('/') or None


def mirrored(address: str) -> str:
    """An address on the model hub, on its mirror where there is one."""
    endpoint = hub_endpoint()
    if endpoint is None:
        return address
    from huggingface_hub.constants import HUGGINGFACE_CO_URL_HOME as HUB
    return f'{endpoint}/{address.removeprefix(HUB)}' if address.startswith(HUB) else address


@contextmanager
def _unfinished(target: Path) -> Iterator[IO[bytes] | None]:
    """The file of what has come so far, which this process alone writes; None: nothing to do."""
    path = target.with_name(f'.{target.name}.download')
    while not target.is_file():
        with open(path, 'a+b') as file:
            _lock(file, target)
            # Another process may have finished or removed it while this one waited.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                if target.is_file():
                    _let_go(file)
                    path.unlink()
                else:
                    yield file
                    return
    yield None


def _lock(file: IO[bytes], target: Path) -> None:
    try:
        lock_file(file, wait=False)
    except BlockingIOError:
        print(f'Another process fetches {target.name}; waiting for it', file=sys.stderr, flush=True)
        lock_file(file, wait=True)
    except OSError:  # a file system without locks
        return


def _let_go(file: IO[bytes]) -> None:
    """Before a file gets another name or goes: Windows leaves open ones where they are.

    Elsewhere it stays open, and locked, until that is done.
    """
    if os.name == 'nt':
        file.close()


def _fetch(source: Source, file: IO[bytes]) -> None:
    """Fill the file and check it; an older beginning that does not fit is given up once."""
    begun = file.seek(0, os.SEEK_END)
    if begun and not source.sha256:  # nothing would tell that two halves are of two files
        begun = file.truncate(0)
    _receive(source, file)
    found = _digest(file)
    if begun and not found.startswith(source.sha256):
        file.truncate(0)
        _receive(source, file)
        found = _digest(file)
    if not found.startswith(source.sha256):
        _let_go(file)
        os.unlink(file.name)
        raise FetchError(
            f'{source.address} is not the file that is expected: its sha256 is {found}, and should '
            f'begin with {source.sha256}')
    os.fsync(file.fileno())


def _receive(source: Source, file: IO[bytes]) -> None:
    """Append what is missing, with pauses where the transfer breaks off."""
    failures, came = 0, False
    while True:
        before = file.seek(0, os.SEEK_END)
        try:
            _receive_once(source, file)
            return
        except HTTPError as error:
            reason = f'the server says {error.code} {error.reason}'
            hopeless = error.code not in PASSING
        except (_Broken, HTTPException, ConnectionError, TimeoutError) as error:
            reason, hopeless = str(error) or type(error).__name__, False
        except URLError as error:
            reason, hopeless = str(error.reason), not came
        if file.seek(0, os.SEEK_END) > before:
            failures, came = 0, True
        failures += 1
        if hopeless or failures > RETRIES:
            raise FetchError(f'{source.address} cannot be fetched: {reason}')
        time.sleep(PAUSE * 2**(failures - 1))


def _receive_once(source: Source, file: IO[bytes]) -> None:
    start = file.seek(0, os.SEEK_END)
    headers = {'User-Agent': f'expalign/{__version__}'}
    if start:
        headers['Range'] = f'bytes={start}-'
    try:
        response = urlopen(Request(source.address, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not start:
            raise
        # Either all of it is there, or more than the file has: its hash decides.
        if error.headers.get('Content-Range', '') == f'bytes */{start}':
            return
        file.truncate(0)
        raise _Broken('what came before is longer than the file') from error
    with response:
        if start and not response.headers.get('Content-Range', '').startswith(f'bytes {start}-'):
            start = file.truncate(0)
        length = response.headers.get('Content-Length', '')
        total = start + int(length) if length.isdecimal() else None
        _check_room(source, file, (total or source.megabytes * 10**6) - start)
        with _progress(Path(file.name), total, start) as bar:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
                DOWNLOAD_BYTES.check(file.tell(), source.address)
            file.flush()
    if total is not None and file.tell() != total:
        raise _Broken(f'the connection ended after {file.tell():,} of {total:,} bytes')


def _check_room(source: Source, file: IO[bytes], needed: int) -> None:
    DOWNLOAD_BYTES.check(needed, source.address)
    folder = Path(file.name).parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(f'{source.address} needs {needed / 1e6:,.0f} MB, and {folder} has room '
                         f'for {free / 1e6:,.0f} MB')


def _progress(path: Path, total: int | None, start: int) -> Any:
    from tqdm import tqdm
    name = path.name.removeprefix('.').removesuffix('.download')
    return tqdm(desc=name, total=total, initial=start, unit='B', unit_scale=True,
                disable=None, file=sys.stderr)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
