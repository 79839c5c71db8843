"""A file server on loopback that behaves, or breaks off and refuses when it is told to."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves what is in :attr:`files`.

    Attributes:
        files: content by path.
        headers: more headers of an answer, by path.
        redirects: path to where it leads.
        refusals: status of the next answers, by path; the last one stays.
        torn: how many bytes the next answers send before the connection ends, by path.
        ranges: whether parts of a file can be asked for.
        requests: method, path and the range that was asked for ('' for none) of all requests.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.redirects: dict[str, str] = {}
        self.refusals: dict[str, list[int]] = {}
        self.torn: dict[str, list[int]] = {}
        self.ranges = True
        self.requests: list[tuple[str, str, str]] = []

    @property
    def address(self) -> str:
        """Without a slash at its end."""
        return f'http://127.0.0.1:{self.server_address[1]}'


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A server for the time of the block."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:  # noqa: N802  (http.server's name)
        """Answer with a file, a part of one, or a refusal."""
        server, path = self.server, self.path
        asked = self.headers.get('Range', '')
        server.requests.append((self.command, path, asked))
        if server.refusals.get(path):
            statuses = server.refusals[path]
            self.send_error(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        elif path in server.redirects:
            self.send_response(302)
            self._finish(b'', {'Location': server.redirects[path]} | server.headers.get(path, {}))
        elif path not in server.files:
            self.send_response(404)
            self._finish(b'', {'X-Error-Code': 'EntryNotFound'})
        else:
            self._send(server.files[path], asked)

    do_HEAD = do_GET

    def _send(self, content: bytes, asked: str) -> None:
        start, headers = 0, dict(self.server.headers.get(self.path, {}))
        if asked and self.server.ranges:
            start = int(asked.removeprefix('bytes=').partition('-')[0])
            if start >= len(content):
                self.send_response(416)
                self._finish(b'', {'Content-Range': f'bytes */{len(content)}'})
                return
            headers['Content-Range'] = f'bytes {start}-{len(content) - 1}/{len(content)}'
        self.send_response(206 if start else 200)
        self._finish(content[start:], headers)

    def _finish(self, content: bytes, headers: dict[str, str]) -> None:
        for name, value in ({'Content-Length': str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == 'GET':
            sizes = self.server.torn.get(self.path, [])
            self.wfile.write(content[:sizes.pop(0)] if sizes else content)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


COMMIT = '0123456789abcdef0123456789abcdef01234567'


def serve_repository(server: FileServer, name: str, files: dict[str, bytes]) -> None:
    """Serve files as the model hub serves a repository; large files are on another path there."""
    for file, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        about = {'ETag': f'"{digest}"', 'X-Repo-Commit': COMMIT}
        for revision in ('main', COMMIT):
            path = f'/{name}/resolve/{revision}/{file}'
            server.headers[path] = about | {
                'X-Linked-Etag': f'"{digest}"', 'X-Linked-Size': str(len(content))}
            server.redirects[path] = f'/cdn/{digest}'
        server.headers[f'/cdn/{digest}'] = about
        server.files[f'/cdn/{digest}'] = content
