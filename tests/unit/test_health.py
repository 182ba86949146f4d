"""What a measured value means: every check at its edges, and each bad finding with a remedy."""

from __future__ import annotations

import pytest

from batch_submit.model import State
from batch_submit.plan import health, health_deep, health_hdfs, health_host, health_open, health_yarn
from batch_submit.plan.health import Finding, ServerAnswer, Severity
from batch_submit.plan.health_hdfs import Folder, NameSpace, Quota, Staged
from batch_submit.plan.health_host import Disk, Interpreter, Spark
from batch_submit.render.health import health_json, health_lines

OK, WARN, RED, SKIPPED = Severity.OK, Severity.WARN, Severity.RED, Severity.SKIPPED
GIB = 1 << 30


def verdict(finding: Finding) -> Severity:
    """Its severity; what is bad must say what to do."""
    assert finding.what
    assert bool(finding.remedy) == (finding.severity in (WARN, RED)), finding
    assert finding.group in health.GROUPS and finding.name, finding.id
    return finding.severity


@pytest.mark.parametrize(
    ("version", "spark", "severity"),
    [
        ("17.0.13", "4.3.0", OK),
        ("21.0.1", "4.0.1", OK),
        ("11.0.20", "4.0.0", RED),
        ("1.8.0_392", "4.3.0", RED),
        ("1.8.0_392", "3.5.1", OK),
        ("11.0.20", "3.5.1", OK),
        ("21.0.1", "3.5.1", WARN),
        ("17.0.13", "3.1.2", WARN),
        ("1.8.0_392", "2.4.8", OK),
        ("1.7.0_80", "3.5.1", RED),
        ("17.0.13", "", OK),
        ("", "4.3.0", RED),
        ("unknown", "4.3.0", RED),
    ],
)
def test_java_against_spark(version: str, spark: str, severity: Severity) -> None:
    found = health_host.java("/j/bin/java", version, spark)
    assert verdict(found) is severity
    assert found.measured["major"] == health_host.java_major(version)


@pytest.mark.parametrize(("text", "major"), [("17.0.13", 17), ("1.8.0_392", 8), ("9-ea", 9), ("25", 25), ("x", 0)])
def test_the_major_version_of_java(text: str, major: int) -> None:
    assert health_host.java_major(text) == major


@pytest.mark.parametrize(
    ("client", "cluster", "severity"),
    [
        ("3.5.0", "3.5.0", OK),
        ("3.5.0", "3.2.1", OK),
        ("3.3.4", "3.5.0", OK),
        ("3.5.0", "2.10.2", WARN),
        ("", "3.5.0", SKIPPED),
        ("3.5.0", "", SKIPPED),
    ],
)
def test_sparks_hadoop_against_the_clusters(client: str, cluster: str, severity: Severity) -> None:
    assert verdict(health_host.spark_against_cluster(client, cluster)) is severity


def test_spark_without_a_version_is_a_warning() -> None:
    assert verdict(health_host.spark(Spark("/s", "PATH"))) is WARN
    assert verdict(health_host.spark(Spark("/s", "PATH", "4.3.0", "3.5.0"))) is OK
    assert verdict(health_host.pyspark("4.3.0", "3.5.1")) is WARN
    assert verdict(health_host.pyspark("4.3.1", "4.3.0")) is OK
    assert verdict(health_host.pyspark("", "4.3.0")) is SKIPPED


def test_an_interpreter_that_this_host_lacks_matters_on_this_host_only() -> None:
    gone = Interpreter("/nodes/python")
    assert verdict(health_host.python("3.11.7", gone, "yarn")) is WARN
    assert verdict(health_host.python("3.11.7", gone, "local")) is RED
    assert verdict(health_host.python("3.11.7", Interpreter("/p", "3.11.7"), "yarn")) is WARN
    assert verdict(health_host.python("3.11.7", Interpreter("/p", "3.11.7", "2.4.6"), "yarn")) is OK
    assert verdict(health_host.python("3.11.7", None, "yarn")) is OK


