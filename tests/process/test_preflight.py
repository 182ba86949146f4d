"""The look before a submit: what the cluster would refuse is refused without a JVM, and silence blocks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch_submit.adapters.submission import COMPLETED_KEPT
from tests.process.canned_health import TellingResourceManager, TellingWebHdfs, recorded
from tests.process.canned_webhdfs import Node
from tests.process.door import REPOSITORY, Door

ALICE = {"HADOOP_USER_NAME": "alice"}


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
def told(door: Door) -> Door:
    """Our program as alice, on a cluster that tells everything."""
    door.env |= ALICE
    return door


def refused(door: Door, code: int, *words: str, arguments: tuple[str, ...] = ()) -> str:
    outcome = door.submit(*arguments)
    assert (outcome.code, outcome.out, door.calls) == (code, "", []), outcome.err
    assert door.records() == [] and door.rm.applications == {}
    assert outcome.said("; nothing was submitted", "  next: ", *words), outcome.err
    return outcome.err


def test_a_good_request_passes_and_the_look_is_a_handful_of_questions(told: Door, rm: TellingResourceManager) -> None:
    assert told.submit("-q", "ml-queue", "--no-wait").code == 0
    assert len(told.calls) == 1
    paths = rm.paths("GET")
    assert paths.count("/ws/v1/cluster/scheduler") == paths.count("/ws/v1/cluster/nodes") == 1
    asked_for = [asked.query["name"] for asked in rm.asked if asked.path == "/conf"]
    assert asked_for == [COMPLETED_KEPT]  # everybody may submit: nothing to ask about access
    assert told.webhdfs.operations().count("CHECKACCESS") == 1


def test_a_queue_that_gives_a_priority_gives_it_to_us(told: Door, rm: TellingResourceManager) -> None:
    queues = rm.scheduler["scheduler"]["schedulerInfo"]["queues"]["queue"]
    next(one for one in queues if one["queueName"] == "ml-queue")["defaultPriority"] = 3
    assert told.submit("-q", "ml-queue", "--no-wait").code == 0
    assert told.calls[0].conf["spark.yarn.priority"] == "3"
    assert told.submit("-q", "ml-queue", "--no-wait", "--conf", "spark.yarn.priority=7").code == 0
    assert told.calls[1].conf["spark.yarn.priority"] == "7"
    assert told.submit("-q", "default", "--no-wait").code == 0
    assert "spark.yarn.priority" not in told.calls[2].conf


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("frozen", "queue root.frozen (flag --queue) is STOPPED"),
        ("nope", "unknown queue nope (flag --queue)"),
        ("root", "has queues below it"),
    ],
)
def test_a_queue_that_takes_nothing(told: Door, queue: str, words: str) -> None:
    refused(told, 4, words, "default, etl, ml-queue", arguments=("-q", queue))


def test_every_problem_is_told_at_once(told: Door) -> None:
    sizes = ("--executor-memory", "20g", "--driver-memory", "9g")
    err = refused(
        told,
        4,
        "root.frozen",
        "the driver's container is too large: 10137 MiB",
        "yarn.scheduler.maximum-allocation-mb (8192 MiB)",
        "lower spark_config.executor_memory (flag --executor-memory)",
        "3 problems",
        arguments=("-q", "frozen", *sizes),
    )
    assert "the largest node (16384 MiB)" in err


def test_an_acl_that_leaves_a_user_out(told: Door, rm: TellingResourceManager) -> None:
    rm.scheduler = recorded("scheduler-acl.json")
    rm.conf["yarn.acl.enable"] = "true"
    refused(told, 4, "user alice may not submit to queue etl", arguments=("-q", "etl"))
    assert told.submit("-q", "ml-queue", "--no-wait").code == 0  # it names alice
    rm.conf["yarn.acl.enable"] = "false"
    assert told.submit("-q", "etl", "--no-wait").code == 0


def test_a_home_that_cannot_be_written(told: Door, webhdfs: TellingWebHdfs) -> None:
    webhdfs.refused.add("/user/alice")
    refused(told, 4, "/user/alice: alice can't write there", "Permission denied")
    del webhdfs.nodes["/user/alice"]
    refused(told, 4, "/user/alice: does not exist, and alice may not make it", "hdfs dfs -mkdir")
    assert told.submit("--no-wait", "--conf", "spark.yarn.stagingDir=s3a://bucket/staging").code == 0
    webhdfs.refused.remove("/user")  # who may make it needs none
    assert told.submit("--no-wait").code == 0


def test_safe_mode_is_a_reason_to_try_again_later(told: Door, webhdfs: TellingWebHdfs) -> None:
    webhdfs.safe_mode = True
    refused(told, 5, "HDFS is in safe mode", "hdfs dfsadmin -safemode get")
    outcome = told.submit("-q", "frozen")
    assert outcome.code == 4 and outcome.said("safe mode", "root.frozen")  # that one does not pass by itself


def test_a_built_in_job_without_its_input(told: Door, webhdfs: TellingWebHdfs) -> None:
    shipped = (REPOSITORY / "job_config.yaml").read_text(encoding="utf-8")
    told.write_config(shipped)
    call = ("submit", "-t", "training", "--no-wait")
    missing = told.run(*call)
    assert (missing.code, missing.out, told.calls) == (2, "", []), missing.err
    assert "/ml-pipeline/data/training/flights.parquet does not exist" in missing.err
    webhdfs.nodes["/ml-pipeline/data/training/flights.parquet"] = Node()
    assert told.run(*call).code == 0


def test_without_the_look_the_cluster_decides(told: Door) -> None:
    assert told.submit("-q", "frozen", "--no-preflight", "--no-wait").code == 0
    assert len(told.calls) == 1
    assert not {"/ws/v1/cluster/scheduler", "/ws/v1/cluster/nodes"} & set(told.rm.paths())


@pytest.mark.parametrize("server", ["scheduler", "nodes", "NameNode"])
def test_a_question_without_an_answer_blocks_nothing(told: Door, rm: TellingResourceManager, server: str) -> None:
    if server == "NameNode":
        told.webhdfs.__exit__(None, None, None)
    else:
        rm.mute.add(f"/ws/v1/cluster/{server}")
    outcome = told.submit("-q", "frozen" if server == "scheduler" else "ml-queue", "--no-wait", "--verbose")
    assert outcome.code == 0, outcome.err
    assert outcome.said("before the launch: ", " is not known: ")
    if server == "NameNode":
        told.webhdfs.__enter__()


def test_an_attached_run_is_not_looked_at(told: Door, rm: TellingResourceManager) -> None:
    assert told.submit("-q", "ml-queue", "--run-id", "r1").code == 0
    asked = rm.paths().count("/ws/v1/cluster/scheduler")
    again = told.submit("-q", "ml-queue", "--run-id", "r1")
    assert again.code == 0 and "already succeeded" in again.err
    assert rm.paths().count("/ws/v1/cluster/scheduler") == asked


def test_backend_local_asks_no_cluster(laptop: Door, tmp_path: Path) -> None:
    outcome = laptop.submit()
    assert outcome.code == 0, outcome.err
    assert laptop.rm.paths() == [] and laptop.webhdfs.asked == []
