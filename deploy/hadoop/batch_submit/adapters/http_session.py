"""What the adapters need of HTTP; a module of its own, because the sessions load much more than most calls need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from batch_submit.adapters.http_reply import HttpResponse

if TYPE_CHECKING:
    from batch_submit.adapters.http_stream import StreamedReply

#: Seconds on a clock that never goes back; ``time.monotonic`` outside of tests.
Clock = Callable[[], float]


class HttpSession(Protocol):
    """What the adapters need of HTTP. Passed in, so that a test can pass its own."""

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        """Send one request and read the whole answer within ``timeout_s`` seconds; redirects are not followed."""

    def stream(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> StreamedReply:
        """Send one request without a body and return when the answer's head is there; a context manager.

        ``timeout_s`` bounds the connecting and then each wait for a byte, not the whole: a long answer may last.
        Redirects are not followed. Raises what :meth:`request` raises.
        """

    def close(self) -> None:
        """Close the connections that are kept."""


def server_of(url: str) -> tuple[str, int] | None:
    """Host and port of an address of http or https, which compare; ``None`` for what is no such address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)