@pytest.mark.parametrize(("free", "severity"), [(99 << 20, RED), (100 << 20, WARN), (GIB - 1, WARN), (GIB, OK)])
def test_disk_space(free: int, severity: Severity) -> None:
    (found,) = health_host.disks([Disk("records", "/s", free)])
    assert verdict(found) is severity and found.measured["free_bytes"] == free


@pytest.mark.parametrize(
    ("offset", "kerberos", "severity"),
    [
        (None, True, SKIPPED),
        (5.0, True, OK),
        (-5.1, False, WARN),
        (301.0, False, WARN),
        (301.0, True, RED),
        (300.0, True, WARN),
        (-301.0, True, RED),
    ],
)
def test_the_clock(offset: float | None, kerberos: bool, severity: Severity) -> None:
    assert verdict(health_host.clock(offset, "http://rm", kerberos)) is severity


@pytest.mark.parametrize(
    ("state", "left", "severity"),
    [("none", None, RED), ("missing", None, WARN), ("valid", None, OK), ("valid", 3599.0, WARN), ("valid", 3600.0, OK)],
)
def test_the_ticket(state: str, left: float | None, severity: Severity) -> None:
    assert verdict(health_host.ticket(True, state, left)) is severity
    assert verdict(health_host.ticket(False, state, left)) is SKIPPED


def test_a_name_node_that_is_down_beside_an_active_one_is_a_warning() -> None:
    up, down = ServerAnswer("http://a", "active", "3.5.0", 4.0), ServerAnswer("http://b", error="no connection")
    standby = ServerAnswer("http://c", "standby", "3.5.0", 4.0)
    assert [verdict(one) for one in health_hdfs.name_nodes([up, down])] == [OK, WARN]
    assert [verdict(one) for one in health_hdfs.name_nodes([down])] == [RED]
    assert [verdict(one) for one in health_hdfs.name_nodes([standby, down])] == [OK, RED, RED]


@pytest.mark.parametrize(
    ("space", "severity"),
    [
        (None, SKIPPED),
        (NameSpace("", 75 * GIB, 200 * GIB, 3, 0, 0), OK),
        (NameSpace("", 75 * GIB, 200 * GIB, 0, 3, 0), RED),
        (NameSpace("", GIB - 1, 200 * GIB, 3, 0, 0), RED),
        (NameSpace("", 75 * GIB, 200 * GIB, 3, 1, 0), WARN),
        (NameSpace("", 75 * GIB, 200 * GIB, 3, 0, 2), WARN),
        (NameSpace("", 9 * GIB, 200 * GIB, 3, 0, 0), WARN),
    ],
)
def test_space_on_hdfs(space: NameSpace | None, severity: Severity) -> None:
    assert verdict(health_hdfs.space(space)) is severity


def test_safe_mode_is_red() -> None:
    assert verdict(health_hdfs.safe_mode(NameSpace("Safe mode is ON."))) is RED
    assert verdict(health_hdfs.safe_mode(NameSpace())) is OK
    assert verdict(health_hdfs.safe_mode(None)) is SKIPPED


@pytest.mark.parametrize(
    ("folder", "staging", "root"),
    [
        (Folder("/f", "writable"), OK, OK),
        (Folder("/f", "missing", parent_writable=True), OK, OK),
        (Folder("/f", "missing"), RED, WARN),
        (Folder("/f", "refused", said="Permission denied: user=bob"), RED, WARN),
        (Folder("/f", "not a folder"), RED, WARN),
    ],
)
def test_folders(folder: Folder, staging: Severity, root: Severity) -> None:
    assert verdict(health_hdfs.staging_folder(folder, "bob")) is staging
    assert verdict(health_hdfs.storage_root(folder, "bob")) is root


