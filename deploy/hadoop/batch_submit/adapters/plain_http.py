"""Requests over plain HTTP with nothing but a socket: ``http.client`` loads the mail package and OpenSSL first.

That took a quarter of the time of ``list``, and of the processor's time of a submission over REST. TLS and streams go
through :class:`~batch_submit.adapters.http.StdlibSession`, loaded at that moment, and so does a question whose answer
is not simple (in chunks). A write is never sent a second time: what its answer says of the write stands in its head.

A question's connection is kept for the next one: a daemon then works half as long on it (Hadoop 3.5.0, ``op=
GETFILESTATUS`` 0.36 instead of 0.82 ms of its processor's time). A write gets a connection of its own, for a kept one
may be closed by the server in the moment in which it is used, and then nobody knows what became of the write.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from batch_submit.adapters.http_reply import HttpResponse, cannot_connect, lost_answer, request_target, split_url
from batch_submit.adapters.plain_answer import Incoming

if TYPE_CHECKING:
    from batch_submit.adapters.http_session import Clock, HttpSession
    from batch_submit.adapters.http_stream import StreamedReply
    from batch_submit.adapters.tls import Tls

_CHUNK_BYTES = 1 << 18
#: A firewall drops what is idle for minutes, without a word to either end; servers close after some ten seconds.
_MOST_IDLE_S = 5.0


class PlainSession:
    """Simple authentication, as :class:`~batch_submit.adapters.http.StdlibSession` and with its parameters."""

    def __init__(self, user: str | None, tls: Tls | None = None, *, clock: Clock = time.monotonic) -> None:
        self._user = user
        self._tls = tls
        self._clock = clock
        self._whole: HttpSession | None = None
        #: One connection per server that waits for the next question, and since when.
        self._idle: dict[tuple[str, int], tuple[socket.socket, float]] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        """See :meth:`batch_submit.adapters.http.StdlibSession.request`, also for what it raises."""
        parts = split_url(url)
        is_write = method != "GET"
        if parts.scheme == "http" and (is_write or self._whole is None):
            began = self._clock()
            answer = self._exchanged(method, parts, url, body, headers or {}, timeout_s)
            if answer is not None:
                return answer
            timeout_s = round(max(0.01, began + timeout_s - self._clock()), 2)
        return self._session().request(method, url, body=body, headers=headers, timeout_s=timeout_s)

    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> StreamedReply:
        """See :meth:`batch_submit.adapters.http.StdlibSession.stream`."""
        return self._session().stream(method, url, headers=headers, timeout_s=timeout_s)

    def close(self) -> None:
        """Close what is kept open."""
        while self._idle:
            self._idle.popitem()[1][0].close()
        if self._whole is not None:
            self._whole.close()

    def _session(self) -> HttpSession:
        """The whole session; from its first use on it answers every question, over connections that it keeps."""
        if self._whole is None:
            from batch_submit.adapters.http import StdlibSession

            self._whole = StdlibSession(self._user, self._tls, clock=self._clock)
        return self._whole

    def _exchanged(
        self,
        method: str,
        parts: SplitResult,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> HttpResponse | None:
        """One request; ``None`` for an answer to a question that is not simple: ask it again."""
        deadline = self._clock() + timeout_s
        is_write = method != "GET"
        host = parts.netloc.rpartition("@")[2]
        fields = {"Host": host, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        fields["Connection"] = "close" if is_write else "keep-alive"
        if body is not None or method in ("PUT", "POST"):
            fields["Content-Length"] = str(len(body or b""))
        # HTTP/1.0: then the server sends no chunks.
        first = f"{method} {request_target(parts, self._user)} HTTP/1.0"
        head = "\r\n".join([first, *(f"{key}: {value}" for key, value in fields.items())])
        message = (head + "\r\n\r\n").encode("latin-1") + (body or b"")
        place = (parts.hostname or "", parts.port or 80)
        kept = None if is_write else self._kept(place)
        if kept is not None:
            try:
                return self._asked(kept, place, message, url, deadline)
            except TimeoutError as error:
                raise lost_answer(error, url, timeout_s) from error
            except (OSError, ValueError):
                pass  # the server has closed it meanwhile, or was about to: ask on a new one
        connection = connected(*place, url, timeout_s, deadline, self._clock)
        try:
            if not is_write:
                return self._asked(connection, place, message, url, deadline)
            with connection:
                return self._told(connection, message, url, deadline)
        except (OSError, ValueError) as error:
            raise lost_answer(error, url, timeout_s) from error

    def _asked(
        self, connection: socket.socket, place: tuple[str, int], message: bytes, url: str, deadline: float
    ) -> HttpResponse | None:
        """Ask a question, and keep the connection when the server does."""
        stays = False
        try:
            come = self._answered(connection, message, deadline, Incoming(is_write=False))
            answer = come.answer(url)
            stays = answer is not None and come.stays_open and place not in self._idle
            if stays:
                self._idle[place] = connection, self._clock()
            return answer
        finally:
            if not stays:
                connection.close()

    def _told(self, connection: socket.socket, message: bytes, url: str, deadline: float) -> HttpResponse | None:
        """Write, and read the answer to its end; a gateway may leave the connection open, whatever we ask for."""
        return self._answered(connection, message, deadline, Incoming(is_write=True)).answer(url)

    def _kept(self, place: tuple[str, int]) -> socket.socket | None:
        """The connection of the question before, unless it is so old that something on the way may have dropped it."""
        connection, since = self._idle.pop(place, (None, 0.0))
        if connection is not None and self._clock() - since > _MOST_IDLE_S:
            connection.close()
            return None
        return connection

    def _answered(self, connection: socket.socket, message: bytes, deadline: float, come: Incoming) -> Incoming:
        """Send, and take what comes until the answer is whole, or the server ends it.

        Raises
        ------
        TimeoutError
            It takes longer, however often a byte comes.
        ValueError
            It is longer than anything that a server of ours says, or no HTTP.
        """
        connection.settimeout(self._left_s(deadline))
        connection.sendall(message)  # its time limit is that of the whole
        while True:
            connection.settimeout(self._left_s(deadline))
            piece = connection.recv(_CHUNK_BYTES)
            if not piece or come.take(piece):
                return come

    def _left_s(self, deadline: float) -> float:
        left_s = deadline - self._clock()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        return left_s


def connected(host: str, port: int, url: str, timeout_s: float, deadline: float, clock: Clock) -> socket.socket:
    """A connection to one of the addresses of a host, all of them tried before the deadline.

    Raises
    ------
    CannotConnect
        There is none in time.
    """
    try:
        # As bytes: a text would go through the codec for international names, and loading that takes time.
        name: Any = host.encode("ascii")
        failure: OSError = TimeoutError("the time was over before any address was tried")
        for family, kind, protocol, _, address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
            left_s = deadline - clock()
            if left_s <= 0:
                break
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(left_s)
                connection.connect(address)
                return connection
            except OSError as error:
                connection.close()
                failure = error
        raise failure
    except (OSError, ValueError) as error:
        raise cannot_connect(error, url, timeout_s) from error
