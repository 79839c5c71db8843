"""The server of the page: a port, a folder of its own, and its end."""

import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import uvicorn

from expalign.apis.inferencer import ExpAlignInferencer
from expalign.utils import scratch_folder

from .guard import Guard
from .hosts import Hosts
from .routes import Routes
from .service import Sample, Service
from .visitors import Visitors

SWEEP_SECONDS = 60


class PageServer:
    """A page that is being served.

    Args:
        service: what it can do.
        hosts: the names that it is served under.
        sockets: where it listens.
    """

    def __init__(self, service: Service, hosts: Hosts, sockets: Sequence[socket.socket]) -> None:
        self.service = service
        self.routes = Routes(service)
        guard = Guard(self.routes.answer, hosts, Visitors(bool(hosts.framed_by)))
        self._sockets = list(sockets)
        self._server = uvicorn.Server(uvicorn.Config(
            guard, log_level='error', access_log=False, lifespan='off', ws='none', http='h11',
            server_header=False, forwarded_allow_ips='*' if hosts.framed_by else '127.0.0.1'))
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._resources = ExitStack()

    def start(self, resources: ExitStack) -> None:
        """Serve in a thread; ``resources`` are closed with it."""
        self._resources = resources
        threading.Thread(target=self._sweep, daemon=True).start()
        threading.Thread(target=self._serve, daemon=True).start()

    def wait(self) -> None:
        """Return when it is stopped."""
        # Not Thread.join: one that was interrupted takes the thread for ended.
        while not self._ended.wait(1):
            pass

    def close(self) -> None:
        """Stop."""
        self._stopped.set()
        self._server.should_exit = self._server.force_exit = True
        self._ended.wait()
        self._resources.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=self._sockets)
        finally:
            self._ended.set()

    def _sweep(self) -> None:
        """Remove what is old, though nobody comes any more."""
        while not self._stopped.wait(SWEEP_SECONDS):
            self.service.sweep()


def launch(
    inferencer: ExpAlignInferencer, samples: Sequence[Sample], host: str, port: int,
    allowed_hosts: Iterable[str] = (), wait: bool = True, framed_by: Sequence[str] = (),
) -> PageServer:
    """Serve the page.

    Args:
        inferencer: the detector; one search runs at a time.
        samples: photographs to try.
        host, port: where to listen.
        allowed_hosts: names that the page is served under beside its own, such as a proxy's.
        wait: whether to return only when it is stopped. Otherwise ``close()`` stops it.
        framed_by: addresses of sites that may show it in a frame, ``https://...``; who comes is
            then what the proxy in front says.

    Raises:
        OSError: the port is taken.
    """
    inferencer.show_bar = False
    with ExitStack() as stack:
        listening = stack.enter_context(_listen(host, port))
        folder = stack.enter_context(scratch_folder(name='expalign-web'))
        server = PageServer(
            Service(inferencer, samples, Path(folder)), Hosts(host, allowed_hosts, framed_by),
            [listening])
        shown = '127.0.0.1' if host in ('0.0.0.0', '::', '') else host
        print(f'http://{f"[{shown}]" if ":" in shown else shown}:{port}', flush=True)
        server.start(stack.pop_all())
    if wait:
        try:
            with suppress(KeyboardInterrupt):  # the usual way to stop it
                server.wait()
        finally:
            server.close()
    return server


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise OSError(f'cannot listen at {host}, port {port} ({error.strerror}): give another '
                      '--port or --host') from error
    return listening


__all__ = ['PageServer', 'Sample', 'launch']
