"""``upload`` and ``download``: whole files or none, identical ones skipped, nothing replaced unasked."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_submit.adapters.temporary_names import own_temporary, this_host
from batch_submit.plan.transfer import temporary_name
from tests.process.canned_webhdfs import Node, Plain, Remote
from tests.process.door import Door, until

ROOT = "/ml-pipeline"
ODD = ("a b", "p%20q+r;s", "ümläut {1} #?*", "new\nline")


@pytest.fixture
def alice(door: Door) -> Door:
    door.env["HADOOP_USER_NAME"] = "alice"
    return door


@pytest.fixture
def source(door: Door) -> Path:
    """A folder with odd names, an empty file and an empty folder."""
    folder = door.work / "source"
    (folder / "sub dir" / "ü").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "void").write_bytes(b"")
    for at, name in enumerate(ODD):
        (folder / "sub dir" / "ü" / name).write_bytes(bytes([at]) * 100_000)
    (folder / "link").symlink_to("void")
    return folder


@pytest.fixture
def held(alice: Door) -> Iterator[threading.Event]:
    """The DataNode keeps every file and answers only when this is set."""
    event = threading.Event()
    alice.webhdfs.hold_reply_of["CREATE"] = event
    yield event
    event.set()


def leftovers(door: Door) -> list[str]:
    return [path for path in door.webhdfs.nodes if path.endswith(".uploading")]


def test_there_and_back(alice: Door, source: Path) -> None:
    up = alice.run("upload", "source", "data/input/odd", "--json")
    assert up.code == 0, up.err
    assert up.json == {
        "source": str(source),
        "destination": f"hdfs://127.0.0.1:9000{ROOT}/data/input/odd",
        "dry_run": False,
        "files": 6,
        "bytes": 400_000,
        "folders": 4,
        "skipped": 0,
        "skipped_bytes": 0,
        "verified": {"checksum": 0, "reading": 4, "length": 2},
    }
    assert alice.webhdfs.nodes[f"{ROOT}/data/input/odd/sub dir/ü/p%20q+r;s"].data == b"\1" * 100_000
    assert alice.webhdfs.nodes[f"{ROOT}/data/input/odd/empty"].data is None
    assert leftovers(alice) == []

    down = alice.run("download", "data/input/odd", "back", "--json")
    assert down.code == 0, down.err
    assert (down.json["files"], down.json["bytes"]) == (6, 400_000)
    back = alice.work / "back"
    for path in source.rglob("*"):
        copy = back / path.relative_to(source)
        assert copy.is_dir() if path.is_dir() else copy.read_bytes() == path.read_bytes()
    assert sorted(path.name for path in back.rglob("*")) == sorted(path.name for path in source.rglob("*"))


def test_what_is_identical_is_skipped_by_its_content(alice: Door, source: Path) -> None:
    assert alice.run("upload", "source", "odd").code == 0
    alice.webhdfs.asked.clear()
    again = alice.run("upload", "source", "odd", "--json")
    assert (again.code, again.json["files"], again.json["skipped"]) == (0, 0, 6)
    assert "CREATE" not in alice.webhdfs.operations()

    (source / "sub dir" / "ü" / "a b").write_bytes(b"x" * 100_000)
    (source / "void").write_bytes(b"longer")
    refused = alice.run("upload", "source", "odd")
    assert refused.code == 2 and refused.said("link: another file is there, of 0 bytes instead of 6", "--overwrite")
    (source / "void").write_bytes(b"")
    refused = alice.run("upload", "source", "odd")
    assert refused.code == 2 and refused.said("sub dir/ü/a b: another file of the same length is there")
    assert "CREATE" not in alice.webhdfs.operations()
    shown = alice.run("upload", "source", "odd", "--overwrite", "--dry-run")
    assert shown.code == 0 and "1 file, 100.0 kB to copy; 5 identical, skipped" in shown.out
    assert "CREATE" not in alice.webhdfs.operations()
    done = alice.run("upload", "source", "odd", "--overwrite", "--json")
    assert (done.code, done.json["files"], done.json["skipped"]) == (0, 1, 5)
    assert alice.webhdfs.nodes[f"{ROOT}/odd/sub dir/ü/a b"].data == b"x" * 100_000

    (alice.work / "back").mkdir()
    assert alice.run("download", "odd/void", "back/").code == 0
    assert alice.run("download", "odd/void", "back/").out.endswith("1 identical, skipped\n")
    (alice.work / "back" / "void").write_bytes(b"mine")
    refused = alice.run("download", "odd/void", "back/")
    assert refused.code == 2 and (alice.work / "back" / "void").read_bytes() == b"mine"
    assert alice.run("download", "odd/void", "back/", "--overwrite").code == 0
    assert (alice.work / "back" / "void").read_bytes() == b""


def test_one_file_and_where_it_goes(alice: Door) -> None:
    (alice.work / "f.txt").write_bytes(b"hello")
    for dest, path in (
        ("data/renamed", f"{ROOT}/data/renamed"),
        ("data/", f"{ROOT}/data/f.txt"),
        ("/user/alice/deep/er/f", "/user/alice/deep/er/f"),
        ("hdfs://127.0.0.1:9000/user/alice/g", "/user/alice/g"),
    ):
        outcome = alice.run("upload", "f.txt", dest)
        assert outcome.code == 0, outcome.err
        assert alice.webhdfs.nodes[path].data == b"hello"
    onto = alice.run("upload", "f.txt", "data")
    assert onto.code == 2 and onto.said("a folder is there, and this is a file", "DEST/")
    (alice.work / "folder").mkdir()
    onto = alice.run("upload", "folder", "data/renamed", "--overwrite")
    assert onto.code == 2 and onto.said("a file is there, and this is a folder")
    assert alice.run("upload", "folder", "hdfs://elsewhere/x").said("not on the default filesystem")


def test_what_can_not_be_uploaded_is_all_told_before_anything_is(alice: Door, source: Path) -> None:
    (source / "10:30").write_text("x")
    (source / os.fsdecode(b"\xff")).write_text("x")
    refused = alice.run("upload", "source", "x")
    assert refused.code == 2 and refused.said("no colon", "not UTF-8")
    (source / "10:30").unlink()
    (source / os.fsdecode(b"\xff")).unlink()
    (source / "to-folder").symlink_to("empty")
    (source / "to-nothing").symlink_to("nothing")
    os.mkfifo(source / "pipe")
    refused = alice.run("upload", "source", "x")
    assert refused.code == 2 and refused.said("is a link to a folder", "can't be read", "neither a file nor a folder")
    missing = alice.run("upload", "nope", "x")
    assert missing.code == 2 and missing.said("nope: there is no such file or folder")
    missing = alice.run("download", "nope", "x")
    assert missing.code == 4 and missing.said(f"{ROOT}/nope: there is no such file or folder")
    assert not {"CREATE", "MKDIRS"} & set(alice.webhdfs.operations())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(alice: Door, source: Path, held: threading.Event, number: int) -> None:
    running = alice.start("upload", "source", "odd")
    until(lambda: leftovers(alice), "a temporary file appears")
    running.send(number)
    ended = running.end()
    assert ended.code == 128 + number and ended.said("interrupted while uploading", "none half there", "run it again")
    assert ended.out == "" and leftovers(alice) == []
    assert [path for path, node in alice.webhdfs.nodes.items() if node.data is not None] == []
    held.set()
    again = alice.run("upload", "source", "odd", "--json")
    assert (again.code, again.json["files"]) == (0, 6)


def test_what_a_killed_upload_leaves_is_swept_by_the_next(alice: Door, source: Path, held: threading.Event) -> None:
    running = alice.start("upload", "source/void", "data/")
    until(lambda: leftovers(alice), "a temporary file appears")
    (left,) = leftovers(alice)
    running.send(signal.SIGKILL)
    running.end()
    held.set()
    # Not swept: of another file, and of a process that lives (ours).
    others = [f"{ROOT}/data/{temporary_name('x', this_host(), 1, 1)}", f"{ROOT}/data/{own_temporary('void')}"]
    alice.webhdfs.nodes |= {other: Node(b"half") for other in others}
    swept = alice.run("upload", "source/void", "data/")
    assert swept.code == 0 and swept.said(f"deleted what an earlier transfer left behind: {left}")
    assert alice.webhdfs.nodes[f"{ROOT}/data/void"].data == b""
    assert leftovers(alice) == others


def test_a_datanode_that_keeps_nothing(alice: Door, source: Path) -> None:
    alice.webhdfs.swallow_data = True
    outcome = alice.run("upload", "source/sub dir", "x", "--no-verify")
    assert outcome.code == 5 and outcome.said("HDFS holds 0 of the 100000 bytes")
    assert leftovers(alice) == [] and not [p for p, node in alice.webhdfs.nodes.items() if node.data is not None]


def test_content_that_differs_never_gets_its_name(alice: Door, source: Path) -> None:
    alice.webhdfs.fail["OPEN"] = Plain(200, b"z" * 100_000)
    outcome = alice.run("upload", "source/sub dir", "x")
    assert outcome.code == 5 and outcome.said("what was written differs from the source")
    assert leftovers(alice) == [] and not [p for p, node in alice.webhdfs.nodes.items() if node.data is not None]
    trusting = alice.run("upload", "source/sub dir", "x", "--no-verify", "--json")
    assert trusting.code == 0 and trusting.json["verified"] == {"checksum": 0, "reading": 0, "length": 4}


def test_a_checksum_of_something_else_is_settled_by_reading(alice: Door) -> None:
    """As in an encryption zone, where HDFS has the checksum of what it stores."""
    (alice.work / "large").write_bytes(bytes(9 << 20))
    outcome = alice.run("upload", "large", "large", "--json")
    assert outcome.code == 0 and outcome.json["verified"]["reading"] == 1
    assert "GETFILECHECKSUM" in alice.webhdfs.operations()


def test_a_download_that_breaks_off_leaves_nothing(alice: Door) -> None:
    alice.webhdfs.nodes[f"{ROOT}/f"] = Node(b"x" * 300_000)
    alice.webhdfs.cut_data_after = 200_000
    outcome = alice.run("download", "/ml-pipeline/f", "here/")
    assert outcome.code == 5, outcome.err
    assert list((alice.work / "here").iterdir()) == []


def test_a_download_stays_in_its_folder(alice: Door) -> None:
    nodes = alice.webhdfs.nodes
    for path in ("/d", "/d/sub"):
        nodes[path] = Node()
    nodes["/d/sub/f"] = Node(b"x")
    outside = alice.work / "outside"
    (alice.work / "t").mkdir()
    outside.mkdir()
    (alice.work / "t" / "sub").symlink_to(outside)
    refused = alice.run("download", "/d", "t", "--overwrite")
    assert refused.code == 2 and refused.said("sub: is a link to a folder")
    assert list(outside.iterdir()) == []
    nodes["/d/.."] = Node(b"x")
    refused = alice.run("download", "/d", "elsewhere")
    assert refused.code == 5 and refused.said("'..': this name would lead out of the folder")
    assert not (alice.work / "elsewhere").exists()


def test_a_cluster_before_hadoop_2_8(alice: Door, source: Path) -> None:
    alice.webhdfs.page = 0
    assert alice.run("upload", "source", "odd").code == 0
    assert alice.run("upload", "source", "odd", "--json").json["skipped"] == 6


@pytest.mark.parametrize(
    ("operation", "remote", "code", "words"),
    [
        ("CREATE", Remote(403, "AccessControlException", "Permission denied: user=alice"), 4, "Permission denied"),
        (
            "CREATE",
            Remote(403, "DSQuotaExceededException", "The DiskSpace quota of /x is exceeded"),
            4,
            "DiskSpace quota",
        ),
        ("MKDIRS", Remote(403, "SafeModeException", "Name node is in safe mode."), 5, "safe mode"),
    ],
)
def test_what_hdfs_says_no_to(alice: Door, source: Path, operation: str, remote: Remote, code: int, words: str) -> None:
    alice.webhdfs.fail[operation] = remote
    outcome = alice.run("upload", "source", "odd")
    assert outcome.code == code and words in outcome.err and "next: " in outcome.err
    assert leftovers(alice) == []


def test_a_namenode_that_is_not_there(alice: Door, source: Path) -> None:
    xml = alice.folder / "conf" / "hdfs-site.xml"
    xml.write_text(xml.read_text().replace(str(alice.webhdfs.port), "1"))
    assert alice.run("upload", "source", "odd").code == 5
    assert alice.run("download", "odd", "x").code == 5


def test_backend_local_keeps_the_same_promises(laptop: Door, tmp_path: Path) -> None:
    work = laptop.work
    (work / "src").mkdir()
    (work / "src" / "a:b ü").write_bytes(b"1" * 10)
    up = laptop.run("upload", "src", "data/input/src", "--json")
    assert up.code == 0, up.err
    root = work / "ml-pipeline"
    assert (root / "data/input/src/a:b ü").read_bytes() == b"1" * 10
    assert up.json["destination"] == str(root / "data/input/src")
    assert laptop.run("upload", "src", "data/input/src").out.endswith("1 identical, skipped\n")
    (work / "src" / "a:b ü").write_bytes(b"2" * 10)
    assert laptop.run("upload", "src", "data/input/src").code == 2
    assert laptop.run("upload", "src", "data/input/src", "--overwrite").code == 0
    assert laptop.run("download", "data/input/src/a:b ü", "copy").code == 0
    assert (work / "copy").read_bytes() == b"2" * 10
    assert laptop.run("download", "nope", "x").code == 2
    assert laptop.run("upload", "src", "hdfs://nn/x").code == 2
    assert [path for path in work.rglob("*.uploading")] == []
