"""Who is who: visitors are told apart by a cookie that this server signed."""

import hashlib
import hmac
import secrets

COOKIE = 'expalign_visitor'


class Visitors:
    """Makes and knows the cookies of a server.

    Args:
        embedded: whether the page is shown in a frame of another site, whose visitors' browsers
            send no cookie that is strictly of this site.
    """

    def __init__(self, embedded: bool = False) -> None:
        self._key = secrets.token_bytes(32)
        self._rules = ('SameSite=None; Secure; Partitioned' if embedded else 'SameSite=Strict')

    def new_cookie(self) -> str:
        """The header that tells a new visitor from others."""
        token = secrets.token_hex(16)
        return f'{COOKIE}={token}.{self._sign(token)}; Path=/; HttpOnly; {self._rules}'

    def visitor_of(self, cookie: str | None) -> str:
        """The visitor of a cookie; '' where it is none of this server's."""
        token, _, signature = (cookie or '').partition('.')
        right = hmac.compare_digest(signature.encode(), self._sign(token).encode())
        return token if right else ''

    def _sign(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()
