"""What a transfer copies, skips and refuses; temporary names; HDFS's checksum from local bytes; files written whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters import hdfs_checksum
from batch_submit.adapters.hdfs_checksum import HdfsChecksum, has_checksum, read_checksum
from batch_submit.adapters.local_store import LocalStore, write_whole
from batch_submit.adapters.temporary_names import is_alive, own_temporary, this_host
from batch_submit.adapters.webhdfs_admin import HdfsStore
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady, UsageError
from batch_submit.plan.transfer import (
    FOREIGN_TEMPORARY_MS,
    Item,
    TransferPlan,
    destination,
    hdfs_name_problem,
    is_left_behind,
    name_hash,
    plan_transfer,
    read_temporary_name,
    server_name_problem,
    settle,
    temporary_name,
)
from batch_submit.render.storage import transfer_json, transfer_lines

GOLDEN = Path(__file__).parents[1] / "golden" / "webhdfs"
SOURCE = (Item("", True), Item("a", False, 3), Item("d", True), Item("d/b", False, 5), Item("e", False, 0))


def there(*items: Item) -> dict[str, Item]:
    return {item.name: item for item in items}


def test_into_nothing_everything_goes() -> None:
    plan = plan_transfer(SOURCE, {}, overwrite=False)
    assert [item.name for item in plan.folders] == ["", "d"]
    assert [item.name for item in plan.copy] == ["a", "d/b", "e"]
    assert plan.compare == plan.conflicts == ()


def test_only_the_content_tells_files_of_one_length_apart() -> None:
    plan = plan_transfer(SOURCE, there(*SOURCE), overwrite=False)
    assert [item.name for item in plan.compare] == ["a", "d/b", "e"] and plan.folders == plan.copy == ()

    settled = settle(plan, [True, False, True], overwrite=False)
    assert [item.name for item in settled.skip] == ["a", "e"] and settled.copy == ()
    assert settled.conflicts == ("d/b: another file of the same length is there",)

    settled = settle(plan, [True, False, True], overwrite=True)
    assert ([item.name for item in settled.copy], settled.conflicts) == (["d/b"], ())
    assert (settled.copy_bytes, settled.skip_bytes) == (5, 3)


def test_another_length_needs_overwrite() -> None:
    found = there(Item("", True), Item("a", False, 4))
    (told,) = plan_transfer(SOURCE, found, overwrite=False).conflicts
    assert told == "a: another file is there, of 4 bytes instead of 3"
    assert "a" in [item.name for item in plan_transfer(SOURCE, found, overwrite=True).copy]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_and_a_file_never_replace_each_other(overwrite: bool) -> None:
    found = there(
        Item("", True), Item("a", True), Item("d", False, 9), Item("e", False, problem="is a link to a folder")
    )
    plan = plan_transfer(SOURCE, found, overwrite=overwrite)
    assert plan.conflicts == (
        "a: a folder is there, and this is a file",
        "d: a file is there, and this is a folder",
        "e: is a link to a folder",
    )
    (told,) = plan_transfer([Item("", False, 1)], there(Item("", True)), overwrite=overwrite).conflicts
    assert told == "a folder is there, and this is a file"


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("x", "x"),
        ("x/", "x/src"),
        ("/a/b", "/a/b"),
        (".", "./src"),
        ("..", "../src"),
        ("a/.", "a/./src"),
        ("/", "/src"),
    ],
)
def test_a_destination_that_ends_in_a_slash_is_a_folder_to_put_it_into(typed: str, full: str) -> None:
    assert destination(typed, "src") == full


@pytest.mark.parametrize("name", ["a b", "p%20q+r;s", "ümläut", "a\nb", "#?*[{", "a#LATEST.csv", "c\\d", ".hidden"])
def test_names_that_hdfs_holds(name: str) -> None:
    assert hdfs_name_problem(f"dir/{name}") == ""


@pytest.mark.parametrize("name", ["10:30.csv", "d:/x", ".snapshot", "x#LATEST", "#LATEST{2}/x", "\udcff"])
def test_names_that_hdfs_can_not_hold(name: str) -> None:
    assert hdfs_name_problem(name)


def test_names_of_a_server_that_would_lead_out_of_the_folder() -> None:
    assert all(server_name_problem(name) for name in ("", ".", "..", "a/b", "/etc/passwd", "a\0b"))
    assert not any(server_name_problem(name) for name in ("a b", "...", "..a", "ü"))


def test_a_temporary_name_tells_whose_it_is() -> None:
    name = temporary_name("ü" * 120, "0123abcd", 4711, 99)
    found = read_temporary_name(name)
    assert found is not None and len(name) < 80
    assert (found.name_hash, found.host, found.pid, found.started) == (name_hash("ü" * 120), "0123abcd", 4711, 99)
    assert read_temporary_name(".a.0123456789ab.uploading") is None


@pytest.mark.parametrize(
    ("host", "alive", "age_ms", "left"),
    [
        ("0123abcd", True, FOREIGN_TEMPORARY_MS * 9, False),
        ("0123abcd", False, 0, True),
        ("ffffffff", False, FOREIGN_TEMPORARY_MS, False),
        ("ffffffff", False, FOREIGN_TEMPORARY_MS + 1, True),
    ],
)
def test_who_leaves_a_temporary_file_behind(host: str, alive: bool, age_ms: int, left: bool) -> None:
    temporary = read_temporary_name(temporary_name("x", host, 1, 1))
    assert temporary is not None
    item = Item("t", False, modified_ms=1000)
    assert is_left_behind(item, temporary, host="0123abcd", alive=alive, now_ms=1000 + age_ms) is left


def test_this_process_lives_and_one_that_ended_does_not() -> None:
    ours = read_temporary_name(own_temporary("x"))
    assert ours is not None and ours.pid == os.getpid() and is_alive(ours)
    reused = read_temporary_name(temporary_name("x", this_host(), ours.pid, ours.started + 1))
    assert reused is not None and not is_alive(reused)
    code = "from batch_submit.adapters.temporary_names import own_temporary; print(own_temporary('x'))"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    ended = read_temporary_name(done.stdout.strip())
    assert ended is not None and ended.name_hash == ours.name_hash and not is_alive(ended)


BYTES = bytes(range(256))


@pytest.mark.parametrize(("recorded", "content"), [("one_block", BYTES * 5), ("blocks", BYTES * (4097 * 2) + b"end")])
def test_the_checksum_that_hdfs_gave_for_these_bytes(recorded: str, content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    reply = json.loads((GOLDEN / f"checksum_{recorded}_3.5.json").read_text())["FileChecksum"]
    checksum = read_checksum(reply)
    assert checksum is not None and checksum.castagnoli
    local = tmp_path / "f"
    local.write_bytes(content)
    assert has_checksum(local, checksum) is True
    for changed in (content[:-1], content + b"\0", b"\1" + content[1:], content[:-1] + b"\0"):
        local.write_bytes(changed)
        assert has_checksum(local, checksum) is False


def test_checksums_that_we_leave_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = json.loads((GOLDEN / "checksum_empty_3.5.json").read_text())["FileChecksum"]
    one = json.loads((GOLDEN / "checksum_one_block_3.5.json").read_text())["FileChecksum"]
    composite = {"algorithm": "COMPOSITE-CRC32C", "bytes": "00000000", "length": 4}
    for reply in (empty, composite, {}, {**one, "bytes": "zz"}, {**one, "bytes": "00"}):
        assert read_checksum(reply) is None
    local = tmp_path / "f"
    local.write_bytes(BYTES)
    monkeypatch.setattr(hdfs_checksum, "_crc32c_chunks", lambda: None)  # numpy is not installed
    assert has_checksum(local, HdfsChecksum(0, 512, True, b"")) is None
    assert has_checksum(local, HdfsChecksum(0, 512, False, b"")) is False


class Recorded:
    """Answers as a NameNode did."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        self.reply = reply

    def ask(self, method: str, path: str, op: str, **params: str) -> Mapping[str, Any]:
        return self.reply


