"""An answer that is read piece by piece: gigabytes of logs in constant memory."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from batch_submit.adapters.http_reply import Headers, HttpResponse, RemoteFailure, broke_off, refuse_compressed

#: The most that one read takes; large enough that a local disk is not waiting for Python.
PIECE_BYTES = 1 << 18
#: An error's body is a page or a RemoteException with a stack trace, never data.
MAX_ERROR_BYTES = 1 << 20


class StreamedReply:
    """One answer whose body is not read yet. A context manager; its end closes or keeps the connection.

    Iterate once: pieces of at most :data:`PIECE_BYTES` bytes, as they arrive.

    Parameters
    ----------
    status, headers, url
        Of the answer.
    read
        At most so many bytes; empty at the end of the body; may raise what the library below raises.
    close
        Called once; ``True`` when the body was read to its end, so that the connection may be used again.
    timeout_s
        Seconds without a byte, for the message.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        url: str,
        *,
        read: Callable[[int], bytes],
        close: Callable[[bool], None],
        timeout_s: float,
    ) -> None:
        self.status = status
        self.headers = headers
        self.url = url
        self._read = read
        self._close: Callable[[bool], None] | None = close
        self._timeout_s = timeout_s
        self._received = 0
        self._ended = False

    def __enter__(self) -> StreamedReply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; what was not read is dropped."""
        if self._close is not None:
            close, self._close = self._close, None
            close(self._ended)

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces.

        Raises
        ------
        ClusterUnreachable
            The answer broke off: it is shorter than its Content-Length, a chunk is missing, or no byte, or next to
            none, came for ``timeout_s`` seconds. It is compressed.
        """
        refuse_compressed(self.headers, self.url)
        while not self._ended:
            piece = self._next(PIECE_BYTES)
            if piece:
                yield piece

    def response(self) -> HttpResponse:
        """The answer as a whole, for one that is small: at most :data:`MAX_ERROR_BYTES` of its body."""
        pieces: list[bytes] = []
        size = 0
        while not self._ended and size < MAX_ERROR_BYTES:
            pieces.append(self._next(MAX_ERROR_BYTES - size))
            size += len(pieces[-1])
        return HttpResponse(self.status, self.headers, b"".join(pieces), self.url)

    def failure(self) -> RemoteFailure:
        """The server's own error as data; see :meth:`HttpResponse.failure`."""
        return self.response().failure()

    def _next(self, size: int) -> bytes:
        if self._close is None:
            raise ValueError("the answer was closed before it was read")
        try:
            piece = self._read(size)
        except (OSError, http.client.HTTPException, ValueError) as error:  # requests' errors are OSErrors
            raise broke_off(error, self.url, self._received, self._timeout_s) from error
        self._received += len(piece)
        self._ended = not piece
        return piece


def of_http_client(
    reply: http.client.HTTPResponse, url: str, timeout_s: float, close: Callable[[bool], None]
) -> StreamedReply:
    """An answer of :mod:`http.client`; it never reads ahead of what arrives."""
    left = None if reply.chunked else reply.length

    def read(size: int) -> bytes:
        nonlocal left
        if left == 0:
            return b""
        piece = reply.read1(size)
        if left is not None:
            if not piece:  # http.client ends such an answer in silence
                raise http.client.IncompleteRead(b"", left)
            left -= len(piece)
        return piece

    def done(ended: bool) -> None:
        keep = ended and not reply.will_close
        reply.close()
        close(keep)

    return StreamedReply(reply.status, Headers(reply.getheaders()), url, read=read, close=done, timeout_s=timeout_s)


def of_requests(reply: Any, url: str, timeout_s: float) -> StreamedReply:
    """An answer of ``requests`` that was asked for with ``stream=True``."""
    import urllib3

    pieces = reply.raw.stream(PIECE_BYTES, decode_content=False)

    def read(size: int) -> bytes:
        try:
            return next(pieces, b"")
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from error

    def done(ended: bool) -> None:
        reply.close()

    return StreamedReply(
        reply.status_code, Headers(dict(reply.headers)), url, read=read, close=done, timeout_s=timeout_s
    )