def test_the_event_log_folder() -> None:
    assert verdict(health_hdfs.event_log(Folder("/e", "writable"), named=False)) is OK
    assert verdict(health_hdfs.event_log(Folder("/e", "missing"), named=False)) is WARN
    assert verdict(health_hdfs.event_log(Folder("/e", "refused"), named=True)) is WARN
    assert verdict(health_hdfs.event_log(None, named=True)) is SKIPPED


@pytest.mark.parametrize(
    ("quota", "severity"),
    [
        (Quota("/q", 5, -1, 5, -1), OK),
        (Quota("/q", 89, 100, 5, -1), OK),
        (Quota("/q", 90, 100, 5, -1), WARN),
        (Quota("/q", 5, -1, 100, 100), RED),
        (Quota("/q", 100, 100, 0, 100), RED),
    ],
)
def test_quotas(quota: Quota, severity: Severity) -> None:
    (found,) = health_hdfs.quotas([quota])
    assert verdict(found) is severity


def test_only_what_no_application_will_use_again_counts_as_left_behind() -> None:
    states = {"application_1_0001": State.RUNNING, "application_1_0002": State.KILLED}
    staged = [
        Staged("/s/application_1_0001", "application_1_0001", 9e5),
        Staged("/s/application_1_0002", "application_1_0002", 10.0),
        Staged("/s/application_1_0003", "application_1_0003", 3599.0),
        Staged("/s/application_1_0004", "application_1_0004", 3600.0, 2048),
    ]
    left = health_hdfs.leftovers(staged, states)
    assert [one.application_id for one in left] == ["application_1_0004", "application_1_0002"]
    found = health_hdfs.staging(left, 2, states, "/s")
    assert verdict(found) is WARN
    assert "2 folder(s)" in found.what and "at least 2.0 KiB" in found.what
    assert found.remedy == "hdfs dfs -rm -r -skipTrash /s/application_1_0004 /s/application_1_0002"
    rows = found.measured["left"]
    assert isinstance(rows, list) and [row["application"] for row in rows] == ["unknown to YARN", "ended"]
    assert verdict(health_hdfs.staging([], 1, states, "/s")) is OK


def test_what_is_left_open_is_a_warning_and_never_red() -> None:
    assert verdict(health_open.authentication(False, "dr.who")) is WARN
    assert verdict(health_open.authentication(True, "")) is OK
    assert [verdict(health_open.yarn_acl(one)) for one in (False, True, None)] == [WARN, OK, SKIPPED]
    assert verdict(health_open.rest_submission(True, kerberos=False)) is WARN
    assert verdict(health_open.rest_submission(True, kerberos=True)) is OK
    assert verdict(health_open.rest_submission(None, kerberos=False)) is SKIPPED
    assert verdict(health_open.history_logs(False, True, "container_1", "")) is WARN
    assert verdict(health_open.history_logs(False, False, "container_1", "")) is OK
    assert verdict(health_open.history_logs(False, None, "", "no application")) is SKIPPED
    assert verdict(health_open.history_logs(True, None, "", "")) is WARN


def test_history_servers() -> None:
    assert verdict(health_open.job_history("", "", "")) is WARN
    assert verdict(health_open.job_history("http://j", "", "no connection")) is WARN
    assert verdict(health_open.job_history("http://j", "3.5.0", "")) is OK
    assert [verdict(health_open.log_aggregation(one, "x")) for one in (None, True, False)] == [SKIPPED, OK, WARN]
    assert verdict(health_open.spark_history("", "", "")) is SKIPPED
    assert verdict(health_open.spark_history("http://s", "", "status 404")) is WARN
    assert verdict(health_open.spark_history("http://s", "4.3.0", "")) is OK


def answer(driver: str, executors: list[str], numpy: str = "2.4.6", error: str = "") -> dict[str, object]:
    described = [{"python": one, "numpy": numpy, "executable": "/p"} for one in (driver, *executors)]
    return {"driver": described[0], "executors": described[1:], "error": error}


