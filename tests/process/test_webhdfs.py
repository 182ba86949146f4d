"""WebHDFS against a canned NameNode and DataNode: whole files or none, the right next NameNode, the server's words."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from batch_submit.adapters.http import RequestsSession, StdlibSession
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    MissingFile,
    NotFound,
    UsageError,
)
from tests.process.canned_webhdfs import TOKEN, CannedWebHdfs, Node, Plain, Remote

GOLDEN = Path(__file__).parents[1] / "golden" / "webhdfs"
STANDBY = Remote(403, "StandbyException", "Operation category READ is not supported in state standby.")
SAFE_MODE = Remote(
    403, "SafeModeException", "Cannot create file. Name node is in safe mode.\nIt was turned on manually."
)
DENIED = Remote(403, "AccessControlException", 'Permission denied: user=alice, access=WRITE, inode="/":root:supergroup')
QUOTA = Remote(403, "DSQuotaExceededException", "The DiskSpace quota of /user/alice is exceeded: quota = 1 B")
HTML = Plain(500, b"<html><body>Proxy Error</body></html>")
JSON_OF_ANOTHER = Plain(500, b'{"error": "x"}')
NO_TICKET = Plain(401, b"<html>Authentication required</html>", {"WWW-Authenticate": "Negotiate"})
DEST = "/user/alice/a b+c;d%e.zip"


@pytest.fixture
def server() -> Iterator[CannedWebHdfs]:
    with CannedWebHdfs() as canned:
        yield canned


@pytest.fixture
def make() -> Iterator[Callable[..., WebHdfs]]:
    with ExitStack() as stack:

        def made(*urls: str, user: str | None = "alice") -> WebHdfs:
            session = StdlibSession(user)
            stack.callback(session.close)
            client = WebHdfs(urls, session, user=user, timeout_s=5, data_timeout_s=5)
            stack.callback(client.close)
            return client

        yield made


@pytest.fixture
def hdfs(server: CannedWebHdfs, make: Callable[..., WebHdfs]) -> WebHdfs:
    return make(server.url)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "job.zip"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def leftovers(server: CannedWebHdfs) -> list[str]:
    return [name for name in server.nodes if name.endswith(".uploading")]


def test_look(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    server.nodes["/user/alice/ü"] = Node(b"abc", permission="640")

    status = hdfs.status("/user/alice/ü")

    assert (status.length, status.is_folder, status.owner, status.permission) == (3, False, "alice", "640")
    assert hdfs.status("/user").is_folder
    assert hdfs.exists("/user") and not hdfs.exists("/nope")
    with pytest.raises(NotFound, match="no such file"):
        hdfs.status("/nope")
    assert server.asked[0][3]["user.name"] == "alice"


def test_the_canned_server_answers_in_the_real_shape(server: CannedWebHdfs) -> None:
    real = json.loads((GOLDEN / "list_3.5.json").read_text())["FileStatuses"]["FileStatus"]
    server.nodes["/user/alice/two"] = Node(b"hello")
    _, answer, _ = server.perform("GET", "/user/alice", {"op": "LISTSTATUS"}, b"")
    (canned,) = answer["FileStatuses"]["FileStatus"]

    assert {name: type(value) for name, value in canned.items()} == {
        name: type(value) for name, value in real[2].items()
    }
    assert (canned["type"], canned["pathSuffix"], canned["length"]) == ("FILE", "two", 5)


@pytest.mark.parametrize(
    ("golden", "kind", "words"),
    [
        ("denied", ClusterRefused, "refuses access to user alice"),
        ("not_found", NotFound, "no such file"),
        ("quota", ClusterRefused, "quota is exceeded"),
        ("rename_taken", ClusterRefused, "FileAlreadyExistsException"),
        ("safe_mode", ClusterUnreachable, "safe mode"),
    ],
)
def test_recorded_errors(
    golden: str, kind: type[BatchSubmitError], words: str, hdfs: WebHdfs, server: CannedWebHdfs
) -> None:
    remote = json.loads((GOLDEN / f"{golden}_3.5.json").read_text())["RemoteException"]
    server.fail = {"*": Remote(404 if golden == "not_found" else 403, remote["exception"], remote["message"])}

    for call in (lambda: hdfs.status("/x"), lambda: hdfs.list("/x")):
        with pytest.raises(kind, match=words):
            call()


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_upload(size: int, hdfs: WebHdfs, server: CannedWebHdfs, tmp_path: Path) -> None:
    local = tmp_path / "x"
    local.write_bytes(b"z" * size)
    seen: list[tuple[int, int]] = []

    assert hdfs.upload(local, DEST, progress=lambda done, total: seen.append((done, total))) == size

    assert server.nodes[DEST].data == b"z" * size
    assert leftovers(server) == []
    assert seen == sorted(seen) and (not size or seen[-1] == (size, size))


def test_upload_writes_beside_and_renames(hdfs: WebHdfs, server: CannedWebHdfs, local: Path) -> None:
    hdfs.upload(local, DEST)

    created = {path for _, path, operation, _ in server.asked if operation == "CREATE"}
    assert len(created) == 1
    assert next(iter(created)).startswith("/user/alice/.a b+c;d%e.zip.")
    operations = server.operations()
    assert operations.index("GETFILESTATUS", operations.index("CREATE")) < operations.index("RENAME")


def test_upload_onto_what_is_there(hdfs: WebHdfs, server: CannedWebHdfs, local: Path) -> None:
    server.nodes[DEST] = Node(b"old")

    with pytest.raises(ClusterRefused, match="exists already"):
        hdfs.upload(local, DEST)
    assert server.nodes[DEST].data == b"old"
    assert "CREATE" not in server.operations()

    hdfs.upload(local, DEST, overwrite=True)
    assert server.nodes[DEST].data == local.read_bytes()
    with pytest.raises(ClusterRefused, match="a folder has this name"):
        hdfs.upload(local, "/user/alice", overwrite=True)


def test_a_rival_between_look_and_rename_is_not_overwritten(
    hdfs: WebHdfs, server: CannedWebHdfs, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.nodes[DEST] = Node(b"rival")
    monkeypatch.setattr(hdfs, "_refuse_taken", lambda dest, overwrite: None)

    with pytest.raises(ClusterRefused, match="already exists"):
        hdfs.upload(local, DEST)

    assert server.nodes[DEST].data == b"rival"
    assert leftovers(server) == []


def test_a_silently_empty_file_is_found_out(hdfs: WebHdfs, server: CannedWebHdfs, local: Path) -> None:
    server.swallow_data = True

    with pytest.raises(ClusterUnreachable, match="HDFS holds 0 of the 1048576 bytes"):
        hdfs.upload(local, DEST)

    assert DEST not in server.nodes and leftovers(server) == []


def test_a_lost_reply_of_the_rename_is_looked_up(hdfs: WebHdfs, server: CannedWebHdfs, local: Path) -> None:
    server.lose_reply_of = {"RENAME"}

    assert hdfs.upload(local, DEST) == 1048576
    assert server.nodes[DEST].data == local.read_bytes()

    with pytest.raises(ClusterUnreachable):
        hdfs.rename(DEST, "/user/alice/other")


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (DENIED, ClusterRefused, "refuses access to user alice"),
        (QUOTA, ClusterRefused, "quota"),
        (SAFE_MODE, ClusterUnreachable, "safe mode"),
        (HTML, ClusterUnreachable, "500|not one of WebHDFS|not from a working"),
        (JSON_OF_ANOTHER, ClusterUnreachable, "not one of WebHDFS"),
        (NO_TICKET, HostNotReady, "kinit"),
        (STANDBY, ClusterUnreachable, "no NameNode is active"),
        (Remote(403, "RetriableException", "x: Name node is in safe mode."), ClusterUnreachable, "safe mode"),
        (Remote(403, "IOException", ""), ClusterRefused, "IOException"),
    ],
)
def test_upload_cleans_up_and_says_why(
    failure: Remote | Plain,
    kind: type[BatchSubmitError],
    words: str,
    hdfs: WebHdfs,
    server: CannedWebHdfs,
    local: Path,
) -> None:
    server.fail = {"CREATE": failure}

    with pytest.raises(kind, match=words) as caught:
        hdfs.upload(local, DEST)

    assert not isinstance(caught.value, NotFound)
    assert DEST not in server.nodes and leftovers(server) == []
    assert caught.value.__cause__ is not None
    if isinstance(failure, Remote) and failure.exception == "AccessControlException":
        assert caught.value.where == DEST
        assert "Permission denied: user=alice" in str(caught.value)


def test_a_local_file_that_is_missing(hdfs: WebHdfs, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="nope"):
        hdfs.upload(tmp_path / "nope", DEST)


def test_rename_is_won_once(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    hdfs.write_bytes("/user/alice/.a", b"a")
    hdfs.write_bytes("/user/alice/.b", b"b")

    assert hdfs.rename("/user/alice/.a", "/user/alice/claim") is True
    assert hdfs.rename("/user/alice/.b", "/user/alice/claim") is False
    assert server.nodes["/user/alice/claim"].data == b"a"
    with pytest.raises(ClusterRefused, match="FileAlreadyExistsException") as caught:
        hdfs.write_bytes("/user/alice/claim", b"c")
    assert "\tat " not in str(caught.value), "no Java stack trace"


def test_folders_reading_listing_deleting(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    hdfs.mkdirs("/user/alice/x/y", "700")
    hdfs.write_bytes("/user/alice/x/b", b"0123456789")
    hdfs.write_bytes("/user/alice/x/a", b"")
    hdfs.set_permission("/user/alice/x/b", "600")

    assert [(item.path, item.is_folder, item.length) for item in hdfs.list("/user/alice/x")] == [
        ("/user/alice/x/a", False, 0),
        ("/user/alice/x/b", False, 10),
        ("/user/alice/x/y", True, 0),
    ]
    assert [item.path for item in hdfs.list("/user/alice/x/b")] == ["/user/alice/x/b"]
    assert server.nodes["/user/alice/x/b"].permission == "600"
    assert hdfs.read_bytes("/user/alice/x/b", 4) == b"0123"
    assert hdfs.read_bytes("/user/alice/x/b", 0) == b""
    assert hdfs.home() == "/user/alice"
    with pytest.raises(ClusterRefused, match="non empty"):
        hdfs.delete("/user/alice/x")
    assert hdfs.delete("/user/alice/x", recursive=True) is True
    assert hdfs.delete("/user/alice/x") is False


def test_read_what_can_not_be_read(hdfs: WebHdfs) -> None:
    with pytest.raises(NotFound):
        hdfs.read_bytes("/nope", 10)
    with pytest.raises(NotFound):
        hdfs.list("/nope")
    with pytest.raises(NotFound):
        list(hdfs.open_range("/nope"))
    with pytest.raises(ClusterRefused, match="this is a folder"):
        list(hdfs.open_range("/user"))
    with pytest.raises(ClusterRefused, match="this is a folder"):
        hdfs.read_bytes("/user", 10)


def test_a_range_in_pieces(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    content = bytes(range(256)) * 4096
    server.nodes[DEST] = Node(content)

    assert b"".join(hdfs.open_range(DEST)) == content
    assert b"".join(hdfs.open_range(DEST, 1000)) == content[1000:]
    assert b"".join(hdfs.open_range(DEST, 1000, 500)) == content[1000:1500]
    pieces = list(hdfs.open_range(DEST, 5))
    assert len(pieces) > 1 and max(map(len, pieces)) <= 1 << 18
    asked = len(server.asked)
    assert list(hdfs.open_range(DEST, 5, 0)) == []
    assert len(server.asked) == asked


def test_a_range_from_httpfs_which_has_no_datanodes(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    server.nodes[DEST] = Node(b"0123456789")
    server.redirect = False

    assert b"".join(hdfs.open_range(DEST, 2, 3)) == b"234"
    assert len(server.asked) == 1


def test_a_datanode_that_is_gone_is_excluded(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    with CannedWebHdfs() as gone:
        dead = f"127.0.0.1:{gone.port}"
    server.nodes[DEST] = Node(b"0123456789")
    server.datanodes = [dead]

    assert b"".join(hdfs.open_range(DEST, 2)) == b"23456789"
    assert server.asked[1][3]["excludedatanodes"] == dead

    server.datanodes = ["127.0.0.1:1", "127.0.0.1:9", dead]
    with pytest.raises(ClusterUnreachable, match="no connection") as caught:
        list(hdfs.open_range(DEST))
    assert "DataNodes' host names" in caught.value.next_step
    assert TOKEN not in str(caught.value)


def test_a_range_of_a_standby_comes_from_the_next(make: Callable[..., WebHdfs], server: CannedWebHdfs) -> None:
    server.nodes[DEST] = Node(b"0123456789")
    with CannedWebHdfs() as standby:
        standby.fail = {"*": STANDBY}

        assert b"".join(make(standby.url, server.url).open_range(DEST)) == b"0123456789"


def test_a_range_that_breaks_off(hdfs: WebHdfs, server: CannedWebHdfs) -> None:
    server.nodes[DEST] = Node(b"x" * 1_000_000)
    server.cut_data_after = 300_000
    got = bytearray()

    with pytest.raises(ClusterUnreachable, match="broke off after 300000 bytes") as caught:
        for piece in hdfs.open_range(DEST):
            got += piece

    assert len(got) == 300_000
    assert TOKEN not in str(caught.value)


def test_nothing_is_written_in_nobodys_name(make: Callable[..., WebHdfs], server: CannedWebHdfs, local: Path) -> None:
    hdfs = make(server.url, user=None)

    for call in (lambda: hdfs.upload(local, DEST), lambda: hdfs.delete(DEST), lambda: hdfs.mkdirs(DEST)):
        with pytest.raises(UsageError, match="in whose name"):
            call()
    assert server.asked == []


def test_the_root_is_not_deleted(hdfs: WebHdfs) -> None:
    with pytest.raises(UsageError, match="refusing"):
        hdfs.delete("/user/..", recursive=True)


def test_a_standby_passes_on_to_the_next(make: Callable[..., WebHdfs], server: CannedWebHdfs, local: Path) -> None:
    with CannedWebHdfs() as standby:
        standby.fail = {"*": STANDBY}
        hdfs = make(standby.url, server.url)

        hdfs.upload(local, DEST)
        before = len(standby.asked)
        assert hdfs.exists(DEST)

        assert server.nodes[DEST].data == local.read_bytes()
        assert len(standby.asked) == before, "the active one is remembered"

        server.fail = {"*": STANDBY}
        with pytest.raises(ClusterUnreachable, match="no NameNode is active"):
            hdfs.status("/user")


def test_a_dead_one_passes_on_to_the_next(make: Callable[..., WebHdfs], server: CannedWebHdfs) -> None:
    with CannedWebHdfs() as gone:
        dead_url = gone.url
    server.nodes["/user/alice/a"] = Node(b"")
    hdfs = make(dead_url, server.url)

    assert hdfs.rename("/user/alice/a", "/user/alice/b") is True
    assert hdfs.exists("/user/alice/b")

    with pytest.raises(ClusterUnreachable, match="no NameNode answers"):
        make(dead_url).exists("/")
    with pytest.raises(ClusterUnreachable):
        make(dead_url).list("/")


FAILURES = [STANDBY, SAFE_MODE, DENIED, QUOTA, HTML, JSON_OF_ANOTHER, NO_TICKET, Plain(200, b""), Plain(200, b"[]"),
            Plain(200, b"{}"), Plain(404, b"<html>"), Plain(403, b'{"RemoteException": {"message": null}}'),
            Plain(307, b"")]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
def test_no_foreign_exception_leaks(failure: Remote | Plain, hdfs: WebHdfs, server: CannedWebHdfs, local: Path) -> None:
    server.fail = {"*": failure}
    calls: list[Callable[[], object]] = [
        lambda: hdfs.status("/x"),
        lambda: hdfs.upload(local, DEST),
        lambda: hdfs.write_bytes("/x", b"1"),
        lambda: hdfs.mkdirs("/x"),
        lambda: hdfs.list("/x"),
        lambda: hdfs.read_bytes("/x", 1),
        lambda: list(hdfs.open_range("/x")),
        lambda: hdfs.delete("/x"),
        lambda: hdfs.rename("/x", "/y"),
        lambda: hdfs.set_permission("/x", "700"),
        hdfs.home,
    ]
    for call in calls:
        try:
            call()
        except BatchSubmitError as error:
            assert error.exit_code in (3, 4, 5)
            assert TOKEN not in str(error)


def test_tokens_are_not_logged(
    hdfs: WebHdfs, server: CannedWebHdfs, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    hdfs.upload(local, DEST)
    hdfs.read_bytes(DEST, 10)

    assert "delegation=***" in caplog.text
    assert TOKEN not in caplog.text


def test_tokens_are_not_logged_with_kerberos_either(server: CannedWebHdfs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.nodes[DEST] = Node(b"0123456789")

    with closing(RequestsSession(auth_factory=lambda: None)) as session:
        assert b"".join(WebHdfs([server.url], session, user="alice").open_range(DEST, 1, 3)) == b"123"

    assert "delegation=***" in caplog.text
    assert TOKEN not in caplog.text


def test_proxies_of_the_environment_are_not_used(hdfs: WebHdfs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert hdfs.list("/user")


def test_no_namenode_at_all(make: Callable[..., WebHdfs]) -> None:
    with pytest.raises(HostNotReady, match="names no NameNode"):
        make()
