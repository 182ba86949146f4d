"""The shared folder over a NameNode of paper: one question where all is there, one winner, nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterRefused, ClusterUnreachable, UsageError
from batch_submit.plan.shared import digest_of, shared_name
from tests.process.canned_webhdfs import CannedWebHdfs, Node, Remote

FOLDER = "/user/alice/.batch-submit/shared"
DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_795_251_676_610  # when the canned server's files were written
CONTENT = b"a package" * 100
NAME = shared_name("ml_pipeline_framework.zip", digest_of(CONTENT))


@pytest.fixture
def server() -> Iterator[CannedWebHdfs]:
    with CannedWebHdfs() as server:
        yield server


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "ml_pipeline_framework.zip"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def session() -> Iterator[StdlibSession]:
    with closing(StdlibSession("alice")) as session:
        yield session


@pytest.fixture
def folder(server: CannedWebHdfs, session: StdlibSession) -> SharedFolder:
    return opened(server, session)


def opened(server: CannedWebHdfs, session: StdlibSession, now_ms: int = NOW_MS) -> SharedFolder:
    return SharedFolder(WebHdfs([server.url], session, user="alice"), session, FOLDER, lambda: now_ms)


def names(server: CannedWebHdfs) -> list[str]:
    return [path.removeprefix(f"{FOLDER}/") for path in server.nodes if path.startswith(f"{FOLDER}/")]


def test_the_first_puts_it_there_and_the_second_asks_once(
    server: CannedWebHdfs, session: StdlibSession, folder: SharedFolder, local: Path
) -> None:
    put = folder.provide(local)
    assert (put.path, put.length, put.permission) == (f"{FOLDER}/{NAME}", len(CONTENT), "644")
    assert names(server) == [NAME] and server.nodes[f"{FOLDER}/{NAME}"].data == CONTENT
    assert server.nodes[FOLDER].permission == "755"
    server.asked.clear()
    again = opened(server, session)
    assert again.provide(local) == put and again.provide(local) == put
    assert server.operations() == ["LISTSTATUS", "GETFILESTATUS"], "the list, and whether others may write there"


def test_a_rival_that_came_first_wins_and_nothing_of_ours_stays(
    server: CannedWebHdfs, folder: SharedFolder, local: Path
) -> None:
    assert folder.files() == {}
    server.nodes |= {FOLDER: Node(), f"{FOLDER}/{NAME}": Node(CONTENT, permission="644")}
    held, won = folder.add(NAME, CONTENT)
    assert not won and held.length == len(CONTENT) and names(server) == [NAME]


def test_many_at_the_same_time_leave_one_file(server: CannedWebHdfs, local: Path) -> None:
    together, told = threading.Barrier(6), []

    def put() -> None:
        with closing(StdlibSession("alice")) as session:
            folder = opened(server, session)
            folder.files()
            together.wait(20)
            told.append(folder.add(NAME, CONTENT)[1])

    threads = [threading.Thread(target=put) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(told) == [False] * 5 + [True] and names(server) == [NAME]


def test_a_lost_reply_to_the_rename_is_no_failure(server: CannedWebHdfs, folder: SharedFolder, local: Path) -> None:
    server.lose_reply_of = {"RENAME"}
    assert folder.provide(local).length == len(CONTENT)
    assert names(server) == [NAME]


def test_data_that_did_not_arrive_is_never_given_the_name(
    server: CannedWebHdfs, folder: SharedFolder, local: Path
) -> None:
    server.swallow_data = True
    with pytest.raises(ClusterUnreachable, match="0 of the"):
        folder.provide(local)
    assert names(server) == []


def test_another_file_under_the_name_is_told_and_not_used(
    server: CannedWebHdfs, folder: SharedFolder, local: Path
) -> None:
    server.nodes |= {FOLDER: Node(), f"{FOLDER}/{NAME}": Node(b"short", permission="644")}
    with pytest.raises(ClusterRefused, match="5 bytes, and what its name tells has 900"):
        folder.provide(local)


def test_a_folder_that_everybody_may_write_to_is_not_used(
    server: CannedWebHdfs, folder: SharedFolder, local: Path
) -> None:
    server.nodes |= {FOLDER: Node(permission="1777"), f"{FOLDER}/{NAME}": Node(CONTENT, permission="644")}
    with pytest.raises(UsageError, match="everybody may write") as caught:
        folder.provide(local)
    assert "chmod o-w" in caught.value.next_step


def test_a_use_is_noted_once_a_day_and_leaves_the_time_that_yarn_compares(
    server: CannedWebHdfs, session: StdlibSession, folder: SharedFolder, local: Path
) -> None:
    node_path = folder.provide(local).path
    assert "SETTIMES" not in server.operations()
    later_ms = NOW_MS + 3 * DAY_MS
    opened(server, session, later_ms).provide(local)
    node = server.nodes[node_path]
    assert (node.modified_ms, node.accessed_ms) == (NOW_MS, later_ms)
    server.asked.clear()
    opened(server, session, later_ms + DAY_MS - 1).provide(local)
    assert "SETTIMES" not in server.operations()


def test_of_a_file_of_somebody_else_hdfs_itself_notes_the_reading(
    server: CannedWebHdfs, session: StdlibSession, local: Path
) -> None:
    server.nodes |= {FOLDER: Node(owner="bob"), f"{FOLDER}/{NAME}": Node(CONTENT, permission="644", owner="bob")}
    assert opened(server, session, NOW_MS + 3 * DAY_MS).provide(local).length == len(CONTENT)
    assert server.operations()[-2:] == ["SETTIMES", "OPEN"]


def test_what_is_swept_between_list_and_use_is_put_there_again(
    server: CannedWebHdfs, session: StdlibSession, folder: SharedFolder, local: Path
) -> None:
    place = folder.provide(local).path
    late = opened(server, session, NOW_MS + 3 * DAY_MS)
    assert NAME in late.files()
    del server.nodes[place]
    assert late.provide(local).length == len(CONTENT) and names(server) == [NAME]


def test_visibility_is_public_where_everybody_gets_at_it(
    server: CannedWebHdfs, session: StdlibSession, folder: SharedFolder, local: Path
) -> None:
    held = folder.provide(local)
    assert folder.visibility.of(held) == "PUBLIC"
    server.nodes["/user/alice"].permission = "700"
    private = opened(server, session)
    assert private.visibility.of(private.provide(local)) == "PRIVATE"


def test_a_judged_file_that_is_used_meanwhile_stays(
    server: CannedWebHdfs, session: StdlibSession, folder: SharedFolder, local: Path
) -> None:
    folder.provide(local)
    (judged,) = folder.entries()
    opened(server, session, NOW_MS + 3 * DAY_MS).provide(local)
    assert not folder.delete_unless_used(judged) and names(server) == [NAME]
    (judged,) = opened(server, session).entries()
    assert folder.delete_unless_used(judged) and names(server) == []
    assert not folder.delete_unless_used(judged)


def test_whether_access_times_are_kept(server: CannedWebHdfs, folder: SharedFolder, local: Path) -> None:
    held = folder.provide(local)
    assert folder.keeps_access_times(held)
    server.keeps_access_times = False
    assert not folder.keeps_access_times(held)
    server.fail["SETTIMES"] = Remote(403, "AccessControlException", "Permission denied: user=alice")
    with pytest.raises(ClusterRefused):
        folder.keeps_access_times(held)
