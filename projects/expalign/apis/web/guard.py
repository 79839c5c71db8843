"""What stands in front of every request: names, other sites, numbers, headers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from . import limits
from .hosts import Hosts
from .requests import Gone, Message, PageRequest, Refused
from .visitors import Visitors

Handler = Callable[[PageRequest], Awaitable[None]]


class Guard:
    """The server's ASGI application: lets requests of the page through to their handler.

    Args:
        handler: answers a request, or raises :class:`~.requests.Refused`.
        hosts: the names that the page is served under.
        visitors: knows the visitors' cookies.
    """

    def __init__(self, handler: Handler, hosts: Hosts, visitors: Visitors) -> None:
        self._handler, self._hosts, self._visitors = handler, hosts, visitors
        self._headers = answer_headers(hosts.framed_by)
        self._open = 0

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        """Answer or refuse a request."""
        if scope['type'] != 'http':
            return
        try:
            request = PageRequest(scope, receive, send, self._visitors, self._headers)
        except ValueError:  # more fields than a query may have
            return
        self._open += 1
        try:
            if self._open > limits.REQUESTS.value:
                raise Refused(503, 'too many requests at a time: try again in a minute')
            refusal = self._hosts.refusal(request.method, request.path, request.headers)
            if refusal is not None:
                raise Refused(403, refusal)
            await self._handler(request)
        except Refused as refused:
            await request.refuse(refused.status, str(refused))
        except Gone:
            pass
        except asyncio.CancelledError:  # the server stops; nobody waits for this task
            await request.refuse(503, 'the server stops')
        except Exception:
            await request.refuse(500, 'this went wrong on the server; its console has more')
            raise
        finally:
            self._open -= 1


def answer_headers(framed_by: Sequence[str]) -> dict[str, str]:
    """Headers of every answer: nothing is loaded from elsewhere, no script but the page's runs.

    Args:
        framed_by: addresses of sites that may show the page in a frame.
    """
    frames = ' '.join(framed_by) or "'none'"
    return {
        'content-security-policy':
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}",
        'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin'}
