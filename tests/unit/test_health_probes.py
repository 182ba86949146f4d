"""How this host and the servers are asked: what is read out of file names, programs, headers and replies."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters import host_probe, yarn_probe
from batch_submit.adapters.hdfs_probe import HdfsProbe
from batch_submit.adapters.http import HttpResponse
from batch_submit.adapters.http_reply import Headers
from batch_submit.adapters.spark_finder import SparkDistribution
from batch_submit.adapters.tickets import moment_s
from batch_submit.errors import ClusterUnreachable
from tests.unit.fake_clock import FakeClock

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "doctor"
JSON = Headers({"content-type": "application/json"})


class Canned:
    """A session that answers from a table: a part of the URL -> status and body; what is not there can't be reached."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        self.answers = answers
        self.urls: list[str] = []

    def request(self, method: str, url: str, **_: Any) -> HttpResponse:
        self.urls.append(url)
        for part, (status, body) in self.answers.items():
            if part in url:
                return HttpResponse(status, JSON, body, url)
        raise ClusterUnreachable("no connection", where=url)

    def stream(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is streamed here")

    def close(self) -> None:
        """Nothing is open."""


def recorded(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("jars", "release", "versions"),
    [
        (["spark-core_2.13-4.3.0.jar", "hadoop-client-api-3.5.0.jar"], "", ("4.3.0", "3.5.0")),
        (["spark-core_2.12-3.1.2.jar", "hadoop-common-3.2.0.jar"], "", ("3.1.2", "3.2.0")),
        ([], "Spark 3.5.1 (git revision fd86f85e181) built for Hadoop 3.3.4\nBuild flags: -Pyarn", ("3.5.1", "3.3.4")),
        (["spark-core_2.12-3.5.1.jar"], "", ("3.5.1", "")),
        ([], "", ("", "")),
    ],
)
def test_sparks_version_by_its_files(tmp_path: Path, jars: list[str], release: str, versions: tuple[str, str]) -> None:
    (tmp_path / "jars").mkdir()
    for name in jars:
        (tmp_path / "jars" / name).touch()
    if release:
        (tmp_path / "RELEASE").write_text(release)
    found = host_probe.spark_versions(SparkDistribution("/bin/spark-submit", str(tmp_path), "PATH"))
    assert (found.version, found.hadoop_version) == versions


def test_java_says_its_version_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", "java", "echo 'openjdk version \"17.0.9\" 2023-10-17' >&2")
    assert host_probe.java_version(str(tmp_path), {}) == (str(tmp_path / "bin" / "java"), "17.0.9")
    program(tmp_path / "bin", "java", "exit 1")
    assert host_probe.java_version(str(tmp_path), {})[1] == ""
    assert host_probe.java_version("/nonexistent", {}) == ("/nonexistent/bin/java", "")


def test_an_interpreter_is_asked_without_our_own_python_settings(tmp_path: Path) -> None:
    asked = program(tmp_path, "python", 'test -z "$PYTHONPATH" && echo 3.12.1 1.26.4')
    assert host_probe.interpreter(str(asked), {"PYTHONPATH": "/x"}).numpy == "1.26.4"
    without = program(tmp_path, "bare", "echo 3.12.1")
    assert host_probe.interpreter(str(without), {}) == host_probe.Interpreter(str(without), "3.12.1", "")
    assert host_probe.interpreter("/nonexistent", {}).version == ""


KLIST = """Ticket cache: FILE:/tmp/krb5cc_0
Default principal: alice@R

Valid starting       Expires              Service principal
{tgt}
{day} 11:00:00  {day} 12:00:00  HTTP/localhost@R
"""


@pytest.mark.parametrize(
    ("status", "day", "state", "left"),
    [
        (1, "", "none", None),
        (0, "11/21/2026", "valid", 3600.0),
        (0, "11/21/26", "valid", 3600.0),
        (0, "11/20/26", "none", None),
        (0, "", "valid", None),
    ],
)
def test_the_ticket_by_klist(tmp_path: Path, status: int, day: str, state: str, left: float | None) -> None:
    tgt = f"{day} 10:00:00  {day} 20:00:00  krbtgt/R@R\n\trenew until {day} 23:00:00"
    text = KLIST.format(day=day, tgt=tgt) if day else "Heimdal writes otherwise"
    program(tmp_path, "klist", f"echo '{text}'; exit {status}")
    now = moment_s("11/21/2026 19:00:00")
    assert host_probe.kerberos_ticket({"PATH": str(tmp_path)}, now) == (state, left)
    assert host_probe.kerberos_ticket({"PATH": "/nonexistent"}, now) == ("missing", None)


def test_the_clock_by_a_date_header() -> None:
    theirs = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
    header, at = format_datetime(theirs, usegmt=True), theirs.timestamp()
    assert host_probe.clock_offset_s(header, at + 0.2, at + 0.9) == 0.0  # a Date is cut to the second
    assert host_probe.clock_offset_s(f"{header}, {header}", at, at) == 0.0  # Hadoop 3.5.0 sends it twice
    assert host_probe.clock_offset_s(header, at + 11, at + 11.1) == pytest.approx(10.0)
    assert host_probe.clock_offset_s(header, at - 10, at - 9.9) == pytest.approx(-9.9)
    assert host_probe.clock_offset_s("yesterday", at, at) is None


def test_folders_that_do_not_exist_yet_are_judged_by_those_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    assert host_probe.writable(below) and not below.exists()
    assert host_probe.nearest(below) == tmp_path
    (disk,) = host_probe.disks([("records", below)])
    assert disk.path == str(below) and disk.free_bytes > 0
    (tmp_path / "a").write_text("a file")
    assert not host_probe.writable(below)


def test_only_an_administrator_is_answered_about_access() -> None:
    def asked(name: str, status: int) -> bool | None:
        session = Canned({"/queues/ml-queue/access?": (status, recorded(name))})
        return yarn_probe.administers(session, "http://rm", "ml-queue", "bob", 1.0)

    assert asked("access-admin.xml", 200) is True  # "not allowed" to submit, and yet an administrator's application ran
    assert asked("access-refused.xml", 403) is None
    assert asked("access-admin.json", 503) is None


def test_a_property_of_a_running_daemon() -> None:
    session = Canned({"/conf?": (200, recorded("conf.json"))})
    assert yarn_probe.conf_flag(session, "http://rm", "yarn.acl.enable", 1.0) is True
    older = json.dumps({"properties": [{"key": "a", "value": "x"}, {"key": "b", "value": "false"}]}).encode()
    assert yarn_probe.conf_flag(Canned({"/conf?": (200, older)}), "http://rm", "b", 1.0) is False
    assert yarn_probe.conf_flag(Canned({"/conf?": (404, b"")}), "http://rm", "b", 1.0) is None


def test_a_resource_manager_introduces_itself() -> None:
    session = Canned({"/ws/v1/cluster/info": (200, recorded("info.json"))})
    answer, offset = yarn_probe.ask_resource_manager(session, "http://rm", FakeClock(), 1.0)
    assert (answer.ha_state, answer.version, answer.error, offset) == ("ACTIVE", "3.5.0", "", None)
    assert yarn_probe.ask_resource_manager(Canned({}), "http://rm", FakeClock(), 1.0)[0].error == "no connection"
    assert yarn_probe.named_user(Canned({"userinfo": (200, recorded("userinfo.json"))}), "http://rm", 1.0) == "dr.who"


def hdfs(answers: dict[str, tuple[int, bytes]], *urls: str) -> HdfsProbe:
    return HdfsProbe(urls or ("http://nn",), Canned(answers), "alice", FakeClock(), 1.0)


def remote(status: int, exception: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"RemoteException": {"exception": exception, "message": message}}).encode()


