"""Questions over plain HTTP with nothing but a socket: ``http.client`` loads the mail package and OpenSSL first.

That took a quarter of the time of ``list``. Anything but a simple question with a simple answer (a write, TLS, a
stream, an answer in chunks) goes through :class:`~batch_submit.adapters.http.StdlibSession`, loaded at that moment.
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
    from batch_submit.adapters.http import Clock, HttpSession
    from batch_submit.adapters.http_stream import StreamedReply

#: More than any ResourceManager listing (about 2 kB for each of at most some ten thousand applications).
MAX_BODY_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 1 << 18


class PlainSession:
    """Simple authentication, as :class:`~batch_submit.adapters.http.StdlibSession` and with its parameters."""

    def __init__(self, user: str | None, ca_bundle: str | None = None, *, clock: Clock = time.monotonic) -> None:
        self._user = user
        self._ca_bundle = ca_bundle
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
        if method == "GET" and body is None and parts.scheme == "http" and self._whole is None:
            answer = self._ask(parts, url, headers or {}, timeout_s)
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
        """The whole session; from its first use on it answers everything, over connections that it keeps."""
        if self._whole is None:
            from batch_submit.adapters.http import StdlibSession

            self._whole = StdlibSession(self._user, self._ca_bundle, clock=self._clock)
        return self._whole

    def _ask(self, parts: SplitResult, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpResponse | None:
        """One question, one connection; ``None`` for an answer that is not simple: it may be asked for again."""
        deadline = self._clock() + timeout_s
        host = parts.hostname or ""
        fields = {"Host": parts.netloc.rpartition("@")[2], "Accept": "*/*", **headers, "Connection": "close"}
        # HTTP/1.0: then the server neither sends chunks nor keeps the connection.
        first = f"GET {request_target(parts, self._user)} HTTP/1.0"
        head = "\r\n".join([first, *(f"{key}: {value}" for key, value in fields.items())])
        try:
            # As bytes: a text would go through the codec for international names, and loading that takes time.
            name: Any = host.encode("ascii")
            connection = socket.create_connection((name, parts.port or 80), timeout=timeout_s)
        except (OSError, ValueError) as error:
            raise cannot_connect(error, url, timeout_s) from error
        try:
            with connection:
                connection.sendall((head + "\r\n\r\n").encode("latin-1"))
                data = self._read(connection, deadline)
            return _answer(data, url)
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


def _answer(data: bytes, url: str) -> HttpResponse | None:
    """Head and body of an answer.

    Raises
    ------
    ValueError
        It broke off.
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(None, 2)
    if not separator:
        raise ValueError("the connection broke before the answer began" if not data else "the answer's head broke off")
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit() or len(words[1]) != 3:
        return None
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in rest)]
    fields = Headers(pairs)
    if words[1].startswith("1") or any(name in fields for name in ("transfer-encoding", "content-encoding")):
        return None
    length = fields.get("content-length", "")
    if length.isdigit() and len(body) < int(length):
        raise ValueError(f"{len(body)} of {length} bytes came")
    return HttpResponse(int(words[1]), fields, body[: int(length)] if length.isdigit() else body, url)
