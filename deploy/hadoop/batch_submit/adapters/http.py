"""HTTP towards Hadoop: the whole sessions, and no foreign exception that leaks.

:class:`StdlibSession` (simple authentication) costs nothing but the standard library, because ``status`` and ``list``
have to start fast; :class:`RequestsSession` (Kerberos) loads ``requests`` and ``requests_kerberos`` when it is built.
Neither follows redirects (a standby ResourceManager answers with one, and a PUT must never travel through it) and
neither uses a proxy from the environment (the addresses are cluster-internal). Sessions are not for sharing between
threads.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from batch_submit.adapters.http_limits import Answer, Flowing, Limit, Whole
from batch_submit.adapters.http_reply import (
    CannotConnect,
    Headers,
    HttpResponse,
    NotJson,
    RemoteFailure,
    cannot_connect,
    errors_of_requests,
    lost_answer,
    mask_connection_log,
    masked,
    request_target,
    split_url,
)
from batch_submit.adapters.http_session import Clock, HttpSession
from batch_submit.adapters.http_stream import StreamedReply, of_http_client, of_requests
from batch_submit.adapters.plain_http import connected

if TYPE_CHECKING:
    import ssl

    import requests

    from batch_submit.adapters.tls import Tls
__all__ = [
    "CannotConnect",
    "Clock",
    "Headers",
    "HttpResponse",
    "HttpSession",
    "NotJson",
    "RemoteFailure",
    "RequestsSession",
    "StdlibSession",
    "StreamedReply",
    "masked",
]


_CHUNK_BYTES = 1 << 16
_STALE = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected, http.client.CannotSendRequest)


class StdlibSession:
    """Simple authentication over :mod:`http.client`: one kept connection for each server.

    Parameters
    ----------
    user
        Sent as ``user.name`` in the query of every request; ``None`` sends none (the server then sees its static user).
    tls
        For https; ``None`` trusts the system's CAs.
    clock
        Monotonic seconds.
    """

    def __init__(self, user: str | None, tls: Tls | None = None, *, clock: Clock = time.monotonic) -> None:
        self._user = user
        self._tls = tls
        self._clock = clock
        self._kept: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._context: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        """See :meth:`HttpSession.request`.

        Raises
        ------
        CannotConnect
            Refused, name unknown, TLS, or no connection in time: nothing was sent.
        ClusterUnreachable
            The connection broke or the answer did not come in time: a write may have been carried out.
        UsageError
            The URL can't be one.
        HostNotReady
            A file of ``tls`` can't be used.
        """
        parts = split_url(url)
        deadline = self._clock() + timeout_s
        key = (parts.scheme, parts.netloc)
        kept = self._kept.pop(key, None)
        if kept is not None and method not in ("GET", "HEAD"):
            # A write never rides on a kept connection: that it went stale could not be told from a lost reply.
            kept.close()
            kept = None
        if kept is not None:
            try:
                return self._exchange(kept, method, url, parts, body, headers, deadline)
            except _STALE:
                kept.close()
            except (OSError, http.client.HTTPException, ValueError) as error:
                kept.close()
                raise lost_answer(error, url, timeout_s) from error
        fresh = self._connect(parts, url, deadline, timeout_s)
        try:
            return self._exchange(fresh, method, url, parts, body, headers, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            fresh.close()
            raise lost_answer(error, url, timeout_s) from error
        except BaseException:
            fresh.close()
            raise

    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> StreamedReply:
        """See :meth:`HttpSession.stream` and, for what it raises, :meth:`request`."""
        parts = split_url(url)
        key = (parts.scheme, parts.netloc)
        kept = self._kept.pop(key, None)
        while True:
            stale = kept is not None
            connection = kept or self._connect(parts, url, self._clock() + timeout_s, timeout_s)
            kept = None
            try:
                head = Whole(self._clock() + timeout_s, self._clock)
                self._limit(connection, head, Flowing(timeout_s))
                sent = {"Accept": "*/*", **(headers or {})}
                connection.request(method, request_target(parts, self._user), headers=sent)
                reply = connection.getresponse()
                break
            except (OSError, http.client.HTTPException, ValueError) as error:
                connection.close()
                if not (stale and isinstance(error, _STALE)):
                    raise lost_answer(error, url, timeout_s) from error
            except BaseException:
                connection.close()
                raise

        def done(keep: bool) -> None:
            if keep and key not in self._kept:
                self._kept[key] = connection
            else:
                connection.close()

        return of_http_client(reply, url, timeout_s, done)

    def close(self) -> None:
        """Close every kept connection."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _connect(self, parts: SplitResult, url: str, deadline: float, timeout_s: float) -> http.client.HTTPConnection:
        host, port = str(parts.hostname), parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._tls = self._tls or system_tls()
            self._context = self._context or self._tls.context()
            connection = http.client.HTTPSConnection(host, port, context=self._context)
        else:
            connection = http.client.HTTPConnection(host, port)
        sock = connected(host, connection.port, url, timeout_s, deadline, self._clock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body goes apart from its head
            if self._context is not None and parts.scheme == "https":
                sock.settimeout(max(0.001, deadline - self._clock()))  # the whole handshake
                sock = self._context.wrap_socket(sock, server_hostname=host)
        except (OSError, ValueError) as error:
            sock.close()
            raise cannot_connect(error, url, timeout_s, self._tls.trusted if self._tls else "") from error
        connection.sock = sock
        return connection

    def _limit(self, connection: http.client.HTTPConnection, head: Whole, body: Limit | None = None) -> None:
        """Of the next request over this connection: the answer within these, and the sending as long as its head."""
        connection.sock.settimeout(head.left_s())
        answer: Any = partial(Answer, head=head, body=body, clock=self._clock)
        connection.response_class = answer

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        parts: SplitResult,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        deadline: float,
    ) -> HttpResponse:
        self._limit(connection, Whole(deadline, self._clock))
        connection.request(
            method, request_target(parts, self._user), body=body, headers={"Accept": "*/*", **(headers or {})}
        )
        reply = connection.getresponse()
        try:
            chunks: list[bytes] = []
            while not reply.isclosed():  # it closes itself, and perhaps the socket, with the last byte
                chunk = reply.read(_CHUNK_BYTES)
                if not chunk:
                    break
                chunks.append(chunk)
            if reply.length:  # a read in pieces ends in silence where a whole read raises IncompleteRead
                raise http.client.IncompleteRead(b"", reply.length)
            keep = not reply.will_close
        finally:
            reply.close()
        if keep:
            self._kept[(parts.scheme, parts.netloc)] = connection
        else:
            connection.close()
        return HttpResponse(reply.status, Headers(reply.getheaders()), b"".join(chunks), url)


