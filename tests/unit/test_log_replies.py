"""What NodeManager and history server say about logs: recorded replies of 3.5.0, and the shapes of older ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.framed_logs import node_address, sections
from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.http_reply import Headers, HttpResponse
from batch_submit.adapters.log_replies import parse_log_files, parse_time_ms, parts_of, raise_for
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.saved_logs import HdfsSavedLogs
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.adapters.yarn_logs_program import parse_listing
from batch_submit.container_logs import LogFile
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, HostNotReady, NotFound, UsageError
from batch_submit.render.logs import header

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "logs"
DRIVER = "container_1795261034488_0001_01_000001"
MARKER = "driver marker äö€ ".encode() + b"\x00\xff\xfe\x80 end\nEnd of LogType:stdout\n***\n"
ENTRY = {"fileName": "stdout", "fileSize": "12", "lastModifiedTime": "Sat Nov 21 11:48:52 +0000 2026"}


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def reply(name: str) -> Any:
    return json.loads(golden(name))


def test_the_list_of_a_node_manager() -> None:
    files = {file.name: file for file in parse_log_files(reply("nm-list.json"), complete=False)}
    assert sorted(files) == [
        "directory.info",
        "launch_container.sh",
        "prelaunch.err",
        "prelaunch.out",
        "stderr",
        "stdout",
    ]
    assert files["stdout"] == LogFile(DRIVER, "stdout", 195, "localhost:8141", 1_795_261_702_000, False)
    assert parse_log_files(reply("nm-list-unknown-container.json"), complete=False) == []


def test_the_list_of_a_history_server() -> None:
    files = parse_log_files(reply("jhs-list.json"), complete=True)
    assert [(file.container_id[-2:], file.name) for file in files if file.name.startswith("std")] == [
        ("01", "stderr"),
        ("01", "stdout"),
        ("02", "stderr"),
        ("02", "stdout"),
    ]
    assert {file.node for file in files} == {"localhost:8141"} and all(file.complete for file in files)
    assert parse_log_files(reply("jhs-list-of-container.json"), complete=True) == files[:6]


def entry(**more: Any) -> dict[str, Any]:
    return {
        "containerLogInfo": [ENTRY],
        "logAggregationType": "AGGREGATED",
        "containerId": "c1",
        "nodeId": "h_1",
        **more,
    }


@pytest.mark.parametrize(
    "shape",
    [
        {"containerLogsInfoes": {"containerLogsInfo": entry()}},
        {"containerLogsInfoes": {"containerLogsInfo": [entry()]}},
        {"containerLogsInfoes": [entry()]},
        {"containerLogsInfo": [entry(containerLogInfo=ENTRY)]},
        {"containerLogsInfo": entry(containerLogInfo=[{**ENTRY, "fileSize": 12}])},
        [entry()],
        [entry(), {"logAggregationType": "LOCAL", "containerId": "c2", "nodeId": "h:1"}],
        [entry(), {"logAggregationType": "LOCAL", "containerId": "c2", "containerLogInfo": None}],
        entry(),
    ],
)
def test_every_shape_of_a_list_is_the_same_list(shape: Any) -> None:
    assert parse_log_files(shape, complete=True) == [LogFile("c1", "stdout", 12, "h:1", 1_795_261_732_000)]


@pytest.mark.parametrize(
    "shape", [None, {}, "", [], {"containerLogsInfoes": ""}, {"containerLogsInfoes": None}, [[]], 3]
)
def test_an_empty_list_has_many_shapes(shape: Any) -> None:
    assert parse_log_files(shape, complete=True) == []


def test_the_parts_of_a_rolling_aggregation_are_one_file() -> None:
    later = {**ENTRY, "fileSize": 30, "lastModifiedTime": "Sat Nov 21 11:48:53 +0000 2026"}
    parts = [entry(nodeId="h_1_1700000000000"), entry(containerLogInfo=[later], nodeId="h_1_1700000000009")]
    assert parse_log_files(parts, complete=True) == [LogFile("c1", "stdout", 42, "h:1", 1_795_261_733_000)]
    assert parts_of(parts)["c1", "stdout"] == 2
    local = entry(logAggregationType="LOCAL", containerLogInfo=[later])
    assert parse_log_files([entry(), local], complete=False, only="LOCAL")[0].size == 30


def test_sizes_and_times_that_can_not_be_read() -> None:
    odd = entry(containerLogInfo=[{"fileName": "a"}, {"fileName": "b", "fileSize": "?", "lastModifiedTime": "now"}, {}])
    assert parse_log_files([odd], complete=True) == [LogFile("c1", "a", None, "h:1"), LogFile("c1", "b", None, "h:1")]


def test_times() -> None:
    assert parse_time_ms("Sat Nov 21 13:48:52 +0200 2026") == 1_795_261_732_000
    assert [
        parse_time_ms(text) for text in ("", "Sat Foo 21 11:48:52 +0000 2026", "Sat Nov 41 11:48:52 +0000 2026")
    ] == [0] * 3


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host_8041", "host:8041"),
        ("a_b.example.com_8041_1700000000000", "a_b.example.com:8041"),
        ("host:8041", "host:8041"),
        ("host", "host"),
    ],
)
def test_node_addresses(text: str, address: str) -> None:
    assert node_address(text) == address


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("name", ["nm-stdout.txt", "jhs-stdout.txt"])
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_a_recorded_log_is_what_was_printed(name: str, size: int) -> None:
    (section,) = [(one, b"".join(one.content)) for one in sections(in_pieces(golden(name), size))]
    one, content = section
    assert (one.container_id, one.node, one.name, one.length) == (DRIVER, "localhost:8141", "stdout", len(content))
    assert content.startswith(MARKER + b"[1]\ntick 0\n") and content.endswith(
        b"\ntick %d\n" % (17 if "nm" in name else 44)
    )


@pytest.mark.parametrize("name", ["nm-stdout-last-20.txt", "jhs-stdout-last-20.txt"])
def test_a_part_is_announced_with_the_full_length(name: str) -> None:
    for section in sections([golden(name)], size=-20):
        assert section.length > 20 and len(b"".join(section.content)) == 20


def test_an_empty_file_is_no_missing_file() -> None:
    assert [b"".join(one.content) for one in sections([golden("jhs-empty-file.txt")])] == [b""]
    for name in ("jhs-missing-file.txt", "jhs-unknown-container.txt"):
        with pytest.raises(NotFound, match="Can not find logs"):
            list(sections([golden(name)]))


def test_what_is_no_log_is_an_error_and_what_breaks_off_too() -> None:
    whole = golden("jhs-stdout.txt")
    with pytest.raises(ClusterUnreachable, match="not a log"):
        list(sections([b"<html>login</html>"]))
    with pytest.raises(ClusterUnreachable, match="broke off"):
        [b"".join(one.content) for one in sections([whole[:300]])]
    with pytest.raises(ClusterUnreachable, match="broke off"):
        list(sections([whole[:100]]))
    noisy = [b"INFO our own log\n", whole]
    assert [one.name for one in map(_drained, sections(noisy, noisy=True))] == ["stdout"]


def _drained(section: Any) -> Any:
    for _ in section.content:
        pass
    return section


class Server:
    """Frames one file as the real ones do, and counts the questions. It may grow with each of them."""

    def __init__(self, *parts: bytes, growth: bytes = b"") -> None:
        self.parts = list(parts)
        self.growth = growth
        self.sizes: list[int | None] = []

    @contextmanager
    def opened(self, size: int | None) -> Iterator[Iterator[bytes]]:
        self.sizes.append(size)
        self.parts[-1] += self.growth
        out = b"".join(self._framed(part, size) for part in self.parts)
        yield in_pieces(out, 11)

    @staticmethod
    def _framed(part: bytes, size: int | None) -> bytes:
        shown = part if size is None else part[:size] if size >= 0 else part[size:]
        return (
            b"Container: c1 on h_1\nLogType:stdout\nLogLength:%d\nLogContents:\n%s\nEnd of LogType:stdout\n***\n\n"
            % (
                len(part),
                shown,
            )
        )

    def read(self, size: int | None, start: int = 0, length: int | None = None, complete: bool = True) -> bytes:
        file = LogFile("c1", "stdout", size, "h:1", 0, complete)
        parts = len(self.parts)
        return b"".join(read_framed(self.opened, file, start=start, length=length, parts=parts, where="here"))


DATA = bytes(range(256)) * 4


@pytest.mark.parametrize("parts", [(DATA,), (DATA[:300], DATA[300:301], DATA[301:])])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("start", "length"), [(0, None), (0, 10), (100, None), (100, 250), (1023, 9), (1024, None), (2000, None), (5, 0)]
)
def test_ranges(parts: Iterable[bytes], known: bool, start: int, length: int | None) -> None:
    wanted = DATA[start:] if length is None else DATA[start : start + length]
    assert Server(*parts).read(len(DATA) if known else None, start, length) == wanted


@pytest.mark.parametrize("parts", [(DATA,), (DATA[:300], DATA[300:301], DATA[301:])])
@pytest.mark.parametrize("last", [1, 20, 800, 5000])
def test_from_the_end(parts: Iterable[bytes], last: int) -> None:
    assert Server(*parts).read(len(DATA), -last) == DATA[-last:]


def test_a_tail_asks_for_the_tail_only() -> None:
    server = Server(DATA)
    server.read(len(DATA), len(DATA) - 20)
    assert server.sizes == [-20]


@pytest.mark.parametrize("growth", [b"", b"more", b"x" * 40_000, b"y" * 200_000])
def test_a_growing_file_is_read_from_where_we_were_without_a_gap(growth: bytes) -> None:
    server = Server(DATA, growth=growth)
    read = server.read(100, 100, complete=False)
    assert read == server.parts[0][100:]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("jhs-list-unknown-application.json", NotFound),
        ("jhs-list-while-running.json", NotFound),
        ("jhs-file-unknown-application.html", ClusterUnreachable),
        ("jhs-mistyped-path.html", NotFound),
        ("nm-missing-file", NotFound),
        ("nm-list-after-the-end", NotFound),
        ("jhs-file-while-running", NotFound),
    ],
)
def test_recorded_refusals(name: str, kind: type[BatchSubmitError]) -> None:
    about = json.loads((GOLDEN / "answers.json").read_text())[name]
    headers = Headers({"Content-Type": about.get("Content-Type", "")})
    body = golden(name) if (GOLDEN / name).exists() else b""
    with pytest.raises(kind) as caught:
        raise_for(HttpResponse(about["status"], headers, body, "http://h:1/ws?user.name=x"), "the server")
    assert type(caught.value) is kind and "user.name" not in caught.value.where


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"User [bob] is not authorized to view the logs", ClusterRefused),
        (500, b"<html><body>User mapred does not have privilege to see this application</body></html>", ClusterRefused),
        (403, b"", ClusterRefused),
        (401, b"<html>Error 401 Authentication required</html>", HostNotReady),
        (500, b"<html>java.lang.NullPointerException</html>", ClusterUnreachable),
        (503, b"", ClusterUnreachable),
    ],
)
def test_other_refusals(status: int, body: bytes, kind: type[BatchSubmitError]) -> None:
    with pytest.raises(kind) as caught:
        raise_for(HttpResponse(status, Headers(), body, "http://h:1/"), "the server")
    assert type(caught.value) is kind


def test_the_listing_of_the_yarn_program() -> None:
    files = parse_listing((GOLDEN / "yarn-logs-list.txt").read_text())
    assert len(files) == 12
    assert files[4] == LogFile(DRIVER, "stderr", 19346, "localhost:8141", 1_795_261_732_000)
    spaced = parse_listing("Container: c1 on h_1\n  my own.log \t 5\tSat Nov 21 11:48:52 +0000 2026\t LOCAL\n")
    assert [(file.name, file.complete) for file in spaced] == [("my own.log", False)]


@pytest.mark.parametrize("name", ["..", ".", "/etc/passwd", "../../other/part-0", "a/b", "a\0b"])
def test_a_servers_name_that_leads_out_of_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    for named in (
        {"containerId": name, "containerLogInfo": [{"fileName": "stdout"}]},
        {"containerId": "c_1", "containerLogInfo": [{"fileName": name}]},
    ):
        assert parse_log_files([named], complete=True) == []
    rest = "5\tSat Nov 21 11:48:52 +0000 2026\t LOCAL\n"
    assert parse_listing(f"Container: {name} on h_1\n  stdout\t{rest}") == []
    assert parse_listing(f"Container: c_1 on h_1\n  {name}\t{rest}") == []
    saved = HdfsSavedLogs(WebHdfs(["http://127.0.0.1:9"], None, user="u"), "/logs/app", tmp_path)  # type: ignore[arg-type]
    for container_id, file in ((name, "stdout"), ("c_1", name)):
        with pytest.raises(UsageError, match="not the names"):  # and no question to HDFS, which has no session here
            saved.put(container_id, file, [b"abc"])


def test_the_line_above_a_file_steers_no_terminal() -> None:
    line = header(LogFile("c_1", "std\x1b[2Jout", 5, "h\r:1"))
    assert line.isprintable() and "std?[2Jout" in line


@pytest.mark.parametrize("held", ["abc", {}, [3], 1.5, "9" * 30])
def test_a_priority_that_is_none_is_an_error_of_ours(held: Any) -> None:
    class Session:
        def request(self, method: str, url: str, **how: Any) -> HttpResponse:
            body = json.dumps({"priority": held or "x"}).encode()
            return HttpResponse(200, Headers({"Content-Type": "application/json"}), body, url)

    manager = ResourceManager(["http://rm:8088"], Session(), user="u")  # type: ignore[arg-type]
    with pytest.raises(ClusterUnreachable, match="no priority"):
        manager.set_priority("application_1700000000000_0001", 3)
