"""The page's files: whose they are, how many, and for how long.

Everything lies in one folder that this user alone can read and that goes with the server. Visitors
are told apart by a cookie that this server signed; without one by nothing, so that programs that
keep none share what they upload.
"""

import hashlib
import hmac
import os
import secrets
import stat
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from expalign.limits import Limit

from . import limits

RESULTS = ''  # the holder of files that nobody uploaded
MAX_SESSIONS = 5000  # open pages whose visitors are remembered


class Upload(NamedTuple):
    """Whose an uploaded file is, and who holds its bytes against a limit."""

    visitors: frozenset[str]
    holder: str


class Kept(NamedTuple):
    """A file in the folder."""

    time: float
    path: Path
    size: int
    holder: str


class Storage:
    """Whose files and open pages are whose.

    Args:
        folder: gradio's folder of uploads and results.
        samples: files in it that every visitor may use.
    """

    def __init__(self, folder: str | Path, samples: Iterable[str | Path] = ()) -> None:
        self.folder = Path(folder).resolve()
        self.samples = {Path(path).resolve() for path in samples}
        self._key = secrets.token_bytes(32)
        self._uploads: dict[Path, Upload] = {}
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def new_cookie(self) -> str:
        """What tells a new visitor from others."""
        token = secrets.token_hex(16)
        return f'{token}.{self._sign(token)}'

    def visitor_of(self, cookie: str | None) -> str:
        """The visitor of a cookie; '' where it is none of this server's."""
        token, _, signature = (cookie or '').partition('.')
        right = hmac.compare_digest(signature.encode(), self._sign(token).encode())
        return token if right else ''

    def _sign(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    def owns_session(self, session: str, visitor: str) -> bool:
        """Whether an open page is this visitor's; it belongs to who names it first."""
        with self._lock:
            owner = self._sessions.setdefault(session, visitor)
            self._sessions.move_to_end(session)
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return owner == visitor

    def add(self, paths: Iterable[str], visitor: str, holder: str) -> None:
        """Note uploaded files.

        Args:
            paths: where gradio put them.
            visitor: who may read them.
            holder: who has no more room where too much is kept: a visitor, or an address.
        """
        with self._lock:
            for path in map(Path, paths):
                path = path.resolve()
                known = self._uploads.get(path)  # the same file of another visitor
                visitors = frozenset({visitor}) | (known.visitors if known else frozenset())
                self._uploads[path] = Upload(visitors, holder)
        self.sweep()

    def find(self, path: str, visitor: str) -> Path | None:
        """An uploaded file or sample that a visitor may search.

        Links are resolved first. What does not exist, is not the visitor's, is a folder or a
        device: all the same.
        """
        found = self._inside(path)
        if found is None or found in self.samples:
            return found
        upload = self._uploads.get(found)
        return found if upload is not None and visitor in upload.visitors else None

    def find_shown(self, path: str, visitor: str) -> Path | None:
        """The same, or a result; its address is known to those who were given it."""
        found = self._inside(path)
        if found is None or found not in self._uploads:
            return found
        return self.find(path, visitor)

    def _inside(self, path: str) -> Path | None:
        try:
            found = Path(path).resolve(strict=True)
            regular = stat.S_ISREG(os.lstat(found).st_mode)
        except (OSError, ValueError, RuntimeError):
            return None
        # Directly in the folder is what is still being uploaded.
        inside = found.is_relative_to(self.folder) and found.parent != self.folder
        return found if regular and inside else None

    def sweep(self) -> None:
        """Remove what is too old, and the oldest of who holds too much.

        Where all together is too much, it is the oldest of who holds most.
        """
        with self._lock:
            oldest = time.time() - limits.KEEP_SECONDS.value
            held: dict[str, deque[Kept]] = {}
            for file in sorted(self._files()):
                if file.time < oldest:
                    self._remove(file)
                else:
                    held.setdefault(file.holder, deque()).append(file)
            for holder, files in held.items():
                while holder != RESULTS and _too_much(
                        files, limits.VISITOR_BYTES, limits.VISITOR_FILES):
                    self._remove(files.popleft())
            while _too_much(chain(*held.values()), limits.TOTAL_BYTES, limits.TOTAL_FILES):
                self._remove(max(held.values(), key=_size).popleft())

    def _files(self) -> Iterator[Kept]:
        """What lies in folders of the folder; beside them is what is still being written."""
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder, name) for name in names):
                if path in self.samples or path.parent == self.folder:
                    continue
                with suppress(OSError):  # gone meanwhile
                    about = path.lstat()
                    upload = self._uploads.get(path)
                    yield Kept(about.st_mtime, path, about.st_size,
                               upload.holder if upload else RESULTS)

    def _remove(self, file: Kept) -> None:
        self._uploads.pop(file.path, None)
        with suppress(OSError):  # gone meanwhile, or not alone in its folder
            file.path.unlink()
            file.path.parent.rmdir()


def _too_much(files: Iterable[Kept], size: Limit, count: Limit) -> bool:
    files = list(files)
    return _size(files) > size.value or len(files) > count.value


def _size(files: Iterable[Kept]) -> int:
    return sum(file.size for file in files)
