"""``doctor`` as a process: one pass, every problem with its remedy, and no problem that stops the others."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batch_submit.ledger import Run, SqliteLedger
from tests.process.canned_health import TellingResourceManager, TellingWebHdfs
from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import Node
from tests.process.door import RECORDER, SUCCEEDED, Door, Outcome


@pytest.fixture
def rm() -> Iterator[TellingResourceManager]:
    """A ResourceManager with queues and a node."""
    with TellingResourceManager() as server:
        yield server


@pytest.fixture
def webhdfs() -> Iterator[TellingWebHdfs]:
    """An HDFS that judges access."""
    with TellingWebHdfs() as server:
        yield server


@pytest.fixture
def host(door: Door) -> Door:
    """A healthy host and cluster, as alice."""
    door.env |= {"HADOOP_USER_NAME": "alice", "SPARK_HOME": str(make_spark(door.folder / "spark"))}
    (door.folder / "java" / "java").write_text("#!/usr/bin/env bash\necho 'openjdk version \"17.0.9\"' >&2\n")
    door.webhdfs.nodes |= {"/ml-pipeline": Node(), "/spark-logs": Node()}
    add_property(door, "yarn-site.xml", "yarn.log.server.web-service.url", f"{door.rm.url}/ws/v1/history")
    return door


def make_spark(home: Path, version: str = "4.3.0", hadoop: str = "3.5.0") -> Path:
    """A Spark of file names."""
    (home / "jars").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin" / "spark-submit").write_text("#!/bin/sh\n")
    (home / "bin" / "spark-submit").chmod(0o755)
    for name in (f"spark-core_2.13-{version}.jar", f"hadoop-client-api-{hadoop}.jar"):
        (home / "jars" / name).touch()
    return home


def add_property(door: Door, file: str, name: str, value: str) -> None:
    path = door.folder / "conf" / file
    property = f"<property><name>{name}</name><value>{value}</value></property>"
    path.write_text(path.read_text().replace("</configuration>", f"{property}</configuration>"))


def look(door: Door, *arguments: str, code: int = 0, **how: Any) -> dict[str, dict[str, Any]]:
    """``doctor --json``: the worst finding of each id."""
    outcome = door.run("doctor", "--json", *arguments, **how)
    assert outcome.code == code, f"{outcome.out}\n{outcome.err}"
    return by_id(outcome)


def by_id(outcome: Outcome) -> dict[str, dict[str, Any]]:
    order = ["skipped", "ok", "warn", "red"]
    rows = sorted(outcome.json["findings"], key=lambda row: order.index(row["severity"]))
    for row in rows:
        assert set(row) == {"id", "severity", "what", "where", "remedy", "measured"}
        assert bool(row["remedy"]) == (row["severity"] in ("warn", "red")), row
    return {row["id"]: row for row in rows}


def of(found: dict[str, dict[str, Any]], severity: str) -> set[str]:
    return {id for id, row in found.items() if row["severity"] == severity}


def test_a_healthy_host_and_cluster(host: Door, rm: TellingResourceManager) -> None:
    driver = rm.add("job", user="alice", steps=[SUCCEEDED]).replace("application", "container") + "_01_000001"
    found = look(host, "-q", "ml-queue")
    assert of(found, "red") == set()
    warnings = {"open.authentication", "open.yarn-acl", "open.rest-submission", "open.history-logs"}
    assert of(found, "warn") - {"host.pyspark", "host.disk"} == warnings
    assert found["host.java"]["measured"]["major"] == 17
    assert found["host.spark"]["measured"]["version"] == "4.3.0"
    assert found["host.spark-hadoop"]["measured"] == {"client_version": "3.5.0", "cluster_version": "3.5.0"}
    assert abs(found["host.clock"]["measured"]["offset_s"]) < 2
    assert found["yarn.nodes"]["measured"]["memory_mib"] == 16384
    assert found["open.authentication"]["measured"]["anonymous_user"] == "dr.who"
    assert driver in found["open.history-logs"]["what"]
    written = [method for method, *_ in host.webhdfs.asked if method != "GET"] + rm.paths("PUT") + rm.paths("POST")
    assert written == []  # it asks, and writes nothing


def test_the_report_for_people(host: Door) -> None:
    outcome = host.run("doctor", "-q", "frozen", env={"COLUMNS": "80"})
    assert outcome.code == 3, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0] == "this host"
    assert re.search(r"red +queue +queue root.frozen \(flag --queue\) is STOPPED", outcome.out)
    assert "next: name another one: -q" in outcome.out
    assert re.fullmatch(r"\d+ ok, \d+ warn, 1 red, \d+ skipped: a submit would fail", lines[-1])
    assert max(map(len, lines)) <= 80 + len(str(host.folder))  # a path is not broken


def test_every_problem_is_told_at_once(host: Door, webhdfs: TellingWebHdfs) -> None:
    webhdfs.safe_mode = True
    webhdfs.refused |= {"/user/alice", "/ml-pipeline"}
    found = look(host, "-q", "nope", "--executor-memory", "20g", "--driver-memory", "9g", code=3)
    assert of(found, "red") == {
        "yarn.queue",
        "yarn.driver-size",
        "yarn.executor-size",
        "hdfs.safe-mode",
        "hdfs.home",
    }
    assert found["hdfs.storage-root"]["severity"] == "warn"
    assert "flag --executor-memory" in found["yarn.executor-size"]["remedy"]


def test_a_broken_configuration_does_not_hide_the_cluster(host: Door) -> None:
    host.write_config("spark_config:\n  executor_memory: 8\n  que: ml-queue\n")
    found = look(host, "-q", "frozen", code=3)
    problems = found["config.file"]["measured"]["problems"]
    assert len(problems) == 2 and "missing unit" in problems[0]
    assert of(found, "red") == {"config.file", "config.job", "yarn.queue"}
    assert found["hdfs.home"]["severity"] == "ok"


@pytest.mark.parametrize("mode", [Mode.NONE_ACTIVE, Mode.ERROR, Mode.NEGOTIATE])
def test_a_resource_manager_that_does_not_work(host: Door, rm: TellingResourceManager, mode: Mode) -> None:
    rm.mode = mode
    found = look(host, code=3)
    wrong = "yarn.active" if mode is Mode.NONE_ACTIVE else "yarn.resourcemanager"
    assert of(found, "red") == {wrong}
    assert found["yarn.queue"]["severity"] == "skipped"
    assert found["hdfs.home"]["severity"] == "ok"


def test_servers_that_are_down(host: Door, rm: TellingResourceManager, webhdfs: TellingWebHdfs) -> None:
    rm.stop()
    webhdfs.__exit__(None, None, None)
    try:
        found = look(host, code=3)
    finally:
        webhdfs.__enter__()
    assert of(found, "red") == {"yarn.resourcemanager", "hdfs.namenode"}
    assert {"yarn.queue", "hdfs.home", "hdfs.safe-mode", "host.clock"} <= of(found, "skipped")
    assert found["history.jobhistory"]["severity"] == "warn"
    assert found["host.java"]["severity"] == "ok"


def test_this_host(host: Door) -> None:
    (host.folder / "java" / "java").write_text("#!/usr/bin/env bash\necho 'openjdk version \"11.0.2\"' >&2\n")
    state = host.folder / "state"
    state.write_text("a file where the folder should be")
    found = look(host, code=3, env={"XDG_STATE_HOME": str(state), "PYTHON_PATH": "/nonexistent/python"})
    assert of(found, "red") == {"host.java", "host.state-folder"}
    assert "Spark 4.3.0 needs Java 17 to 25" in found["host.java"]["what"]
    assert found["host.python"]["severity"] == "warn"
    named = look(host, code=3, env={"PYTHON_PATH": sys.executable})
    assert named["host.python"]["measured"]["python_path"] == sys.executable


def test_the_run_records_of_this_host(host: Door) -> None:
    assert look(host)["host.ledger"]["what"] == "none yet: the first run makes one"
    run = Run("r1", "n", "custom", "yarn", "c", "alice", "h", "2026-01-01T00:00:00Z", "2026-01-01", "f", {})
    ledger = SqliteLedger(host.state / "runs" / "c" / "alice")
    ledger.save(run)
    sound = look(host)["host.ledger"]
    assert (sound["severity"], sound["measured"]["runs"], sound["measured"]["version"]) == ("ok", 1, 1)
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    newer = look(host, code=3)["host.ledger"]
    assert (newer["severity"], newer["where"]) == ("red", str(ledger.path)) and "newer release" in newer["remedy"]
    ledger.path.write_bytes(b"this is no database" * 300)
    damaged = look(host, code=3)["host.ledger"]
    assert damaged["severity"] == "red" and "ledger rebuild" in damaged["remedy"]


def test_no_java_and_no_spark(host: Door) -> None:
    found = look(host, code=3, env={"SPARK_HOME": "/nonexistent", "JAVA_HOME": "/nonexistent"})
    assert of(found, "red") == {"host.java", "host.spark"}
    assert found["host.spark-hadoop"]["severity"] == "skipped"


def test_staging_folders_that_killed_applications_left(
    host: Door, rm: TellingResourceManager, webhdfs: TellingWebHdfs
) -> None:
    live = rm.add("job", user="alice", steps=[("RUNNING", "UNDEFINED", {})])
    ended = rm.add("job", user="alice", steps=[("KILLED", "KILLED", {})])
    base = "/user/alice/.sparkStaging"
    for name in (live, ended, "application_1500000000000_0001"):
        webhdfs.nodes |= {f"{base}/{name}": Node(), f"{base}/{name}/job.zip": Node(b"x" * 2048)}
    webhdfs.nodes[base] = Node()
    found = look(host)["hdfs.staging"]
    assert found["severity"] == "warn"
    assert {row["path"] for row in found["measured"]["left"]} == {
        f"{base}/{ended}",
        f"{base}/application_1500000000000_0001",
    }
    assert [row["size_bytes"] for row in found["measured"]["left"]] == [2048, 2048]
    assert found["measured"]["in_use"] == 1 and "hdfs dfs -rm -r -skipTrash" in found["remedy"]


def test_a_folder_of_xml_that_is_not_whole(host: Door) -> None:
    (host.folder / "conf" / "core-site.xml").unlink()
    found = look(host, code=3)
    assert of(found, "red") == {"config.hadoop-conf", "config.default-fs"}
    (host.folder / "conf" / "core-site.xml").write_text("<configuration>")
    assert of(look(host, code=3), "red") == {"config.hadoop-conf"}
    gone = look(host, code=3, env={"HADOOP_CONF_DIR": "/nonexistent"})
    assert "config.hadoop-conf" in of(gone, "red") and gone["host.java"]["severity"] == "ok"


def test_backend_local_looks_at_this_host_alone(laptop: Door) -> None:
    outcome = laptop.run("doctor", "--json")
    found = by_id(outcome)
    assert {"yarn.resourcemanager", "hdfs.namenode", "history.jobhistory", "open.authentication"} <= of(
        found, "skipped"
    )
    assert found["yarn.resourcemanager"]["what"] == "backend local"
    assert laptop.rm.paths() == [] and laptop.webhdfs.asked == []
    meant = look(laptop, "-q", "ml-queue", code=3)  # a queue means a cluster
    assert "config.backend" in of(meant, "red")


def test_a_kerberos_cluster_without_the_package_or_a_ticket(host: Door) -> None:
    add_property(host, "core-site.xml", "hadoop.security.authentication", "kerberos")
    klist = host.folder / "bin" / "klist"
    klist.write_text("#!/usr/bin/env bash\nexit 1\n")
    klist.chmod(0o755)
    host.rm.mode = Mode.NEGOTIATE  # whether this environment has the package or not, there is no ticket
    found = look(host, code=3)
    assert {"host.ticket", "yarn.user"} <= of(found, "red")
    assert found["open.authentication"]["severity"] in ("ok", "skipped")


def quick_spark(host: Door) -> Door:
    """The recorder as spark-submit, and a program that polls fast."""
    submit = Path(host.env["SPARK_HOME"], "bin", "spark-submit")
    submit.unlink()
    submit.symlink_to(RECORDER / "spark-submit")
    return host.quick()


def test_the_tiny_application_tells_of_the_nodes(host: Door, webhdfs: TellingWebHdfs) -> None:
    described = {"python": "3.9.2", "numpy": "1.26.4", "executable": "/usr/bin/python3", "host": "n1"}
    answer = {"driver": described, "executors": [described | {"python": "3.8.10", "numpy": ""}], "error": ""}
    webhdfs.deep_answer = json.dumps(answer).encode()
    found = look(quick_spark(host), "--deep", "-q", "ml-queue", "--executor-memory", "4g", code=3)
    assert of(found, "red") == {"deep.python"}
    assert found["deep.run"]["measured"]["exit_code"] == 0
    assert "driver 3.9.2, executors 3.8.10" in found["deep.python"]["what"]
    assert "executors (/usr/bin/python3)" in found["deep.numpy"]["what"]
    call = host.call
    assert (call.value("--executor-memory"), call.value("--queue")) == ("512m", "ml-queue")
    assert call.argv[-2].endswith("probe_nodes.py")
    assert call.argv[-1] not in webhdfs.nodes and call.argv[-1].startswith("/user/alice/.batch-submit/doctor/")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([("FAILED", "FAILED", {"diagnostics": "boom"})], "failed (exit code"),
        ([("RUNNING", "UNDEFINED", {})], "did not end within 1 s and was killed"),
    ],
)
def test_a_tiny_application_that_fails_or_hangs(host: Door, steps: list[Any], words: str) -> None:
    host.rm.refuse_lifetime = True  # so that our own deadline has to end it
    host.submits(*steps)
    found = look(quick_spark(host), "--deep", "--timeout", "1s", code=3)
    assert of(found, "red") == {"deep.run"} and words in found["deep.run"]["what"]
    assert host.application.state in ("FAILED", "KILLED")
    assert found["deep.run"]["where"] == host.application_id


def test_a_tiny_application_that_the_cluster_would_refuse(host: Door) -> None:
    found = look(quick_spark(host), "--deep", "-q", "frozen", code=3)
    assert of(found, "red") == {"yarn.queue", "deep.run"}
    assert "root.frozen" in found["deep.run"]["what"] and host.calls == []


@pytest.mark.parametrize(("argument", "words"), [("--timeout=soon", "--timeout"), ("--type=nope", "--type")])
def test_a_wrong_call(host: Door, argument: str, words: str) -> None:
    outcome = host.run("doctor", argument)
    assert (outcome.code, outcome.out) == (2, "") and words in outcome.err


def test_json_is_one_line_with_counts(host: Door) -> None:
    answer = json.loads(host.run("doctor", "--format", "json").out)
    assert answer["healthy"] is True
    assert sum(answer["counts"].values()) == len(answer["findings"])
