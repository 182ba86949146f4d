"""HTTP against real sockets: every way in which it can fail becomes an error of ours."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.auth import build_session, effective_user
from batch_submit.adapters.http import (
    CannotConnect,
    Headers,
    HttpResponse,
    HttpSession,
    NotJson,
    RequestsSession,
    StdlibSession,
    masked,
)
from batch_submit.adapters.http_stream import PIECE_BYTES
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady, UsageError
from tests.process.canned_rm import CannedResourceManager, Mode

INFO = "/ws/v1/cluster/info"
WAIT_S = 5.0


def no_auth() -> Any:
    return None


SESSIONS: dict[str, Callable[[], HttpSession]] = {
    "stdlib": lambda: StdlibSession("alice"),
    "requests": lambda: RequestsSession(auth_factory=lambda: no_auth),
}


@pytest.fixture(params=sorted(SESSIONS))
def session(request: pytest.FixtureRequest) -> Iterator[HttpSession]:
    if request.param == "requests":
        made: HttpSession = RequestsSession(auth_factory=no_auth)
    else:
        made = StdlibSession("alice")
    with closing(made):
        yield made


@contextmanager
def raw_server(answer: bytes, *, hold: bool = False) -> Iterator[str]:
    """Says ``answer`` to whoever connects, then hangs up, or with ``hold`` says no more."""
    done = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(WAIT_S)
                try:
                    connection.recv(65536)
                    connection.sendall(answer)
                    if hold:
                        done.wait(WAIT_S)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        done.set()
        thread.join()
        listener.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_a_json_answer(session: HttpSession) -> None:
    with CannedResourceManager() as rm:
        reply = session.request("GET", rm.url + INFO, timeout_s=WAIT_S)

        assert reply.status == 200
        assert reply.headers["CONTENT-type"].startswith("application/json")
        assert reply.json()["clusterInfo"]["haState"] == "ACTIVE"
        assert reply.url == rm.url + INFO


def test_simple_mode_says_who_we_are_once() -> None:
    with CannedResourceManager() as rm, closing(StdlibSession("a b&c")) as session:
        session.request("GET", f"{rm.url}{INFO}?x=1", timeout_s=WAIT_S)
        session.request("GET", f"{rm.url}{INFO}?user.name=bob", timeout_s=WAIT_S)

        assert rm.asked[0].query == {"x": "1", "user.name": "a b&c"}
        assert rm.asked[1].query == {"user.name": "bob"}


def test_no_user_no_user_name() -> None:
    with CannedResourceManager() as rm, closing(StdlibSession(None)) as session:
        session.request("GET", rm.url + INFO, timeout_s=WAIT_S)

        assert rm.asked[0].query == {}


def test_a_redirect_is_an_answer(session: HttpSession) -> None:
    with CannedResourceManager() as active, CannedResourceManager(Mode.STANDBY, peer_url=active.url) as standby:
        reply = session.request("PUT", f"{standby.url}/ws/v1/cluster/apps", body=b"{}", timeout_s=WAIT_S)

        assert reply.status == 307
        assert reply.headers["location"].startswith(active.url)
        assert active.asked == []


def test_questions_share_a_connection_and_writes_do_not() -> None:
    with CannedResourceManager() as rm, closing(StdlibSession("alice")) as session:
        for _ in range(3):
            session.request("GET", rm.url + INFO, timeout_s=WAIT_S)
        assert rm.connections_made == 1

        session.request("PUT", f"{rm.url}/ws/v1/cluster/x", body=b"{}", timeout_s=WAIT_S)
        assert rm.connections_made == 2


def test_a_stale_connection_is_replaced(session: HttpSession) -> None:
    with CannedResourceManager() as rm:
        session.request("GET", rm.url + INFO, timeout_s=WAIT_S)
        rm.drop_connections()

        assert session.request("GET", rm.url + INFO, timeout_s=WAIT_S).status == 200

        rm.stop()
        rm.start()
        assert session.request("GET", rm.url + INFO, timeout_s=WAIT_S).status == 200


def test_refused(session: HttpSession) -> None:
    url = f"http://127.0.0.1:{free_port()}/secret?delegation=abc"

    with pytest.raises(CannotConnect) as caught:
        session.request("GET", url, timeout_s=WAIT_S)

    assert caught.value.where == url.partition("/secret")[0]
    assert caught.value.__cause__ is not None
    assert "abc" not in str(caught.value)


def test_no_answer_in_time(session: HttpSession) -> None:
    with CannedResourceManager(Mode.SLOW) as rm, pytest.raises(ClusterUnreachable, match=r"no answer within 0\.2 s"):
        session.request("GET", rm.url + INFO, timeout_s=0.2)


def test_a_dripping_answer_ends_at_the_deadline() -> None:
    ticks = iter(range(1000))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
    with (
        raw_server(head, hold=True) as url,
        closing(StdlibSession(None, clock=lambda: next(ticks))) as session,
        pytest.raises(ClusterUnreachable, match="no answer within 2 s"),
    ):
        session.request("GET", url, timeout_s=2)


def leaks() -> dict[str, bytes]:
    return {
        "nothing at all": b"",
        "not http": b"SSH-2.0-OpenSSH_9\r\n",
        "half a header": b"HTTP/1.1 200 OK\r\nContent-",
        "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
        "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        "a bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    }


@pytest.mark.parametrize("name", sorted(leaks()))
def test_no_foreign_exception_leaks_from_an_answer(session: HttpSession, name: str) -> None:
    with raw_server(leaks()[name]) as url:
        # What a library lets pass (half a header, a header without end) is still not JSON.
        with pytest.raises(ClusterUnreachable) as caught:
            session.request("GET", f"{url}?delegation=SECRET", timeout_s=WAIT_S).json()
        assert "SECRET" not in str(caught.value)


def streamed(session: HttpSession, url: str, timeout_s: float = WAIT_S) -> bytes:
    with session.stream("GET", url, timeout_s=timeout_s) as reply:
        return b"".join(reply)


LONG = bytes(range(256)) * 8192


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LONG) + LONG,
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(LONG) + LONG + b"beyond",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LONG) + LONG + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LONG,
    ],
    ids=["length", "length and more", "chunked", "until the end"],
)
def test_a_stream_in_pieces(session: HttpSession, answer: bytes) -> None:
    with raw_server(answer) as url, session.stream("GET", url, timeout_s=WAIT_S) as reply:
        pieces = list(reply)

        assert (reply.status, reply.url) == (200, url)
        assert b"".join(pieces) == LONG
        assert max(map(len, pieces)) <= PIECE_BYTES


def test_an_empty_stream(session: HttpSession) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        assert streamed(session, url) == b""


@pytest.mark.parametrize("name", ["half a body", "a bad chunk", "half a chunk"])
def test_a_stream_that_breaks_off(session: HttpSession, name: str) -> None:
    with raw_server(leaks()[name]) as url, pytest.raises(ClusterUnreachable, match="broke off") as caught:
        streamed(session, f"{url}?delegation=SECRET")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(leaks()))
def test_no_foreign_exception_leaks_from_a_stream(session: HttpSession, name: str) -> None:
    # A library takes half a header for an empty answer: what it holds is still not what was asked for.
    with raw_server(leaks()[name]) as url:
        try:
            assert streamed(session, url) == b""
        except ClusterUnreachable as error:
            assert error.where


def test_a_stream_waits_for_each_byte_and_no_longer(session: HttpSession) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
    with (
        raw_server(head, hold=True) as url,
        pytest.raises(ClusterUnreachable, match=r"broke off .* nothing for 0\.2 s"),
    ):
        streamed(session, url, 0.2)


def test_a_stream_to_nobody(session: HttpSession) -> None:
    with pytest.raises(CannotConnect):
        streamed(session, f"http://127.0.0.1:{free_port()}/")


def test_an_error_in_place_of_a_stream(session: HttpSession) -> None:
    with CannedResourceManager() as rm:
        with session.stream("GET", f"{rm.url}/ws/v1/cluster/apps/application_1_0001", timeout_s=WAIT_S) as reply:
            failure = reply.failure()
        assert (failure.status, failure.exception) == (404, "NotFoundException")


def test_a_redirect_of_a_stream_is_an_answer(session: HttpSession) -> None:
    with CannedResourceManager() as active, CannedResourceManager(Mode.STANDBY, peer_url=active.url) as standby:
        with session.stream("GET", f"{standby.url}/ws/v1/cluster/apps", timeout_s=WAIT_S) as reply:
            assert (reply.status, reply.response().status) == (307, 307)
        assert active.asked == []


def test_a_stream_that_was_read_keeps_its_connection_and_one_that_was_left_does_not() -> None:
    with CannedResourceManager() as rm, closing(StdlibSession("alice")) as session:
        assert streamed(session, rm.url + INFO) == streamed(session, rm.url + INFO)
        assert rm.connections_made == 1

        with session.stream("GET", rm.url + INFO, timeout_s=WAIT_S):
            pass
        session.request("GET", rm.url + INFO, timeout_s=WAIT_S)
        assert rm.connections_made == 2

        rm.drop_connections()
        assert streamed(session, rm.url + INFO)


def test_a_request_within_a_stream(session: HttpSession) -> None:
    with CannedResourceManager() as rm, session.stream("GET", rm.url + INFO, timeout_s=WAIT_S) as reply:
        other = session.request("GET", rm.url + INFO, timeout_s=WAIT_S)
        assert b"".join(reply) == other.body


@pytest.mark.parametrize("mode", list(Mode))
def test_no_foreign_exception_leaks_in_any_mode(session: HttpSession, mode: Mode) -> None:
    with CannedResourceManager(mode) as rm:
        try:
            session.request("GET", f"{rm.url}/ws/v1/cluster/apps", timeout_s=0.3).json()
        except BatchSubmitError as error:
            assert error.where


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rm:8088",
        "ftp://rm",
        "http://",
        "http://rm:port/",
        "http://rm:99999/",
        "http://rm/a b",
        "http://rm/\n",
        "http://[::1",
    ],
)
def test_a_url_that_is_none(session: HttpSession, url: str) -> None:
    with pytest.raises(UsageError, match="not a usable"):
        session.request("GET", url, timeout_s=WAIT_S)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_name_that_does_not_resolve(session: HttpSession, host: str) -> None:
    with pytest.raises(ClusterUnreachable):
        session.request("GET", f"http://{host}:1/", timeout_s=WAIT_S)


def test_not_json() -> None:
    text = HttpResponse(200, Headers({"Content-Type": "text/plain"}), b"There is no active RM right now.", "http://rm/")
    broken = HttpResponse(200, Headers({"Content-Type": "application/json"}), b"{", "http://rm/")
    bare = HttpResponse(200, Headers(), b"{}", "http://rm/")

    for reply in (text, broken, bare):
        with pytest.raises(NotJson):
            reply.json()
    with pytest.raises(NotJson, match="There is no active RM"):
        text.json()


def test_an_error_page_in_words() -> None:
    page = b"<html><head><title>x</title></head><body><h2>HTTP ERROR 500</h2> delegation=abc</body></html>"

    assert HttpResponse(500, body=page).words() == ("HTTP ERROR 500 delegation=***",)
    assert masked("?a=1&delegation=xyz&b=2 hadoop.auth=u") == "?a=1&delegation=***&b=2 hadoop.auth=***"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b'{"RemoteException": null}', b'{"RemoteException": "x"}', b"<html>"]
)
def test_a_failure_of_any_shape_is_data(body: bytes) -> None:
    assert HttpResponse(500, body=body).failure().exception == ""


def test_tls_towards_a_plain_port(session: HttpSession) -> None:
    with CannedResourceManager() as rm, pytest.raises(CannotConnect):
        session.request("GET", rm.url.replace("http:", "https:"), timeout_s=WAIT_S)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxies_of_the_environment_are_not_used(
    session: HttpSession, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with CannedResourceManager() as rm:
        assert session.request("GET", rm.url + INFO, timeout_s=WAIT_S).status == 200


def test_logins_of_the_environment_are_not_used(
    session: HttpSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password hunter2\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with CannedResourceManager() as rm:
        assert session.request("GET", rm.url + INFO, timeout_s=WAIT_S).status == 200
        assert "Authorization" not in rm.asked[0].headers


def test_one_auth_object_for_each_server() -> None:
    made: list[int] = []

    def factory() -> Any:
        made.append(1)
        return None

    with (
        CannedResourceManager() as one,
        CannedResourceManager() as two,
        closing(RequestsSession(auth_factory=factory)) as s,
    ):
        for url in (one.url, two.url, one.url):
            s.request("GET", url + INFO, timeout_s=WAIT_S)

    assert len(made) == 2


def test_kerberos_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests_kerberos", None)

    with pytest.raises(HostNotReady, match=r"pip install 'batch-submit\[kerberos\]'"):
        build_session(True, None)


def test_who_we_are() -> None:
    assert effective_user({"HADOOP_USER_NAME": "etl"}, "os", False) == "etl"
    assert effective_user({"HADOOP_USER_NAME": " "}, "os", False) == "os"
    assert effective_user({"HADOOP_USER_NAME": "etl"}, "os", True) == ""


def test_the_read_path_loads_nothing_heavy() -> None:
    code = (
        "import sys, batch_submit.adapters.resource_manager, batch_submit.adapters.auth, batch_submit.adapters.webhdfs,"
        " batch_submit.adapters.hadoop_conf, batch_submit.adapters.aggregated_logs.source;"
        " print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'requests', 'urllib3', 'hdfs', 'rich', 'yaml', 'requests_kerberos', 'click', 'six'}))"
    )

    env = {"PYTHONPATH": str(Path(__file__).parents[2] / "deploy" / "hadoop")}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True, env=env)

    assert done.stdout.strip() == "[]"
