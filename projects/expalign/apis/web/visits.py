"""A request of the page: what is known of who sends it, and bounded ways to read it."""

import asyncio
import json
from collections.abc import Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from . import limits
from .storage import Storage

Message = MutableMapping[str, Any]

COOKIE = 'expalign_visitor'
IDLE_SECONDS = 10  # without a byte of a body: a connection that is kept from others
DRAINED = 256 * 2**20  # bytes of a refused request that are read, so that it hears the answer

# gradio's scripts are partly in the page, and evaluate; pictures and workers are made on the spot.
HEADERS = {
    b'content-security-policy': b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
                                b"frame-ancestors 'none'; base-uri 'self'; form-action 'self'; "
                                b"object-src 'none'",
    b'x-content-type-options': b'nosniff', b'referrer-policy': b'same-origin',
    b'cross-origin-resource-policy': b'same-origin', b'cross-origin-opener-policy': b'same-origin'}


class TooMuch(Exception):
    """More bytes came than a request may have."""


class Refused(Exception):
    """A request is answered with a status and a line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class PageRequest:
    """A request, what is known of who sends it, and ways to read and to refuse it."""

    def __init__(self, scope: Message, receive: Callable, send: Callable, storage: Storage
                 ) -> None:
        self.scope, self.receive, self._send = scope, receive, send
        self.method, self.path = scope['method'], scope['path']
        self.query = scope['query_string'].decode('latin-1')
        self.headers: dict[str, list[str]] = {}
        for name, value in scope['headers']:
            self.headers.setdefault(name.decode('latin-1').lower(), []).append(
                value.decode('latin-1'))
        self.address = (scope.get('client') or ('',))[0]
        self.exceeded = self._started = False
        cookie = _cookie_of(self.headers)
        self.visitor = storage.visitor_of(cookie)
        self._new_cookie = storage.new_cookie() if self.path == '/' and not self.visitor else None

    def redirect(self, path: str) -> None:
        """Ask gradio for another path."""
        self.scope = dict(self.scope, path=path, raw_path=path.encode())

    async def send(self, message: Message) -> None:
        """Send on, with the headers that every answer has."""
        if message['type'] == 'http.response.start':
            self._started = True
            own = list(HEADERS.items())
            if self._new_cookie is not None:
                own.append((b'set-cookie', f'{COOKIE}={self._new_cookie}; Path=/; HttpOnly; '
                                           'SameSite=Strict'.encode()))
            names = {name for name, _ in own if name != b'set-cookie'}
            message['headers'] = [
                header for header in message.get('headers', []) if header[0] not in names] + own
        await self._send(message)

    async def refuse(self, status: int, line: str) -> None:
        """Answer with a line, where nothing was answered yet."""
        if self._started:
            return
        body = json.dumps(dict(detail=line, error=line)).encode()
        await self.send(dict(type='http.response.start', status=status, headers=[
            (b'content-type', b'application/json'), (b'content-length', b'%d' % len(body)),
            (b'connection', b'close')]))
        await self.send(dict(type='http.response.body', body=body))

    async def check_length(self, limit: int) -> None:
        """Refuse a body that says itself that it is too large."""
        length = self.headers.get('content-length', ['0'])[0]
        if not length.isdecimal() or int(length) > limit:
            await self.drain()
            raise Refused(413, too_large(limit))

    def counted(self, limit: int) -> Callable:
        """``receive`` that ends where more comes than the limit, or nothing for long."""
        left = limit

        async def receive() -> Message:
            nonlocal left
            message = await asyncio.wait_for(self.receive(), IDLE_SECONDS)
            left -= len(message.get('body', b''))
            if left < 0:
                self.exceeded = True
                raise TooMuch
            return message

        return receive

    async def json(self, limit: int) -> Any:
        """The whole body, read as JSON."""
        await self.check_length(limit)
        receive, body = self.counted(limit), bytearray()

        async def read() -> None:
            more = True
            while more:
                message = await receive()
                body.extend(message.get('body', b''))
                more = message.get('more_body', False)

        try:
            await asyncio.wait_for(read(), limits.SECONDS.value)
            return json.loads(bytes(body))
        except TooMuch as error:
            await self.drain()
            raise Refused(413, too_large(limit)) from error
        except asyncio.TimeoutError as error:
            raise Refused(408, 'the request took too long') from error
        except (ValueError, RecursionError) as error:
            raise Refused(400, 'this is no JSON') from error

    async def drain(self) -> None:
        """Read the rest of a body and forget it: who still sends would not hear the answer."""
        async def read() -> None:
            seen, more = 0, True
            while more and seen < DRAINED:
                message = await self.receive()
                seen += len(message.get('body', b''))
                more = message.get('more_body', False)

        try:
            await asyncio.wait_for(read(), limits.SECONDS.value)
        except asyncio.TimeoutError:
            return


class KeptAnswer:
    """An answer that is kept until it was looked at."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    async def forward(self, send: Callable) -> None:
        for message in self.messages:
            await send(message)

    @property
    def status(self) -> int:
        return self.messages[0]['status'] if self.messages else 0

    @property
    def body(self) -> bytes:
        return b''.join(message.get('body', b'') for message in self.messages)


def _cookie_of(headers: dict[str, list[str]]) -> str | None:
    try:
        jar = SimpleCookie('; '.join(headers.get('cookie', [])))
    except CookieError:
        return None
    return jar[COOKIE].value if COOKIE in jar else None


def too_large(limit: int) -> str:
    return f'a request may have {limit:,} bytes: send less'
