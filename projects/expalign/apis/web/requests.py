"""A request of the page: what is known of who sends it, and bounded ways to read it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from . import limits
from .visitors import COOKIE, Visitors

Message = MutableMapping[str, Any]
Result = TypeVar('Result')

IDLE_SECONDS = 10  # without a byte of a body: a connection that is kept from others
DRAINED = 256 * 2**20  # bytes of a refused request that are read, so that it hears the answer
JSON = 'application/json'


class TooMuch(Exception):
    """More bytes came than a request may have."""


class Refused(Exception):
    """A request is answered with a status and a line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class Gone(Exception):
    """Nobody waits for the answer any more."""


class PageRequest:
    """A request, what is known of who sends it, and ways to read and to answer it.

    Attributes:
        visitor: who asks, '' without a cookie.
        holder: whose room what is kept takes, and whose turns are counted: the visitor, or
            without a cookie an address.
    """

    def __init__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable,
                 visitors: Visitors, headers: dict[str, str]) -> None:
        self.receive, self._send, self._own_headers = receive, send, headers
        self.method, self.path = scope['method'], scope['path']
        self.query = dict(parse_qsl(scope['query_string'].decode('latin-1'), max_num_fields=10))
        self.headers: dict[str, list[str]] = {}
        for name, value in scope['headers']:
            self.headers.setdefault(name.decode('latin-1').lower(), []).append(
                value.decode('latin-1'))
        self.visitor = visitors.visitor_of(_cookie_of(self.headers))
        self.holder = self.visitor or (scope.get('client') or ('',))[0]
        self._new_cookie = None if self.visitor else visitors.new_cookie()
        self._answered = False

    async def answer(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        """Answer, with the headers that every answer has; underscores in names are dashes."""
        self._answered = True
        given = {'content-type': kind, 'content-length': str(len(body)),
                 'cache-control': 'no-store',
                 **self._own_headers, **{key.replace('_', '-'): value
                                         for key, value in headers.items()}}
        if self._new_cookie is not None:
            given['set-cookie'] = self._new_cookie
        await self._send(dict(type='http.response.start', status=status, headers=[
            (key.encode(), value.encode('latin-1')) for key, value in given.items()]))
        await self._send(dict(
            type='http.response.body', body=b'' if self.method == 'HEAD' else body))

    async def answer_json(self, content: Any) -> None:
        await self.answer(json.dumps(content, ensure_ascii=False).encode(), JSON)

    async def refuse(self, status: int, line: str) -> None:
        """Answer with a line, where nothing was answered yet."""
        if not self._answered:
            await self.answer(json.dumps(dict(error=line), ensure_ascii=False).encode(), JSON,
                              status, connection='close')

    async def body(self, limit: int) -> bytes:
        """The whole body; raises what :meth:`copy` does."""
        body = bytearray()
        await self.copy(limit, body.extend)
        return bytes(body)

    async def copy(self, limit: int, write: Callable[[bytes], object]) -> None:
        """Hand on the body, piece by piece.

        Raises:
            Refused: it is too large, or too slow.
            Gone: the connection was closed before its end.
        """
        length = self.headers.get('content-length', ['0'])[0]
        if not length.isdecimal() or int(length) > limit:
            await self._drain()
            raise Refused(413, _too_large(limit))

        async def read() -> None:
            more, size = True, 0
            while more:
                message = await asyncio.wait_for(self.receive(), IDLE_SECONDS)
                if message['type'] == 'http.disconnect':
                    raise Gone
                piece, more = message.get('body', b''), message.get('more_body', False)
                size += len(piece)
                if size > limit:
                    raise TooMuch
                write(piece)

        try:
            await asyncio.wait_for(read(), limits.SECONDS.value)
        except TooMuch as error:
            await self._drain()
            raise Refused(413, _too_large(limit)) from error
        except asyncio.TimeoutError as error:
            raise Refused(408, 'the request took too long') from error

    async def json(self) -> dict[str, Any]:
        """The body, an object in JSON.

        Raises:
            Refused: it is none, or is too large.
        """
        # Forms of other sites are never of this type without asking first.
        if self.headers.get('content-type', [''])[0].split(';')[0].strip().lower() != JSON:
            raise Refused(415, 'a call is JSON')
        try:
            content = json.loads(await self.body(limits.CALL_BYTES.value))
        except (ValueError, RecursionError) as error:
            raise Refused(400, 'this is no JSON') from error
        if not isinstance(content, dict):
            raise Refused(400, 'a call is an object')
        return content

    async def unless_gone(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What ``work`` gives; it is given up where nobody waits for the answer any more.

        The body must have been read.

        Raises:
            Gone: the connection was closed.
        """
        doing = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._leave())
        try:
            await asyncio.wait([doing, leaving], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise Gone
        finally:
            leaving.cancel()
            doing.cancel()

    async def _leave(self) -> None:
        while (await self.receive())['type'] != 'http.disconnect':
            pass

    async def _drain(self) -> None:
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


def _cookie_of(headers: dict[str, list[str]]) -> str | None:
    try:
        jar = SimpleCookie('; '.join(headers.get('cookie', [])))
    except CookieError:
        return None
    return jar[COOKIE].value if COOKIE in jar else None


def _too_large(limit: int) -> str:
    return f'a request may have {limit:,} bytes: send less'
