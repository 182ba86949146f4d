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
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from batch_submit.adapters.http_reply import (
    Headers,
    HttpResponse,
    cannot_connect,
    lost_answer,
    request_target,
    split_url,
)

if TYPE_CHECKING:
    from batch_submit.adapters.http_session import Clock, HttpSession
    from batch_submit.adapters.http_stream import StreamedReply
    from batch_submit.adapters.tls import Tls

#: More than any ResourceManager listing (about 2 kB for each of at most some ten thousand applications).
MAX_BODY_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 1 << 18
#: A firewall drops what is idle for minutes, without a word to either end; servers close after some ten seconds.
_MOST_IDLE_S = 5.0
_TLS_RECORD = b"\x15\x03"  # an alert: what a TLS server says to plain HTTP (RFC 8446 section 5.1)


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
            answer = self._exchanged(method, parts, url, body, headers or {}, timeout_s)
            if answer is not None:
                return answer
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
        fields = {"Host": parts.netloc.rpartition("@")[2], "Accept": "*/*", **headers}
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
        connection = _connected(place, url, timeout_s)
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
            connection.sendall(message)
            data, end = bytearray(), None
            for piece in self._pieces(connection, deadline):
                data += piece
                if end is None:
                    end = _end_of_answer(data)
                if end is not None and len(data) >= end:
                    break
            answer = _answer(bytes(data), url, is_write=False)
            stays = answer is not None and len(data) == end and _stays_open(data, answer) and place not in self._idle
            if stays:
                self._idle[place] = connection, self._clock()
            return answer
        finally:
            if not stays:
                connection.close()

    def _told(self, connection: socket.socket, message: bytes, url: str, deadline: float) -> HttpResponse | None:
        """Write, and read the answer to its end; a gateway may leave the connection open, whatever we ask for."""
        connection.sendall(message)
        data = bytearray()
        for piece in self._pieces(connection, deadline):
            data += piece
            if _is_whole(data):
                break
        return _answer(bytes(data), url, is_write=True)

    def _kept(self, place: tuple[str, int]) -> socket.socket | None:
        """The connection of the question before, unless it is so old that something on the way may have dropped it."""
        connection, since = self._idle.pop(place, (None, 0.0))
        if connection is not None and self._clock() - since > _MOST_IDLE_S:
            connection.close()
            return None
        return connection

    def _pieces(self, connection: socket.socket, deadline: float) -> Iterator[bytes]:
        """What comes, until the server ends it.

        Raises
        ------
        TimeoutError
            It takes longer.
        ValueError
            It is longer than anything that a server of ours says.
        """
        size = 0
        while True:
            left_s = deadline - self._clock()
            if left_s <= 0:
                raise TimeoutError("the answer did not end in time")
            connection.settimeout(left_s)
            piece = connection.recv(_CHUNK_BYTES)
            if not piece:
                return
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise ValueError(f"the answer is longer than {MAX_BODY_BYTES} bytes")
            yield piece


def _connected(place: tuple[str, int], url: str, timeout_s: float) -> socket.socket:
    try:
        # As bytes: a text would go through the codec for international names, and loading that takes time.
        name: Any = place[0].encode("ascii")
        return socket.create_connection((name, place[1]), timeout=timeout_s)
    except (OSError, ValueError) as error:
        raise cannot_connect(error, url, timeout_s) from error


def _end_of_answer(data: bytearray) -> int | None:
    """How many bytes a question's answer has; ``None`` while its head is not there, and where the connection's end is
    its end. What is not simple ends with its head: it is asked for again.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(data[:end])
    status, length = _status(head), _fields(head).get("content-length", "")
    if _is_odd(status, _fields(head)) or status in ("204", "304"):  # these two have no body (RFC 9110 section 6.4.1)
        return end + 4
    return end + 4 + int(length) if length.isdecimal() else None


def _is_whole(data: bytearray) -> bool:
    """Whether a write's answer has ended by its own words, in whatever form it came."""
    rest = bytes(data)
    head, separator, body = rest.partition(b"\r\n\r\n")
    while separator and _status(head).startswith("1"):
        head, separator, body = body.partition(b"\r\n\r\n")
    if not separator:
        return False
    fields = _fields(head)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        try:
            _unchunked(body)
        except ValueError:
            return False
        return body.endswith(b"\r\n\r\n")
    length = fields.get("content-length", "")
    return _status(head) in ("204", "304") or (length.isdecimal() and len(body) >= int(length))


def _is_odd(status: str, fields: Headers) -> bool:
    return not status or status.startswith("1") or "transfer-encoding" in fields or "content-encoding" in fields


def _stays_open(data: bytearray, answer: HttpResponse) -> bool:
    """Whether the server keeps the connection (RFC 9112 section 9.3)."""
    said = answer.headers.get("connection", "").lower()
    return "close" not in said and (data.startswith(b"HTTP/1.1") or "keep-alive" in said)


def _answer(data: bytes, url: str, *, is_write: bool) -> HttpResponse | None:
    """Head and body of an answer; ``None`` for one to a question that is not simple.

    Raises
    ------
    ValueError
        It broke off, or it is no HTTP.
    """
    if data[:2] == _TLS_RECORD:
        raise ValueError(f"not an answer: {data[:7]!r}")
    head, separator, body = data.partition(b"\r\n\r\n")
    while is_write and separator and _status(head).startswith("1"):  # "continue", which nobody asked for
        head, separator, body = body.partition(b"\r\n\r\n")
    if not separator:
        raise ValueError("the connection broke before the answer began" if not data else "the answer's head broke off")
    status, fields = _status(head), _fields(head)
    if not is_write and _is_odd(status, fields):
        return None
    if not status:
        raise ValueError("the answer is no HTTP")
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return HttpResponse(int(status), fields, _unchunked(body), url)
    length = fields.get("content-length", "")
    if length.isdecimal() and len(body) < int(length):
        raise ValueError(f"{len(body)} of {length} bytes came")
    return HttpResponse(int(status), fields, body[: int(length)] if length.isdecimal() else body, url)


def _status(head: bytes) -> str:
    """The three digits of a head's first line; "" when it is not HTTP's."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(None, 2)
    is_http = len(words) > 1 and words[0].startswith("HTTP/1.") and words[1].isdecimal() and len(words[1]) == 3
    return words[1] if is_http else ""


def _fields(head: bytes) -> Headers:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return Headers([(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)])


def _unchunked(body: bytes) -> bytes:
    """A body that came in chunks (RFC 9112 section 7.1), though we asked in HTTP/1.0.

    Raises
    ------
    ValueError
        It broke off.
    """
    pieces: list[bytes] = []
    while True:
        size, line_end, rest = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not line_end or length < 0 or len(rest) < length:
            raise ValueError("the answer broke off within its chunks")
        if length == 0:
            return b"".join(pieces)
        pieces.append(rest[:length])
        body = rest[length:].removeprefix(b"\r\n")
