"""What may be asked of the page, and how much of it: before any of it reaches gradio."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect

from . import limits
from .calls import CallError, check_call, check_session
from .hosts import Hosts
from .storage import Storage
from .visits import KeptAnswer, Message, PageRequest, Refused, TooMuch, too_large

App = Callable[..., Awaitable[None]]

API = '/gradio_api'
FILE = f'{API}/file='
UPLOAD, JOIN = f'{API}/upload', f'{API}/queue/join'
DATA, HEARTBEAT = f'{API}/queue/data', f'{API}/heartbeat/'
CANCEL = f'{API}/cancel'
# Everything that the page itself asks for. gradio answers much more: calls past the queue,
# addresses to fetch for the visitor, methods of its components.
READ = {'/', '/config', '/theme.css', '/favicon.ico', '/manifest.json', '/robots.txt',
        f'{API}/startup-events', f'{API}/theme.css', f'{API}/upload_progress', DATA}
READ_BELOW = ('/assets/', '/static/', '/svelte/', FILE, HEARTBEAT)
WRITE = {UPLOAD, JOIN, CANCEL}
FORM_BYTES = 64 * 2**10  # beside the file in an upload


class Guard:
    """ASGI middleware in front of gradio's app.

    Args:
        app: what it stands in front of.
        blocks: the page.
        hosts: the names that it is served under.
        storage: whose files are whose.
    """

    def __init__(self, app: App, blocks: Any, hosts: Hosts, storage: Storage) -> None:
        self.app, self.blocks, self.hosts, self.storage = app, blocks, hosts, storage
        self._open = 0
        self._uploading = asyncio.Semaphore(limits.UPLOADS.value)

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        """Answer, refuse or hand on a request."""
        if scope['type'] == 'lifespan':
            return await self.app(scope, receive, send)
        if scope['type'] != 'http':
            return None
        request = PageRequest(scope, receive, send, self.storage)
        self._open += 1
        try:
            if self._open > limits.REQUESTS.value:
                raise Refused(503, 'too many requests at a time: try again in a minute')
            await self._answer(request)
        except Refused as refused:
            await request.refuse(refused.status, str(refused))
        finally:
            self._open -= 1

    async def _answer(self, request: PageRequest) -> None:
        method, path = request.method, request.path
        refusal = self.hosts.refusal(method, path, request.headers)
        if refusal is not None:
            raise Refused(403, refusal)
        reading = method in ('GET', 'HEAD') and (path in READ or path.startswith(READ_BELOW))
        if not reading and not (method == 'POST' and path in WRITE) or _leads_out(path):
            raise Refused(404, 'there is nothing here')
        if path == UPLOAD:
            await self._upload(request)
        elif path in (JOIN, CANCEL):
            await self._call(request)
        else:
            self._check_reading(request)
            await self.app(request.scope, request.receive, request.send)

    def _check_reading(self, request: PageRequest) -> None:
        path = request.path
        if path.startswith(FILE):
            found = self.storage.find_shown(path.removeprefix(FILE), request.visitor)
            if found is None:
                raise Refused(403, 'there is no such file of yours')
            request.redirect(f'{FILE}{found}')
        elif path == DATA or path.startswith(HEARTBEAT):
            session = path.removeprefix(HEARTBEAT) if path != DATA else (
                parse_qs(request.query).get('session_hash', [''])[0])
            self._checked(check_session, session, self.storage, request.visitor)

    async def _call(self, request: PageRequest) -> None:
        kind = request.headers.get('content-type', [''])[0]
        if kind.split(';')[0].strip().lower() != 'application/json':
            raise Refused(415, 'a call is JSON')  # forms of other sites are not
        body = await request.json(limits.CALL_BYTES.value)
        if request.path == CANCEL:
            body = body if isinstance(body, dict) else {}
            self._checked(check_session, body.get('session_hash'), self.storage, request.visitor)
        else:
            body = self._checked(check_call, body, self.blocks, self.storage, request.visitor)
            waiting = self.blocks._queue.pending_event_ids_session.get(body['session_hash'], ())
            if len(waiting) >= limits.SESSION_CALLS.value:
                raise Refused(429, f'{len(waiting)} calls of this page wait already: '
                                    'wait for their results')
        await self.app(request.scope, _receive_once(json.dumps(body).encode(), request.receive),
                       request.send)

    def _checked(self, check: Callable, *args: Any) -> Any:
        try:
            return check(*args)
        except CallError as error:
            raise Refused(400, str(error)) from error

    async def _upload(self, request: PageRequest) -> None:
        limit = limits.PHOTOGRAPH_BYTES.value + FORM_BYTES
        await request.check_length(limit)
        answer = KeptAnswer()
        async with self._uploading:
            try:
                await asyncio.wait_for(
                    self.app(request.scope, request.counted(limit), answer.send),
                    limits.SECONDS.value)
            except asyncio.TimeoutError as error:
                raise Refused(408, 'the upload took too long') from error
            except TooMuch:
                request.exceeded = True
            except ClientDisconnect:
                return  # nobody waits for an answer
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                # gradio's reader of forms ends in any of these where it is none.
                raise Refused(400, 'this is no upload of the page') from error
        if request.exceeded:
            await request.drain()
            raise Refused(413, too_large(limits.PHOTOGRAPH_BYTES.value))
        if answer.status == 200:
            holder = request.visitor or request.address
            # Listing and removing files takes a moment.
            await asyncio.to_thread(
                self.storage.add, json.loads(answer.body), request.visitor, holder)
        await answer.forward(request.send)


def _receive_once(body: bytes, receive: Callable) -> Callable:
    """A ``receive`` that gives a body, then what the server gives."""
    messages = [dict(type='http.request', body=body, more_body=False)]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _leads_out(path: str) -> bool:
    """Whether a path has parts that no address of the page has."""
    return '\\' in path or '\0' in path or '..' in path.split('/')
