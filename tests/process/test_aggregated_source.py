"""An application's aggregated logs through WebHDFS: found in every layout, merged, and honest about what is missing."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, UnsupportedLogs
from batch_submit.adapters.aggregated_logs.source import AggregatedLogs
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.container_logs import LogFile
from batch_submit.errors import ClusterRefused, ClusterUnreachable, NotFound
from tests.process.canned_webhdfs import TOKEN, CannedWebHdfs, Node, Plain, Remote

GOLDEN = Path(__file__).parents[1] / "golden" / "aggregated_logs"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
APPLICATION = "application_1795000000000_12345"
FIRST = "container_e17_1795000000000_12345_01_000001"
NEW = f"/app-logs/alice/bucket-logs-tfile/2345/{APPLICATION}"
OLD = f"/app-logs/alice/logs/{APPLICATION}"
DENIED = Remote(403, "AccessControlException", 'Permission denied: user=bob, access=READ_EXECUTE, inode="/app-logs"')


def golden(name: str) -> bytes:
    return gzip.decompress((GOLDEN / f"{name}.gz").read_bytes())


@pytest.fixture
def server() -> Iterator[CannedWebHdfs]:
    with CannedWebHdfs() as canned:
        yield canned


@pytest.fixture
def logs(server: CannedWebHdfs) -> Iterator[AggregatedLogs]:
    session = StdlibSession("alice")
    webhdfs = WebHdfs([server.url], session, user="alice", timeout_s=5, data_timeout_s=5)
    conf = HadoopConf({"yarn.nodemanager.remote-app-log-dir": "/app-logs"})
    yield AggregatedLogs(webhdfs, conf)
    webhdfs.close()
    session.close()


def put(server: CannedWebHdfs, folder: str, **files: bytes) -> None:
    server.nodes.setdefault(folder, Node())
    for name, data in files.items():
        server.nodes[f"{folder}/{name}"] = Node(data)


def digests(read: dict[tuple[str, str], bytes]) -> dict[str, dict[str, list[object]]]:
    found: dict[str, dict[str, list[object]]] = {}
    for (container, name), data in read.items():
        found.setdefault(container, {})[name] = [len(data), hashlib.sha256(data).hexdigest()]
    return found


@pytest.mark.parametrize("folder", [NEW, OLD])
@pytest.mark.parametrize("name", ["tfile_none", "tfile_gz", "ifile_none", "ifile_gz"])
def test_found_listed_and_read(name: str, folder: str, logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, folder, **{"worker-1.example_8041": golden(name)})

    files = logs.files(APPLICATION, "alice")

    assert logs.name == f"HDFS {folder}"
    assert logs.partial == ""
    assert files == sorted(files, key=lambda file: (file.container_id, file.name))
    assert {file.node for file in files} == {"worker-1.example:8041"}
    assert all(file.complete and file.modified_ms > 1_700_000_000_000 for file in files)
    read = {(file.container_id, file.name): b"".join(logs.read(file)) for file in files}
    assert digests(read) == EXPECTED[0]
    streamed = {(f.container_id, f.name): b"".join(p) for f, p in logs.stream_all(APPLICATION, "alice")}
    assert streamed == read
    assert {one[3]["user.name"] for one in server.asked} == {"alice"}


def test_parts_of_a_file(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"worker_8041": golden("tfile_none")})
    (file,) = (file for file in logs.files(APPLICATION, "alice") if (file.size or 0) > 1_000_000)
    whole = b"".join(logs.read(file))

    for start, length in [
        (0, 5),
        (-5, None),
        (-5, 2),
        (-(10**9), 7),
        (3_000_000, 10),
        (10**9, None),
        (0, 0),
        (5, None),
    ]:
        begin = max(0, len(whole) + start) if start < 0 else start
        wanted = whole[begin:] if length is None else whole[begin : begin + length]
        assert b"".join(logs.read(file, start=start, length=length)) == wanted


def test_a_small_application_costs_two_questions_beyond_the_listings(
    logs: AggregatedLogs, server: CannedWebHdfs
) -> None:
    put(server, NEW, **{"worker_8041": golden("tfile_second")})

    for file in logs.files(APPLICATION, "alice"):
        b"".join(logs.read(file))

    assert [operation for operation in server.operations() if operation != "LISTSTATUS"] == ["OPEN", "OPEN"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("tfile_none", "tfile_second"), ("ifile_rolling_1", "ifile_rolling_2")],
    ids=["tfile", "ifile"],
)
def test_pieces_of_a_long_running_application(
    first: str, second: str, logs: AggregatedLogs, server: CannedWebHdfs
) -> None:
    put(server, NEW, **{"worker_8041_1795000000002": golden(second), "worker_8041_1795000000001": golden(first)})

    files = {(file.container_id, file.name): file for file in logs.files(APPLICATION, "alice")}
    stderr = files[FIRST, "stderr"]
    sizes = [EXPECTED[number][FIRST]["stderr"][0] for number in (0, 1)]

    assert stderr.size == sum(sizes)
    whole = b"".join(logs.read(stderr))
    assert hashlib.sha256(whole[: sizes[0]]).hexdigest() == EXPECTED[0][FIRST]["stderr"][1]
    assert hashlib.sha256(whole[sizes[0] :]).hexdigest() == EXPECTED[1][FIRST]["stderr"][1]
    for start, length in [(sizes[0] - 3, 6), (-sizes[1] - 2, 5), (-4, None), (sizes[0], 1)]:
        begin = max(0, len(whole) + start) if start < 0 else start
        assert b"".join(logs.read(stderr, start=start, length=length)) == whole[begin:][: length or None]
    streamed = [b"".join(p) for file, p in logs.stream_all(APPLICATION, "alice") if file.name == "stderr"]
    assert whole[: sizes[0]] in streamed and whole[sizes[0] :] in streamed


def test_both_layouts_and_several_nodes(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_gz")})
    put(server, OLD, **{"two_8041": golden("tfile_second")})

    assert {file.node for file in logs.files(APPLICATION, "alice", nodes=["two:8041"])} == {"two:8041"}
    assert {path for _, path, operation, _ in server.asked if operation == "OPEN"} == {f"{OLD}/two_8041"}
    with pytest.raises(NotFound, match="from three:8041"):
        logs.files(APPLICATION, "alice", nodes=["three:8041"])
    assert {file.node for file in logs.files(APPLICATION, "alice")} == {"one:8041", "two:8041"}


def test_a_file_that_was_written_anew_is_fetched_anew(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_second")})
    assert len(logs.files(APPLICATION, "alice")) == 2
    put(server, NEW, **{"one_8041": golden("tfile_gz")})

    read = {(file.container_id, file.name): b"".join(logs.read(file)) for file in logs.files(APPLICATION, "alice")}

    assert digests(read) == EXPECTED[0]


def test_an_upload_under_way_is_partial(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_gz"), "two_8041.tmp": b"half", "one_8041-checksum": b"x", "_X": b""})

    assert {file.node for file in logs.files(APPLICATION, "alice")} == {"one:8041"}
    assert logs.partial == "two:8041 is still uploading"


def test_nothing_but_an_upload_under_way(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"two_8041.tmp": b"half"})

    with pytest.raises(NotFound, match="two:8041 is still uploading"):
        logs.files(APPLICATION, "alice")


def test_nothing_at_all(logs: AggregatedLogs) -> None:
    for call in (lambda: logs.files(APPLICATION, "alice"), lambda: list(logs.stream_all(APPLICATION, "alice"))):
        with pytest.raises(NotFound, match="no aggregated logs") as caught:
            call()
        assert f"looked at {OLD}" in caught.value.details


def test_a_file_that_was_not_listed(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_gz")})
    logs.files(APPLICATION, "alice")

    with pytest.raises(NotFound, match="has no log file nope"):
        next(logs.read(LogFile(FIRST, "nope", None, "one:8041")))


def test_an_archive_is_named_with_the_way_round(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW)
    put(server, f"{NEW}/{APPLICATION}.har")

    with pytest.raises(UnsupportedLogs, match=r"\.har") as caught:
        logs.files(APPLICATION, "alice")
    assert "yarn logs" in caught.value.next_step

    put(server, NEW, **{"one_8041": golden("tfile_gz")})
    assert logs.files(APPLICATION, "alice")
    assert "Hadoop archive" in logs.partial


def test_one_damaged_node_does_not_hide_the_others(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    whole = golden("tfile_none")
    put(server, NEW, **{"bad_8041": whole[:100_000], "good_8041": whole, "odd_8041": b"neither", "none_8041": b""})

    files = logs.files(APPLICATION, "alice")
    assert {file.node for file in files} == {"good:8041"}
    for words in ("bad:8041: this aggregated log file is damaged: it has no end", "odd:8041: a file that is neither"):
        assert words in logs.partial

    assert len(list(logs.stream_all(APPLICATION, "alice"))) == len(files)
    assert "bad:8041" in logs.partial


def test_nothing_but_a_damaged_file(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"bad_8041": golden("tfile_none")[:100_000]})

    for call in (lambda: logs.files(APPLICATION, "alice"), lambda: list(logs.stream_all(APPLICATION, "alice"))):
        with pytest.raises(DamagedLogs, match="cut off"):
            call()


def test_a_file_that_is_damaged_in_its_middle(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    broken = bytearray(golden("tfile_gz"))
    broken[50_000:50_100] = bytes(100)
    put(server, NEW, **{"bad_8041": bytes(broken), "good_8041": golden("tfile_second")})

    read = {(file.node, file.name): b"".join(pieces) for file, pieces in logs.stream_all(APPLICATION, "alice")}

    assert ("good:8041", "stdout") in read
    assert 0 < len(read["bad:8041", "stderr"]) < EXPECTED[0][FIRST]["stderr"][0]
    assert "bad:8041: this aggregated log file is damaged" in logs.partial
    (stderr,) = (f for f in logs.files(APPLICATION, "alice") if (f.node, f.name) == ("bad:8041", "stderr"))
    assert not stderr.complete


def test_not_ours_to_read(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    server.fail = {"LISTSTATUS": DENIED}

    with pytest.raises(ClusterRefused, match="refuses access"):
        logs.files(APPLICATION, "alice")


def test_a_connection_that_breaks_off_is_no_damage(logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_none")})
    server.cut_data_after = 500

    with pytest.raises(ClusterUnreachable, match="broke off") as caught:
        logs.files(APPLICATION, "alice")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("answer", [Plain(200, b""), Plain(200, b"<html>"), Plain(500, b"oops"), Plain(307, b"")])
def test_no_foreign_exception_leaks(answer: Plain, logs: AggregatedLogs, server: CannedWebHdfs) -> None:
    put(server, NEW, **{"one_8041": golden("tfile_none")})
    for operation in ("LISTSTATUS", "OPEN"):
        server.fail = {operation: answer}
        with pytest.raises((ClusterUnreachable, ClusterRefused)):
            logs.files(APPLICATION, "alice")
