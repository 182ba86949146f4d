"""A server that sends a byte now and then holds no call for longer than its time, wherever in the answer it does so."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from batch_submit.adapters.http import RequestsSession, StdlibSession
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.plain_http import PlainSession
from batch_submit.adapters.tls import Tls
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterUnreachable
from tests.process.tls_front import GOLDEN, TlsFront

#: What a call may take here, and what a hundred bytes of the server's take.
LIMIT_S, DRIPPING_S = 0.5, 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#: What comes at once, and what comes byte by byte, again and again.
PLACES = {
    "status line": (b"", b"H"),
    "head": (OK + b"X-Long: ", b"x"),
    "heads that say go on": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
    "body without a length": (OK + b"\r\n", b" "),
    "size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "after the last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "an error": (OK.replace(b"200 OK", b"500 No") + b"Content-Length: 100000\r\n\r\n", b" "),
}
TRUSTING = Tls(ca_bundle=str(GOLDEN / "ca.pem"))
SESSIONS: dict[str, Callable[[], HttpSession]] = {
    "plain": lambda: PlainSession("me", TRUSTING),
    "stdlib": lambda: StdlibSession("me", TRUSTING),
    "requests": lambda: RequestsSession(TRUSTING, auth_factory=lambda: None),
}


@contextmanager
def dripping(at_once: bytes, again: bytes) -> Iterator[int]:
    """A server that does so to all who connect, for :data:`DRIPPING_S` at most; its port."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(at_once)
            ends = time.monotonic() + DRIPPING_S
            for at in range(100_000):
                if over.wait(0.05) or time.monotonic() > ends:
                    return
                connection.sendall(again[at % len(again) :][:1])

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                workers.append(threading.Thread(target=drip, args=(connection,)))
                workers[-1].start()

    workers = [threading.Thread(target=serve)]
    workers[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        for worker in workers:
            worker.join()
        listener.close()


@contextmanager
def within_its_time() -> Iterator[None]:
    """The block ends long before the server would have ended its answer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < DRIPPING_S / 2


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_ends_in_time(kind: str, place: str, method: str) -> None:
    with (
        dripping(*PLACES[place]) as port,
        closing(SESSIONS[kind]()) as session,
        within_its_time(),
        pytest.raises(ClusterUnreachable, match=r"no answer within 0\.[1-5]"),
    ):
        session.request(method, f"http://127.0.0.1:{port}/ws", body=None, timeout_s=LIMIT_S)


@pytest.mark.parametrize("place", ["head", "body"])
@pytest.mark.parametrize("kind", SESSIONS)
def test_a_request_over_https_ends_in_time(kind: str, place: str) -> None:
    with (
        dripping(*PLACES[place]) as port,
        TlsFront(port) as front,
        closing(SESSIONS[kind]()) as session,
        within_its_time(),
        pytest.raises(ClusterUnreachable, match="no answer within"),
    ):
        session.request("GET", f"{front.url}/ws", timeout_s=2 * LIMIT_S)


@pytest.mark.parametrize("kind", SESSIONS)
def test_a_handshake_ends_in_time(kind: str) -> None:
    """As the start of a record of TLS: it announces 16 kB, and they do not come. ``requests`` does not tell that from a
    lost answer.
    """
    with (
        dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0") as port,
        closing(SESSIONS[kind]()) as session,
        within_its_time(),
        pytest.raises(ClusterUnreachable, match=r"no (connection|answer) within 0\.5 s"),
    ):
        session.request("GET", f"https://localhost:{port}/ws", timeout_s=LIMIT_S)


@pytest.mark.parametrize(("place", "said"), [("head", "no answer within"), ("body", "only [0-9]+ bytes in 0.5 s")])
@pytest.mark.parametrize("kind", ["stdlib", "requests"])
def test_a_stream_has_to_keep_coming(kind: str, place: str, said: str) -> None:
    with (
        dripping(*PLACES[place]) as port,
        closing(SESSIONS[kind]()) as session,
        within_its_time(),
        pytest.raises(ClusterUnreachable, match=said),
        session.stream("GET", f"http://127.0.0.1:{port}/logs", timeout_s=LIMIT_S) as reply,
    ):
        assert b"".join(reply)


@pytest.mark.parametrize("place", ["head", "body", "an error"])
def test_the_library_for_hdfs_ends_in_time(place: str) -> None:
    with dripping(*PLACES[place]) as port, closing(PlainSession("me")) as session:
        hdfs = WebHdfs([f"http://127.0.0.1:{port}"], session, user="me", timeout_s=LIMIT_S, data_timeout_s=LIMIT_S)
        with within_its_time(), pytest.raises(ClusterUnreachable, match="the connection for mkdirs failed"):
            hdfs.mkdirs("/x")
        hdfs.close()