STANDBY = remote(403, "StandbyException", "Operation category READ is not supported in state standby")
MISSING = remote(404, "FileNotFoundException", "Path not found: /user/alice")
DENIED = remote(403, "AccessControlException", "Permission denied: user=alice")


def test_the_state_of_hdfs_as_recorded() -> None:
    healthy = hdfs({"FSNamesystemState": (200, recorded("jmx-state.json"))}).name_space()
    assert healthy is not None
    assert (healthy.safe_mode, healthy.live_datanodes, healthy.dead_datanodes) == ("", 1, 0)
    assert 0 < healthy.free_bytes < healthy.total_bytes
    texts = {
        "FSNamesystemState": (200, recorded("jmx-state-safe.json")),
        "Safemode": (200, recorded("jmx-safemode.json")),
    }
    safe = hdfs(texts).name_space()
    assert safe is not None and safe.safe_mode.startswith("Safe mode is ON.")
    assert hdfs({"/jmx": (404, b"")}).name_space() is None  # HttpFS


def test_the_active_name_node_is_asked() -> None:
    answers = {"http://a/webhdfs": STANDBY, "http://b/webhdfs": (200, b""), "/jmx": (404, b"")}
    probe = hdfs(answers, "http://a", "http://b")
    assert [(one.url, one.ha_state) for one in probe.answers()] == [("http://a", "standby"), ("http://b", "active")]
    assert probe.folder("/user/alice", look=False).access == "writable"
    with pytest.raises(ClusterUnreachable):
        hdfs({"http://a/webhdfs": STANDBY}, "http://a").folder("/user/alice", look=False)


def test_access_is_the_name_nodes_own_judgement() -> None:
    assert hdfs({"CHECKACCESS": DENIED}).folder("/user/alice", look=False).said == "Permission denied: user=alice"
    missing = hdfs({"/user/alice?op=CHECKACCESS": MISSING, "/user?op=CHECKACCESS": DENIED}).folder(
        "/user/alice", look=False
    )
    assert (missing.access, missing.parent_writable) == ("missing", False)
    may = hdfs({"/user/alice?op=CHECKACCESS": MISSING, "/user?op=CHECKACCESS": (200, b"")}).folder(
        "/user/alice", look=False
    )
    assert (may.access, may.parent_writable) == ("missing", True)
    file = {"GETFILESTATUS": (200, b'{"FileStatus": {"type": "FILE"}}'), "CHECKACCESS": (200, b"")}
    assert hdfs(file).folder("/user/alice").access == "not a folder"


def test_staging_folders_and_their_age() -> None:
    rows = [{"pathSuffix": "application_1_0001", "modificationTime": 0}, {"pathSuffix": "other", "modificationTime": 0}]
    listed = json.dumps({"FileStatuses": {"FileStatus": rows}}).encode()
    (staged,) = hdfs({"LISTSTATUS": (200, listed)}).staged("/user/alice")
    assert staged.path == "/user/alice/.sparkStaging/application_1_0001" and staged.age_s > 3600
    assert hdfs({"LISTSTATUS": MISSING}).staged("/user/alice") == []
