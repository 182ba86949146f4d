"""Plain questions over a socket: as the whole session answers them, and through it where an answer is not simple."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from batch_submit.adapters.http_reply import CannotConnect
from batch_submit.adapters.plain_http import PlainSession
from batch_submit.errors import ClusterUnreachable, UsageError
from tests.process.canned_rm import CannedResourceManager, Mode

JSON = b"Content-Type: application/json\r\n"


@contextmanager
def server(*answers: bytes, linger: bool = False, at_once: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these bytes to one connection after the other; its address, and what it was asked.

    With `linger` it leaves them open; the next one is served after that, or `at_once`.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        with ExitStack() as left_open:
            for answer in answers:
                connection, _ = listener.accept()
                left_open.enter_context(connection)
                asked.append(connection.recv(65536))
                connection.sendall(answer)
                if linger and not at_once:
                    over.wait(30)
                if not linger:
                    connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        over.set()
        listener.close()
        thread.join(30)


def ask(url: str, path: str = "/ws", *, user: str | None = "alice", timeout_s: float = 10) -> tuple[int, bytes]:
    with closing(PlainSession(user)) as session:
        reply = session.request("GET", url + path, headers={"Accept": "application/json"}, timeout_s=timeout_s)
        return reply.status, reply.body


def test_one_question() -> None:
    body = b'{"a": 1}'
    with server(b"HTTP/1.1 200 OK\r\n" + JSON + b"content-length: 8\r\n\r\n" + body + b"rubbish") as (url, asked):
        assert ask(url, "/ws?x=1") == (200, body)
    head = asked[0].decode().split("\r\n")
    assert head[0] == "GET /ws?x=1&user.name=alice HTTP/1.0"
    assert f"Host: {url.removeprefix('http://')}" in head and "Accept: application/json" in head
    assert head.count("Accept: */*") == 0


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\n" + JSON + b"\r\n", b"{}"),
        (b"HTTP/1.0 307 Temporary Redirect\r\nLocation: http://x/\r\n\r\n", b""),
        (b"HTTP/1.1 503\r\n\r\n", b"words"),
    ],
)
def test_any_status_is_an_answer_and_the_end_of_the_connection_its_end(head: bytes, body: bytes) -> None:
    with server(head + body) as (url, _):
        assert ask(url) == (int(head.split()[1]), body)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
)
def test_an_answer_that_breaks_off(answer: bytes) -> None:
    with server(answer) as (url, _), pytest.raises(ClusterUnreachable, match="broke") as caught:
        ask(url)
    assert not isinstance(caught.value, CannotConnect)


def test_an_answer_that_does_not_end_is_given_up() -> None:
    began = time.monotonic()
    with (
        server(b"HTTP/1.1 200 OK\r\n\r\nsome", linger=True) as (url, _),
        pytest.raises(ClusterUnreachable, match="no answer within"),
    ):
        ask(url, timeout_s=0.3)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", [b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", None])
def test_what_is_not_simple_is_asked_for_again_by_the_whole_session(kind: bytes | None) -> None:
    odd = b"HTTP/1.1 200 OK\r\n" + JSON + kind if kind else b"HTTP/1.1 100 Continue\r\n\r\n"
    whole = b"HTTP/1.1 200 OK\r\n" + JSON + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    with server(odd, whole) as (url, asked):
        assert ask(url) == (200, b"{}")
    assert asked[0].startswith(b"GET /ws") and b"HTTP/1.0" in asked[0] and b"HTTP/1.1" in asked[1]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(CannotConnect, match="no connection"):
        ask(url)


@pytest.mark.parametrize(
    ("url", "error"),
    [("http://no-such-host.invalid:1", CannotConnect), ("ftp://x", UsageError), ("http://", UsageError)],
)
def test_a_bad_address(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(url)


def test_a_user_who_is_named_already_is_not_named_twice() -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as (url, asked):
        ask(url, "/ws?user.name=bob")
    assert asked[0].split(b" ")[1] == b"/ws?user.name=bob"


def test_a_question_goes_over_the_connection_of_the_one_before(rm: CannedResourceManager) -> None:
    info = f"{rm.url}/ws/v1/cluster/info"
    with closing(PlainSession("alice")) as session:
        for _ in range(5):
            assert session.request("GET", info, timeout_s=10).json()["clusterInfo"]["haState"] == "ACTIVE"
        assert rm.connections_made == 1
        session.request("PUT", f"{rm.url}/nothing", body=b"{}", timeout_s=10)
        session.request("PUT", f"{rm.url}/nothing", body=b"{}", timeout_s=10)
        assert rm.connections_made == 3  # a write has one of its own


def test_a_kept_connection_that_the_server_has_closed_is_no_failure(rm: CannedResourceManager) -> None:
    info = f"{rm.url}/ws/v1/cluster/info"
    with closing(PlainSession("alice")) as session:
        for _ in range(3):
            assert session.request("GET", info, timeout_s=10).status == 200
            rm.drop_connections()
        assert rm.connections_made == 3


def test_a_server_that_does_not_answer_on_a_kept_connection_is_waited_for_once(rm: CannedResourceManager) -> None:
    info = f"{rm.url}/ws/v1/cluster/info"
    with closing(PlainSession("alice")) as session:
        assert session.request("GET", info, timeout_s=10).status == 200
        rm.mode = Mode.SLOW
        began = time.monotonic()
        with pytest.raises(ClusterUnreachable, match="no answer within"):
            session.request("GET", info, timeout_s=0.5)
        assert time.monotonic() - began < 5
        rm.mode = Mode.ACTIVE
        assert session.request("GET", info, timeout_s=10).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more than it said",
    ],
    ids=["close", "HTTP/1.0", "more"],
)
def test_a_connection_that_may_not_be_used_again_is_not(answer: bytes) -> None:
    with server(answer, answer) as (url, asked), closing(PlainSession("alice")) as session:
        for _ in range(2):
            assert session.request("GET", url, timeout_s=10).body == b"{}"
    assert len(asked) == 2


def test_an_idle_connection_is_not_trusted_for_long() -> None:
    """A firewall has dropped it without a word: who asks over it waits in vain."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    now = [0.0]
    with server(answer, answer, linger=True, at_once=True) as (url, asked):
        with closing(PlainSession("alice", clock=lambda: now[0])) as session:
            for _ in range(2):
                assert session.request("GET", url, timeout_s=10).body == b"{}"
                now[0] += 6
        assert len(asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["length", "continue", "chunks"],
)
def test_a_write_is_answered_when_its_answer_is_there_though_a_gateway_does_not_hang_up(answer: bytes) -> None:
    with server(answer, linger=True) as (url, _), closing(PlainSession("alice")) as session:
        reply = session.request("POST", url, body=b"{}", timeout_s=20)
        assert (reply.status, reply.body) == (202, b"{}")


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    with server(b"HTTP/1.1 304 Not Modified\r\n\r\n", linger=True) as (url, _):
        assert ask(url, timeout_s=20) == (304, b"")