def test_a_recorded_page_of_a_folder() -> None:
    reply = json.loads((GOLDEN / "list_batch_3.5.json").read_text(encoding="utf-8"))
    items = {item.name: item for item in HdfsStore(Recorded(reply)).list("/user/st/t")}  # type: ignore[arg-type]
    assert {"ä %+;#?*[{", "a\nb", "a\\b"} <= set(items)
    assert (items["a\nb"].is_folder, items["a\nb"].owner, items["a\nb"].mode) == (True, "alice", "755")


def test_a_namenode_that_repeats_a_page_is_not_asked_for_ever() -> None:
    page = {"FileStatuses": {"FileStatus": [{"pathSuffix": "a", "type": "FILE"}]}}
    reply = {"DirectoryListing": {"partialListing": page, "remainingEntries": 1}}
    store = HdfsStore(Recorded(reply))  # type: ignore[arg-type]
    with pytest.raises(ClusterUnreachable, match="same page again"):
        list(store.list("/x"))


@pytest.mark.parametrize("reply", [{}, {"FileStatus": []}, {"DirectoryListing": None}, {"DirectoryListing": {}}])
def test_an_answer_that_is_none(reply: Mapping[str, Any]) -> None:
    store = HdfsStore(Recorded(reply))  # type: ignore[arg-type]
    with pytest.raises(ClusterUnreachable, match="not one of WebHDFS"):
        list(store.list("/x"))
    with pytest.raises(ClusterUnreachable, match="not one of WebHDFS"):
        store.find("/x")


