"""Who may ask: requests under the page's own names, from the page itself.

A name that is none of the page's in ``Host`` is a foreign domain that was pointed at this machine
(DNS rebinding); ``Origin`` and ``Sec-Fetch-Site`` tell requests that a foreign page makes the
visitor's browser send.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping

LOCAL = 'localhost'
NAME = re.compile(r'(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?')


class Hosts:
    """The names of a page.

    Args:
        bound: the address that the server listens at, such as ``127.0.0.1`` or ``0.0.0.0``.
        allowed: further names, of proxies in front of the page.
        framed_by: addresses of sites that may show the page in a frame.
    """

    def __init__(self, bound: str, allowed: Iterable[str] = (), framed_by: Iterable[str] = ()
                 ) -> None:
        self.framed_by = tuple(framed_by)
        self.allowed = {name.lower().rstrip('.') for name in allowed}
        self.bound = bound.lower()
        self.names = {LOCAL, self.bound, *self.allowed}
        # Nobody can point a number elsewhere, so any is the machine's own.
        self.any_number = self.bound in ('0.0.0.0', '::', '')
        if self.any_number:
            self.names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def refusal(self, method: str, path: str, headers: Mapping[str, list[str]]) -> str | None:
        """Why a request is not answered, in one line; None where it is.

        Args:
            method, path: of the request.
            headers: lower-case name -> values.
        """
        hosts = headers.get('host', []) + headers.get('x-forwarded-host', [])
        if len(headers.get('host', [])) != 1:
            return 'a request needs one Host header'
        for host in hosts:
            if not self._is_own(host):
                return (f'this page is not served under the name {shown(host)}; if it is meant to '
                        'be, start it with --allowed-host and that name')
        if not self._from_the_page(method, path, headers, hosts):
            return 'requests from other sites are refused: open the page itself'
        return None

    def _is_own(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if name in self.names:
            return True
        try:
            number = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_number or number.is_loopback

    def _from_the_page(self, method: str, path: str, headers: Mapping[str, list[str]],
                       hosts: list[str]) -> bool:
        for origin in headers.get('origin', []):
            scheme, _, place = origin.lower().partition('://')
            same = place in {host.lower() for host in hosts}
            if scheme not in ('http', 'https') or not (same or host_name(place) in self.allowed):
                return False
        sites = headers.get('sec-fetch-site', [])
        if all(site in ('same-origin', 'none') for site in sites):
            return True
        # A link on another page may lead here, and to nothing but the page.
        return (method == 'GET' and path == '/' and headers.get('sec-fetch-mode') == ['navigate']
                and (headers.get('sec-fetch-dest') == ['document']
                     or bool(self.framed_by) and headers.get('sec-fetch-dest') == ['iframe']))


def host_name(host: str) -> str | None:
    """The name in ``NAME:PORT`` or ``[NUMBER]:PORT``, lower case; None where it is neither."""
    match = NAME.fullmatch(host)
    return None if match is None else match[1].strip('[]').rstrip('.').lower()


def shown(text: str) -> str:
    """A stranger's text in a line of an answer: printable, short."""
    return repr(text[:80]).encode('ascii', 'backslashreplace').decode()
