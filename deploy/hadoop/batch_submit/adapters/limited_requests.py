"""``requests`` within limits: what it sends its requests by, for every session of this tool. Loads ``requests``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from batch_submit.adapters.http_limits import Answer, Limit, Whole

if TYPE_CHECKING:
    import ssl

    from batch_submit.adapters.http_session import Clock

#: For the head and for the body of the answers of one call; ``None`` for the body: as for the head.
Limits = tuple[Whole, Limit | None]


def limited_session(
    tls_context: Callable[[], ssl.SSLContext],
    *,
    limits: Callable[[], Limits | None] = lambda: None,
    clock: Clock = time.monotonic,
) -> requests.Session:
    """A session that the environment has no say in, that asks for no compression and unpacks none.

    Parameters
    ----------
    tls_context
        Makes what https is spoken with; called at the first https.
    limits
        Those of the call that is being made; ``None``: each answer may take as long as a read, head and body together.
    clock
        Monotonic seconds.
    """
    session = requests.Session()
    session.trust_env = False  # no proxies, no .netrc, no REQUESTS_CA_BUNDLE
    session.headers["Accept-Encoding"] = "identity"
    adapter = _Adapter(tls_context, limits, clock)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Adapter(HTTPAdapter):
    def __init__(
        self, tls_context: Callable[[], ssl.SSLContext], limits: Callable[[], Limits | None], clock: Clock
    ) -> None:
        self._tls_context = tls_context
        self._made: ssl.SSLContext | None = None
        self._limits = limits
        self._clock = clock
        self._read_s = 0.0
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says whom we trust and who we are; nothing else has a say."""
        trusting = self._made is not None and not self._made.verify_mode
        conn.cert_reqs = "CERT_NONE" if trusting else "CERT_REQUIRED"

    def send(self, request: Any, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any) -> Any:
        if self._made is None and str(request.url).startswith("https:"):
            self._made = self.poolmanager.connection_pool_kw["ssl_context"] = self._tls_context()
        connect_s, self._read_s = timeout
        limits = self._limits()
        if limits is not None:
            connect_s = self._read_s = limits[0].left_s()
        reply = super().send(request, stream, (connect_s, self._read_s), *args, **kwargs)
        reply.raw.headers.pop("Content-Encoding", None)  # else urllib3 would unpack it; `reply.headers` keeps it
        return reply

    def _in_force(self) -> Limits:
        return self._limits() or (Whole(self._clock() + self._read_s, self._clock), None)

    def _pools(self) -> dict[str, Any]:
        adapter = self

        class Limited:
            """Each connection reads its answers within the limits, and is not connected any longer either."""

            def getresponse(self) -> Any:
                head, body = adapter._in_force()
                answer = partial(Answer, head=head, body=body, clock=adapter._clock)
                setattr(self, "response_class", answer)  # noqa: B010  which http.client takes for a class
                return super().getresponse()  # type: ignore[misc]

            def _new_conn(self) -> Any:
                made = super()._new_conn()  # type: ignore[misc]
                limits = adapter._limits()
                if limits is not None:
                    made.settimeout(limits[0].left_s())  # what is left is for TLS
                return made

        class Plain(Limited, HTTPConnection):
            pass

        class Secure(Limited, HTTPSConnection):
            pass

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}
