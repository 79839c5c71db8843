"""Keeps a page to the host that it comes from.

gradio's page names a script on a public server in some versions (6.2 does, 6.31 does not).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# gradio's scripts are partly in the page, and evaluate; pictures and workers are made on the spot.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
Message = MutableMapping[str, Any]


class OwnHostOnly:
    """ASGI middleware: every answer has the content security policy :data:`POLICY`."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        async def send_with_policy(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message.setdefault('headers', []).append((b'content-security-policy', POLICY))
            await send(message)

        await self.app(scope, receive, send_with_policy)
