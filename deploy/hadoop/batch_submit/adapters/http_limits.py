"""How long an answer may take and how large it may be, kept at each single read from the socket.

A socket's own timeout begins anew with every byte: a server that sends one each few seconds would hold a call for
hours, most of all in the lines of a head, which the libraries read to their end on their own.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import TYPE_CHECKING, Any, Protocol

from batch_submit.adapters import plain_answer
from batch_submit.adapters.http_reply import TooLittle

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from batch_submit.adapters.http_session import Clock

#: A connection so slow is none: a page of a log would take minutes.
LEAST_BYTES_PER_S = 100.0


class Limit(Protocol):
    """What bounds the reading of an answer, or of a part of it."""

    def left_s(self) -> float:
        """Seconds that the next read may wait; :class:`TimeoutError` when there are none left."""

    def came(self, count: int, waited_s: float) -> None:
        """So many bytes have come, after so many seconds; raises where they are too many."""


class Whole:
    """All that a call reads, by one moment (``until_s`` on ``clock``) and up to one size: heads and chunk sizes too."""

    def __init__(self, until_s: float, clock: Clock) -> None:
        self._until_s = until_s
        self._clock = clock
        self._left_bytes = plain_answer.MAX_BODY_BYTES

    def left_s(self) -> float:
        """See :meth:`Limit.left_s`."""
        left_s = self._until_s - self._clock()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        return left_s

    def came(self, count: int, waited_s: float) -> None:
        """See :meth:`Limit.came`."""
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise http.client.HTTPException(f"the answer is longer than {plain_answer.MAX_BODY_BYTES} bytes")

    def put_off(self, seconds: float) -> None:
        """Move the moment: so long somebody else was waited for, who has a limit of his own."""
        self._until_s += seconds


class Flowing:
    """A body of any length, as long as it keeps coming: a least number of bytes in ``timeout_s`` seconds of waiting.

    Only the time spent on waiting counts. Whoever reads may take his own.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._least_bytes = LEAST_BYTES_PER_S * timeout_s
        self._waited_s = 0.0
        self._came = 0

    def left_s(self) -> float:
        """See :meth:`Limit.left_s`."""
        left_s = self._timeout_s - self._waited_s
        if left_s <= 0:
            raise self.over()
        return left_s

    def came(self, count: int, waited_s: float) -> None:
        """See :meth:`Limit.came`."""
        self._waited_s += waited_s
        self._came += count
        if self._came >= self._least_bytes:
            self._waited_s, self._came = 0.0, 0

    def over(self) -> TimeoutError:
        """What to raise when no more time is left."""
        if not self._came:
            return TimeoutError("timed out")
        return TooLittle(f"only {self._came} bytes in {self._timeout_s:g} s")


class Answer(http.client.HTTPResponse):
    """An answer of :mod:`http.client`, within limits.

    Parameters
    ----------
    head
        For the head, and for a body that is no success: an error or a redirect is small.
    body
        For the body of a success; ``None``: as for the head.
    clock
        Monotonic seconds.
    """

    def __init__(self, sock: Any, *args: Any, head: Limit, body: Limit | None, clock: Clock, **kwargs: Any) -> None:
        self._limited = _LimitedFile(sock, head, clock)
        self._body_limit = body
        super().__init__(_Opened(self._limited), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        if self._body_limit is not None and 200 <= self.status < 300:
            self._limited.limit = self._body_limit


class _LimitedFile(io.RawIOBase):
    """What comes over a socket."""

    def __init__(self, sock: socket.socket, limit: Limit, clock: Clock) -> None:
        self.limit = limit
        self._sock = sock
        self._clock = clock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open though http.client lets go of it

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(self.limit.left_s())
        began = self._clock()
        try:
            count = self._file.readinto(buffer)
        except TimeoutError as error:
            if isinstance(self.limit, Flowing):
                raise self.limit.over() from error
            raise
        self.limit.came(count or 0, self._clock() - began)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Opened:
    """What ``http.client`` takes for a socket: of that, it only wants the file."""

    def __init__(self, limited: _LimitedFile) -> None:
        self._limited = limited

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._limited)
