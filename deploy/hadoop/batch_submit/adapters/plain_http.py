"""Requests over plain HTTP with nothing but a socket: ``http.client`` loads the mail package and OpenSSL first.

That took a quarter of the time of ``list``, and of the processor's time of a submission over REST. TLS and streams go
through :class:`~batch_submit.adapters.http.StdlibSession`, loaded at that moment, and so does a question whose answer
is not simple (in chunks). A write is never sent a second time: what its answer says of the write stands in its head.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
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
_TLS_RECORD = b"\x15\x03"  # an alert: what a TLS server says to plain HTTP (RFC 8446 section 5.1)


class PlainSession:
    """Simple authentication, as :class:`~batch_submit.adapters.http.StdlibSession` and with its parameters."""

    def __init__(self, user: str | None, tls: Tls | None = None, *, clock: Clock = time.monotonic) -> None:
        self._user = user
        self._tls = tls
        self._clock = clock
        self._whole: HttpSession | None = None

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
        """One request, one connection; ``None`` for an answer to a question that is not simple: ask it again."""
        deadline = self._clock() + timeout_s
        host = parts.hostname or ""
        fields = {"Host": parts.netloc.rpartition("@")[2], "Accept": "*/*", **headers, "Connection": "close"}
        if body is not None or method in ("PUT", "POST"):
            fields["Content-Length"] = str(len(body or b""))
        # HTTP/1.0: then the server neither sends chunks nor keeps the connection.
        first = f"{method} {request_target(parts, self._user)} HTTP/1.0"
        head = "\r\n".join([first, *(f"{key}: {value}" for key, value in fields.items())])
        try:
            # As bytes: a text would go through the codec for international names, and loading that takes time.
            name: Any = host.encode("ascii")
            connection = socket.create_connection((name, parts.port or 80), timeout=timeout_s)
        except (OSError, ValueError) as error:
            raise cannot_connect(error, url, timeout_s) from error
        try:
            with connection:
                connection.sendall((head + "\r\n\r\n").encode("latin-1") + (body or b""))
                data = self._read(connection, deadline)
            return _answer(data, url, is_write=method != "GET")
        except (OSError, ValueError) as error:
            raise lost_answer(error, url, timeout_s) from error

    def _read(self, connection: socket.socket, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            left_s = deadline - self._clock()
            if left_s <= 0:
                raise TimeoutError("the answer did not end in time")
            connection.settimeout(left_s)
            chunk = connection.recv(_CHUNK_BYTES)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise ValueError(f"the answer is longer than {MAX_BODY_BYTES} bytes")
            chunks.append(chunk)


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
    odd = any(name in fields for name in ("transfer-encoding", "content-encoding"))
    if not is_write and (odd or not status or status.startswith("1")):
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
