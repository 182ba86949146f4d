"""Queues, their ACLs, nodes and container sizes, on replies recorded from ResourceManagers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.yarn_probe import parse_nodes, parse_scheduler
from batch_submit.plan import health_yarn
from batch_submit.plan.config import Sourced
from batch_submit.plan.health import ServerAnswer, Severity
from batch_submit.plan.health_yarn import Container, Node, Queue, Scheduler
from batch_submit.plan.units import UnitError

OK, WARN, RED, SKIPPED = Severity.OK, Severity.WARN, Severity.RED, Severity.SKIPPED
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "doctor"


def recorded(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


SCHEDULER = parse_scheduler(recorded("scheduler.json"))
WITH_ACLS = parse_scheduler(recorded("scheduler-acl.json"))
FAIR = parse_scheduler(recorded("fair-scheduler.json"))


def test_the_capacity_scheduler_as_recorded() -> None:
    assert (SCHEDULER.kind, SCHEDULER.max_memory_mib, SCHEDULER.max_vcores) == ("capacityScheduler", 8192, 8)
    assert [(one.path, one.state, one.leaf) for one in SCHEDULER.queues] == [
        ("root", "", False),
        ("root.default", "RUNNING", True),
        ("root.ml-queue", "RUNNING", True),
        ("root.etl", "RUNNING", True),
        ("root.frozen", "STOPPED", True),
    ]


def test_other_shapes_of_a_scheduler() -> None:
    assert [one.path for one in FAIR.queues] == ["root", "root.default", "root.teams", "root.teams.ml"]
    assert [one.leaf for one in FAIR.queues] == [False, True, False, True]
    for nothing in ({}, None, "", {"scheduler": {"schedulerInfo": {"type": "fifoScheduler", "capacity": 1.0}}}):
        assert not parse_scheduler(nothing).tells_queues


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [
        ("ml-queue", OK, "root.ml-queue is RUNNING"),
        ("root.ml-queue", OK, "root.ml-queue is RUNNING"),
        ("", OK, "root.default is RUNNING"),
        ("frozen", RED, "STOPPED"),
        ("nope", RED, "unknown queue nope"),
        ("root", RED, "takes no applications"),
    ],
)
def test_a_queue(name: str, severity: Severity, words: str) -> None:
    found = health_yarn.queue(SCHEDULER, name, "flag --queue")
    assert found.severity is severity and words in found.what, found
    if severity is RED:
        assert "default, etl, ml-queue" in found.remedy and "flag --queue" in found.what


def test_a_queue_below_a_stopped_one_takes_nothing() -> None:
    nested = Scheduler("capacityScheduler", (Queue("root", leaf=False), Queue("root.a", "STOPPED", leaf=False)))
    nested = replace(nested, queues=(*nested.queues, Queue("root.a.b", "RUNNING")))
    found = health_yarn.queue(nested, "b", "x")
    assert found.severity is RED and "root.a (x) is STOPPED" in found.what


def test_a_queue_that_the_scheduler_may_make_is_no_error() -> None:
    assert health_yarn.queue(FAIR, "alice", "x").severity is WARN
    flexible = replace(SCHEDULER, queues=(*SCHEDULER.queues, Queue("root.users", leaf=False, makes_children=True)))
    assert health_yarn.queue(flexible, "root.users.alice", "x").severity is WARN


def test_a_server_that_tells_no_queues_blocks_nothing() -> None:
    bare = parse_scheduler({"scheduler": {"schedulerInfo": {"type": "capacityScheduler", "queueName": "root"}}})
    assert health_yarn.queue(bare, "ml-queue", "x").severity is SKIPPED


@pytest.mark.parametrize(
    ("user", "groups", "queue", "allowed"),
    [
        ("alice", (), "ml-queue", True),
        ("bob", ("etl",), "ml-queue", True),
        ("bob", ("ml",), "ml-queue", None),  # the ACL names a group, and groups are the server's to know
        ("bob", (), "default", False),
        ("nobody", (), "default", True),  # by the root's ACL
        ("yarn", (), "default", True),  # administers the root
        ("bob", (), "nope", None),
    ],
)
def test_acls_of_a_queue_and_those_above_it(
    user: str, groups: tuple[str, ...], queue: str, allowed: bool | None
) -> None:
    told = health_yarn.may_submit(WITH_ACLS, queue, user=user, groups=groups, acl_enabled=True)
    assert told is allowed
    assert health_yarn.may_submit(WITH_ACLS, queue, user=user, groups=groups, acl_enabled=False) is True


def test_access_is_refused_only_when_it_is_known() -> None:
    def access(scheduler: Scheduler, user: str, enabled: bool | None, administers: bool | None = None) -> Severity:
        return health_yarn.queue_access(
            scheduler, "", user=user, groups=(), acl_enabled=enabled, administers=administers
        ).severity

    assert access(WITH_ACLS, "bob", True) is RED
    assert access(WITH_ACLS, "bob", None) is SKIPPED
    assert access(WITH_ACLS, "bob", True, administers=True) is OK
    assert access(SCHEDULER, "bob", True) is OK
    hidden = replace(
        WITH_ACLS, queues=tuple(replace(one, submit_acl=None, administer_acl=None) for one in WITH_ACLS.queues)
    )
    assert access(hidden, "bob", True) is SKIPPED


def test_nodes_as_recorded() -> None:
    (node,) = parse_nodes(recorded("nodes.json"))
    assert (node.id, node.state, node.memory_mib, node.vcores) == ("localhost:8141", "RUNNING", 16384, 16)
    old = {"nodes": {"node": {"id": "a:1", "state": "RUNNING", "usedMemoryMB": 1024, "availMemoryMB": 3072}}}
    assert parse_nodes(old)[0].memory_mib == 4096
    assert parse_nodes({"nodes": None}) == []


def test_nodes_that_take_no_containers() -> None:
    good, sick = Node("a:1", "RUNNING", 1024, 1), Node("b:1", "UNHEALTHY", 1024, 1, "1/1 local-dirs are bad")
    assert health_yarn.nodes([good]).severity is OK
    found = health_yarn.nodes([good, sick])
    assert found.severity is WARN and "local-dirs are bad" in found.what
    assert health_yarn.nodes([sick]).severity is RED
    assert health_yarn.nodes([]).severity is RED
    assert health_yarn.nodes(None).severity is SKIPPED


def conf(**values: str) -> dict[str, Sourced]:
    return {f"spark.{key.replace('_', '.')}": Sourced(value, "test") for key, value in values.items()}


@pytest.mark.parametrize(
    ("given", "driver", "executor"),
    [
        ({}, 1408, 1408),  # Spark's 1g + 384
        ({"driver_memory": "2g", "executor_memory": "8g"}, 2432, 9011),  # 8192 + 819
        ({"executor_memory": "1g", "executor_memoryOverhead": "600"}, 1408, 1624),
        ({"executor_memory": "10g", "executor_memoryOverheadFactor": "0.4"}, 1408, 14336),
        ({"executor_minMemoryOverhead": "100m"}, 1408, 1126),
        ({"executor_pyspark_memory": "512m"}, 1408, 1920),
        ({"memory_offHeap_enabled": "true", "memory_offHeap_size": "1g"}, 1408, 2432),
        ({"memory_offHeap_enabled": "true", "memory_offHeap_size": "1073741824"}, 1408, 2432),
        ({"memory_offHeap_enabled": "false", "memory_offHeap_size": "1g"}, 1408, 1408),
    ],
)
def test_container_sizes(given: dict[str, str], driver: int, executor: int) -> None:
    assert [one.memory_mib for one in health_yarn.containers(conf(**given))] == [driver, executor]


def test_the_old_names_of_overheads_count_as_they_do_for_spark() -> None:
    given = {f"spark.yarn.{role}.memoryOverhead": Sourced("2g", "c.yaml:1") for role in ("driver", "executor")}
    assert [one.memory_mib for one in health_yarn.containers(given)] == [1024 + 2048, 1024 + 2048]


def test_in_client_mode_the_application_master_alone_is_a_container() -> None:
    am, _ = health_yarn.containers(conf(driver_memory="64g"), "client")
    assert am.memory_mib == 512 + 384
    with pytest.raises(UnitError):
        health_yarn.containers(conf(executor_memoryOverheadFactor="much"))


@pytest.mark.parametrize(
    ("memory", "vcores", "severity", "words"),
    [
        (8192, 8, OK, "at most 8192 MiB"),
        (8193, 1, RED, "yarn.scheduler.maximum-allocation-mb (8192 MiB)"),
        (1024, 9, RED, "yarn.scheduler.maximum-allocation-vcores (8 vcores)"),
        (5000, 1, RED, "the largest node (4096 MiB)"),
        (1024, 4, WARN, "the largest node has 2"),
    ],
)
def test_a_container_against_the_cluster(memory: int, vcores: int, severity: Severity, words: str) -> None:
    small = memory == 5000 or (memory, vcores) == (1024, 4)
    nodes = [Node("a:1", "RUNNING", 4096, 2)] if small else [Node("a:1", "RUNNING", 16384, 16)]
    nodes.append(Node("b:1", "LOST", 99999, 99))
    wanted = Container(
        "executor", memory, vcores, "heap", "spark_config.executor_memory", "spark_config.executor_cores"
    )
    origins = {"spark_config.executor_memory": "job_config.yaml:31"}
    found = health_yarn.container_size(wanted, SCHEDULER, nodes, origins)
    assert (found.id, found.severity) == ("yarn.executor-size", severity)
    assert words in found.what
    assert found.measured["memory_mib"] == memory
    if severity is RED and memory > 1024:
        assert found.remedy == "lower spark_config.executor_memory (job_config.yaml:31)"


def test_a_cluster_that_tells_no_limits_blocks_nothing() -> None:
    wanted = Container("driver", 1 << 20, 1, "heap", "a", "b")
    assert health_yarn.container_size(wanted, Scheduler(), None, {}).severity is SKIPPED
    assert health_yarn.container_size(wanted, Scheduler(), [Node("a", "LOST", 1, 1)], {}).severity is SKIPPED


def test_resource_managers() -> None:
    def severities(*answers: ServerAnswer) -> list[tuple[str, Severity]]:
        return [(one.id, one.severity) for one in health_yarn.resource_managers(answers)]

    active = ServerAnswer("http://a", "ACTIVE", "3.5.0", 9.0)
    standby = ServerAnswer("http://b", "STANDBY", "3.5.0", 9.0)
    down = ServerAnswer("http://c", error="no connection")
    one, all_of_them = "yarn.resourcemanager", "yarn.active"
    assert severities(active) == [(one, OK)]
    assert severities(active, standby) == [(one, OK), (one, OK), (all_of_them, OK)]
    assert severities(active, down) == [(one, OK), (one, WARN), (all_of_them, OK)]
    assert severities(standby, standby) == [(one, OK), (one, OK), (all_of_them, RED)]
    assert severities(active, active)[-1] == (all_of_them, RED)
    assert severities(down) == [(one, RED)]