def put(url: str, body: bytes | None = b"data") -> tuple[int, bytes]:
    with closing(PlainSession("alice")) as session:
        reply = session.request("PUT", f"{url}/file", body=body, headers={"Content-Type": "a/b"}, timeout_s=10)
        return reply.status, reply.body


def test_a_write_needs_no_more_than_a_question(rm: CannedResourceManager) -> None:
    one = rm.add("job", user="alice", steps=[("RUNNING", "UNDEFINED", {})])
    path = f"{rm.url}/ws/v1/cluster/apps/{one}/state"
    with closing(PlainSession("alice")) as session:
        reply = session.request("PUT", path, body=b'{"state": "KILLED"}', timeout_s=10)
        assert reply.status == 202
        assert session.request("GET", path, timeout_s=10).json() == {"state": "KILLED"}
    assert rm.kills == [(one, "alice")]


@pytest.mark.parametrize("body", [b"data", b"", None])
def test_what_a_write_sends(body: bytes | None) -> None:
    with server(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        assert put(url, body) == (201, b"")
    head, _, sent = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /file?user.name=alice HTTP/1.0\r\n") and b"Content-Type: a/b" in head
    assert sent == (body or b"") and f"Content-Length: {len(sent)}".encode() in head


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n", b"{}abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n??", b"??"),
    ],
    ids=["continue", "chunks", "encoded"],
)
def test_a_write_is_sent_once_whatever_its_answer_looks_like(answer: bytes, body: bytes) -> None:
    with server(answer) as (url, asked):
        assert put(url) == (200, body)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
)
def test_a_write_whose_answer_is_lost_is_not_sent_again(answer: bytes) -> None:
    with server(answer) as (url, asked), pytest.raises(ClusterUnreachable) as caught:
        put(url)
    assert len(asked) == 1 and not isinstance(caught.value, CannotConnect)


def test_the_answers_of_a_resource_manager(rm: CannedResourceManager) -> None:
    with closing(PlainSession("alice")) as session:
        info = f"{rm.url}/ws/v1/cluster/info"
        assert session.request("GET", info, timeout_s=10).json()["clusterInfo"]["haState"] == "ACTIVE"
        rm.mode = Mode.BROKEN
        with pytest.raises(ClusterUnreachable):
            session.request("GET", info, timeout_s=10)
        rm.mode = Mode.NONE_ACTIVE
        assert session.request("GET", f"{rm.url}/ws/v1/cluster/apps", timeout_s=10).status == 307
