"""What a server sends is read up to a limit, whatever it announces, and then it is an error of ours."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

import pytest

from batch_submit.adapters import plain_answer
from batch_submit.adapters.http import HttpSession, NotJson, RequestsSession, StdlibSession
from batch_submit.adapters.http_stream import MAX_ERROR_BYTES
from batch_submit.adapters.plain_http import PlainSession
from batch_submit.errors import ClusterUnreachable
from tests.process.quiet_server import QuietServer

LIMIT = 1 << 20
PIECE = b'{"x": "' + b"x" * 65_000
BOMB = gzip.compress(b"\0" * (64 << 20))
SESSIONS: dict[str, Callable[[], HttpSession]] = {
    "plain": lambda: PlainSession("me"),
    "stdlib": lambda: StdlibSession("me"),
    "requests": lambda: RequestsSession(auth_factory=lambda: None),
}


class Endless(BaseHTTPRequestHandler):
    """Sends for as long as somebody reads."""

    def do_GET(self) -> None:
        packed = self.path.startswith("/packed")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with suppress(OSError):
            if packed:
                self.wfile.write(BOMB)
            while not packed and not self.server.stopping.is_set():  # type: ignore[attr-defined]
                self.wfile.write(PIECE)

    def log_message(self, *_: object) -> None:
        """Nothing to print."""


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of such a server."""
    server = QuietServer(0, Endless, None)
    server.start("endless")
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop()


@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("path", ["/endless", "/packed"])
def test_an_answer_without_an_end_is_given_up(
    endless: str, kind: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_answer, "MAX_BODY_BYTES", LIMIT)
    session = SESSIONS[kind]()
    tracemalloc.start()
    try:
        if path == "/packed":  # nobody unpacks it: it is small, and no JSON
            reply = session.request("GET", endless + path, timeout_s=30)
            assert len(reply.body) == len(BOMB)
            with pytest.raises(NotJson, match=r"compressed \(gzip\), which was not asked for"):
                reply.json()
            assert reply.words() == ()
        else:
            with pytest.raises(ClusterUnreachable):
                session.request("GET", endless + path, timeout_s=30)
        assert tracemalloc.get_traced_memory()[1] < 32 * LIMIT
    finally:
        tracemalloc.stop()
        session.close()


@pytest.mark.parametrize("kind", SESSIONS)
def test_an_error_is_read_up_to_a_limit_where_logs_are_streamed(endless: str, kind: str) -> None:
    session = SESSIONS[kind]()
    with session.stream("GET", f"{endless}/endless", timeout_s=30) as reply:
        assert len(reply.response().body) == MAX_ERROR_BYTES
    session.close()


def test_the_limit_is_there() -> None:
    assert plain_answer.MAX_BODY_BYTES == 256 << 20