def write(target: Path, pieces: list[bytes], length: int, *, overwrite: bool = False, fail: bool = False) -> list[int]:
    done: list[int] = []

    def check(temporary: str) -> None:
        assert Path(temporary).parent == target.parent and Path(temporary).read_bytes() == b"".join(pieces)
        if fail:
            raise ClusterUnreachable("it differs")

    write_whole(pieces, target, length, temporary=".t.uploading", overwrite=overwrite, done=done.append, check=check)
    return done


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "f"
    for fails in ({"length": 5}, {"length": 4, "fail": True}):
        with pytest.raises(ClusterUnreachable):
            write(target, [b"ab", b"cd"], **fails)  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []
    assert write(target, [b"ab", b"cd"], 4) == [2, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    with pytest.raises(UsageError, match="exists already"):
        write(target, [b"x"], 1)
    assert target.read_bytes() == b"abcd"
    write(target, [b"x"], 1, overwrite=True)
    assert target.read_bytes() == b"x" and [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"p")
    (tmp_path / "link").symlink_to("precious")
    write(tmp_path / "link", [b"x"], 1, overwrite=True)
    assert (tmp_path / "precious").read_bytes() == b"p" and not (tmp_path / "link").is_symlink()


def test_what_a_local_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-folder").symlink_to("folder")
    (tmp_path / "to-nothing").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    store = LocalStore()
    items = {item.name: item for item in store.list(str(tmp_path))}
    assert list(items) == sorted(items)
    assert (items["to-file"].length, items["to-file"].is_link, items["to-file"].problem) == (3, True, "")
    assert items["folder"].is_folder and items["folder"].mode == "750"
    assert items["to-folder"].problem == "is a link to a folder"
    assert "can't be read" in items["to-nothing"].problem and "neither" in items["pipe"].problem
    found = store.find(str(tmp_path / "to-folder"))
    assert found is not None and found.is_folder  # somebody typed this one
    assert store.find(str(tmp_path / "nope")) is None and store.find(str(tmp_path / "file" / "x")) is None
    dangling = store.find(str(tmp_path / "to-nothing"))
    assert dangling is not None and dangling.problem
    with pytest.raises(HostNotReady, match="can't be made"):
        store.make_folder(str(tmp_path / "file" / "x"))
    with pytest.raises(BatchSubmitError, match="can't be read"):
        list(store.list(str(tmp_path / "nope")))


def test_what_a_transfer_answers() -> None:
    plan = TransferPlan((Item("d", True),), (Item("d/a", False, 1_500_000),), (), (Item("b", False, 7),))
    counts = {"checksum": 0, "reading": 1, "length": 0}
    (line,) = transfer_lines("/l", "hdfs://nn/d", plan, counts, dry_run=False)
    assert line == "/l -> hdfs://nn/d: 1 file, 1.5 MB copied; 1 identical, skipped; verified: 1 by reading"
    copy, skip, total = transfer_lines("/l", "/d", plan, {}, dry_run=True)
    assert copy.split() == ["copy", "1.5", "MB", "d/a"] and skip.split() == ["skip", "7", "B", "b"]
    assert total == "/l -> /d: 1 file, 1.5 MB to copy; 1 identical, skipped"
    answer = transfer_json("/l", "/d", plan, counts, dry_run=False)
    assert (answer["files"], answer["bytes"], answer["skipped"], answer["skipped_bytes"]) == (1, 1_500_000, 1, 7)