def test_the_answer_of_the_nodes() -> None:
    def both(*given: object, **more: str) -> list[Severity]:
        return [verdict(one) for one in health_deep.interpreters(answer(*given, **more), "3.11.7")]  # type: ignore[arg-type]

    assert both("3.11.7", ["3.11.7", "3.11.9"]) == [OK, OK]
    assert both("3.11.7", ["3.12.1"]) == [RED, OK]
    assert both("3.11.7", ["3.11.7"], numpy="") == [OK, WARN]
    assert both("3.11.7", [], error="org.apache.spark...\n[PYTHON_VERSION_MISMATCH] driver 3.11, worker 3.9") == [
        RED,
        SKIPPED,
    ]
    other_host = health_deep.interpreters(answer("3.9.2", ["3.9.2"]), "3.11.7")[0]
    assert verdict(other_host) is OK and "client mode" in other_host.what


@pytest.mark.parametrize(("code", "severity"), [(0, OK), (1, RED), (4, RED), (7, RED)])
def test_how_the_tiny_application_ended(code: int, severity: Severity) -> None:
    assert verdict(health_deep.run(code, "application_1_0001", 25.0, 180.0)) is severity


def test_version_numbers_and_sizes() -> None:
    assert health.version_numbers("3.5.0-SNAPSHOT") == (3, 5, 0)
    assert health.version_numbers("") == ()
    assert health.version_numbers("4.3.0rc1.2") == (4, 3, 0)
    assert [health.size_text(one) for one in (0, 1536, 5 * GIB, 3 << 40)] == ["0 B", "1.5 KiB", "5.0 GiB", "3.0 TiB"]


def test_the_report_fits_80_columns_and_keeps_the_order_of_the_groups() -> None:
    findings = health.in_order(
        [
            health.red(
                "hdfs.home", "bob can't write there, and spark-submit must " * 3, "hdfs dfs -chown bob /x", "/x"
            ),
            health.ok("host.java", "Java 17"),
            health.skipped("host.ticket", "no Kerberos"),
        ]
    )
    lines = health_lines(findings, 80)
    assert [one.id for one in findings] == ["host.java", "host.ticket", "hdfs.home"]
    assert max(map(len, lines)) <= 80
    assert lines[0] == "this host" and lines[1].split()[:3] == ["ok", "java", "Java"]
    assert any("next: hdfs dfs -chown bob /x" in line for line in lines)
    assert lines[-1] == "1 ok, 1 red, 1 skipped: a submit would fail"
    assert health_lines([health.ok("host.java", "Java 17")], 80)[-1].endswith("nothing stands in the way of a submit")


def test_the_report_for_machines() -> None:
    found = health_json([health.warn("host.disk", "little", "free some", "/tmp", {"free_bytes": 5})])
    assert found["healthy"] is True
    assert found["counts"] == {"ok": 0, "warn": 1, "red": 0, "skipped": 0}
    assert found["findings"] == [
        {
            "id": "host.disk",
            "severity": "warn",
            "what": "little",
            "where": "/tmp",
            "remedy": "free some",
            "measured": {"free_bytes": 5},
        }
    ]


def test_a_server_that_wants_a_ticket_is_not_called_dead() -> None:
    error = "no valid ticket in FILE:/tmp/x (expired 12:03): the server wants authentication (401)"
    found = [
        *health_yarn.resource_managers([ServerAnswer("http://c", error=error)]),
        *health_hdfs.name_nodes([ServerAnswer("http://b", error=error)]),
        health_open.job_history("http://h", "", error),
        health_open.spark_history("http://s", "", error),
    ]
    for one in found:
        if "ticket" in one.what:
            assert "does not let us in: no valid ticket" in one.what and one.remedy == "log in: see host.ticket"
    assert sum("does not let us in" in one.what for one in found) == 4
    assert "does not answer: refused" in health_open.job_history("http://h", "", "refused").what