class RequestsSession:
    """Kerberos over ``requests`` and ``requests_kerberos``; both are loaded when the object is made.

    Every server (scheme, host and port) has a session of its own, because cookies are shared across ports and a
    ResourceManager's cookie type is not a NameNode's, and an auth object of its own, because its state is per host.
    Mutual authentication is OPTIONAL: REQUIRED blanks the body of every error and fails with a kept cookie.

    Parameters
    ----------
    tls
        For https, ``None`` trusts the system's CAs.
    auth_factory
        Makes the auth object of a host: see :class:`batch_submit.adapters.negotiate.KerberosSession`.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        tls: Tls | None = None,
        *,
        auth_factory: Callable[[], Any],
        clock: Clock = time.monotonic,
    ) -> None:
        self._tls = tls
        #: Of the call that is being made; ``None`` for a library's.
        self._limits: tuple[Whole, Limit | None] | None = None
        self._auth_factory = auth_factory
        mask_connection_log()
        self._clock = clock
        self._sessions: dict[str, requests.Session] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        """See :meth:`HttpSession.request` and, for what it raises, :meth:`StdlibSession.request`."""
        with errors_of_requests(url, timeout_s, self._tls), self._ask(method, url, body, headers, timeout_s) as reply:
            content = b"".join(reply.raw.stream(_CHUNK_BYTES, decode_content=False))
            answer = HttpResponse(reply.status_code, Headers(dict(reply.headers)), content, url)
        self._look_at(answer)
        return answer

    def _look_at(self, reply: HttpResponse) -> None:
        """Refuse an answer to :meth:`request` that is none; a subclass knows which."""

    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> StreamedReply:
        """See :meth:`HttpSession.stream` and, for what it raises, :meth:`StdlibSession.request`."""
        with errors_of_requests(url, timeout_s, self._tls):
            reply = self._ask(method, url, None, headers, timeout_s, Flowing(timeout_s))
        return of_requests(reply, url, timeout_s)

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _ask(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        timeout_s: float,
        limit: Limit | None = None,
    ) -> requests.Response:
        parts = split_url(url)
        self._limits = Whole(self._clock() + timeout_s, self._clock), limit
        return self._session(parts).request(
            method,
            url,
            data=body,
            headers={"Accept": "*/*", **(headers or {})},
            timeout=(timeout_s, timeout_s),
            allow_redirects=False,
            stream=True,
        )

    def _tls_context(self) -> ssl.SSLContext:
        """How to speak TLS; asked for at the first https."""
        self._tls = self._tls or system_tls()
        return self._tls.context_for_requests()

    def _session(self, parts: SplitResult) -> requests.Session:
        key = f"{parts.scheme}://{parts.netloc}"
        if key not in self._sessions:
            from batch_submit.adapters.limited_requests import limited_session

            session = limited_session(self._tls_context, limits=lambda: self._limits, clock=self._clock)
            session.auth = self._auth_factory()
            if parts.scheme == "https":
                from batch_submit.adapters.tls import no_plain_http

                session.mount("http://", no_plain_http())
            self._sessions[key] = session
        return self._sessions[key]


def system_tls() -> Tls:
    """The system's CAs, and no certificate of ours."""
    from batch_submit.adapters.tls import Tls

    return Tls()
