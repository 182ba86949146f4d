"""Queues, nodes and asks as ResourceManagers of Hadoop 2.10 to 3.5 tell them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.scheduler_replies import parse_activity, parse_asks, parse_nodes, parse_scheduler
from batch_submit.plan.scheduling import Ask, Resources

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scheduler"


def load(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_a_capacity_scheduler() -> None:
    view = parse_scheduler(load("capacity_raw_3.5"))
    assert view.kind == "capacity"
    assert sorted(queue.path for queue in view.root.walk()) == [
        "root",
        "root.default",
        "root.etl",
        "root.frozen",
        "root.ml-queue",
    ]
    (queue,) = view.find("ml-queue")
    assert (queue.state, queue.capacity_percent, queue.maximum_percent) == ("RUNNING", 40.0, 40.0)
    assert (queue.running, queue.pending, queue.used) == (1, 3, Resources(1024, 1))
    assert (queue.am_used, queue.am_limit) == (Resources(1024, 1), Resources(3328, 3))
    assert queue.user_am_limit == Resources(1664, 2) and queue.max_running is None
    (user,) = queue.users
    assert (user.name, user.running, user.pending, user.am_used) == ("root", 1, 3, Resources(1024, 1))
    assert view.find("frozen")[0].state == "STOPPED"
    assert (view.root.running, view.root.pending, view.root.used) == (1, 3, Resources(1024, 1))


def test_a_fair_scheduler() -> None:
    view = parse_scheduler(load("fair_raw_3.5"))
    assert view.kind == "fair"
    (queue,) = view.find("root.ml-queue")
    assert (queue.running, queue.pending, queue.max_running) == (2, 2, 2)
    assert (queue.used, queue.maximum) == (Resources(2048, 2), Resources(8192, 8))
    assert (queue.used_percent, queue.maximum_percent, queue.state) == (12.5, 50.0, "")
    assert queue.am_limit == Resources(4096, 4)
    (nested,) = view.find("nightly")
    assert (nested.path, nested.pending) == ("root.etl.nightly", 3)
    assert [queue.path for queue in view.line("root.etl.nightly")] == ["root.etl.nightly", "root.etl", "root"]
    assert view.find("default")[0].am_limit is None  # 0 before the first application means "not computed yet"
    assert view.root.pending == 5


OLD_LEAF = {
    "type": "capacitySchedulerLeafQueueInfo",
    "capacity": 40.0,
    "absoluteCapacity": "40.0",
    "absoluteUsedCapacity": 12.5,
    "queueName": "ml",
    "state": "RUNNING",
    "resourcesUsed": {"memory": 2048, "vCores": 2},
    "numActiveApplications": 1,
    "users": {"user": {"username": "alice", "resourcesUsed": {"memory": 2048, "vCores": 2}}},
}


@pytest.mark.parametrize("queues", [{"queue": OLD_LEAF}, {"queue": [OLD_LEAF]}, [OLD_LEAF]])
def test_an_old_capacity_scheduler_with_one_object_for_a_list_and_no_paths(queues: Any) -> None:
    info = {"type": "capacityScheduler", "queueName": "root", "capacity": 100.0, "usedCapacity": 12.5, "queues": queues}
    view = parse_scheduler({"scheduler": {"schedulerInfo": info}})
    (queue,) = view.find("root.ml")
    assert (queue.capacity_percent, queue.used_percent, queue.maximum_percent) == (40.0, 12.5, None)
    assert (queue.running, queue.pending, queue.maximum, queue.am_limit) == (1, -1, None, None)
    assert [user.name for user in queue.users] == ["alice"]
    assert (view.root.capacity_percent, view.root.used_percent) == (100.0, 12.5)


def test_a_fifo_scheduler_is_one_queue() -> None:
    info = {"type": "fifoScheduler", "qstate": "RUNNING", "usedCapacity": 0.25, "usedNodeCapacity": 4096}
    view = parse_scheduler({"scheduler": {"schedulerInfo": {**info, "totalNodeCapacity": 16384}}})
    (queue,) = view.find("default")
    assert (view.kind, queue.used_percent, queue.used.memory_mib) == ("fifo", 25.0, 4096)


@pytest.mark.parametrize("reply", [{}, None, {"scheduler": None}, {"scheduler": {"schedulerInfo": ""}}, [], "text"])
def test_nothing_makes_it_raise(reply: Any) -> None:
    view = parse_scheduler(reply)
    assert (view.root.path, view.root.children, view.kind) == ("root", (), "unknown")
    assert parse_nodes(reply) == [] and parse_asks(reply) == [] and parse_activity(reply) == ""


def test_nodes() -> None:
    nodes = parse_nodes(load("nodes_raw_3.5"))
    assert [(node.node_id, node.state, node.used, node.total) for node in nodes] == [
        ("localhost:14041", "RUNNING", Resources(15360, 3), Resources(16384, 16)),
        ("localhost:14044", "RUNNING", Resources(15360, 3), Resources(16384, 16)),
    ]
    lost = parse_nodes(load("nodes_lost_raw_3.5"))
    assert {node.state for node in lost} == {"LOST"} and not any(node.active for node in lost)
    one = {"nodes": {"node": {"id": "n1:1", "state": "UNHEALTHY", "healthReport": "1/1 local-dirs are bad"}}}
    (node,) = parse_nodes(one)
    assert (node.health, node.total, node.active) == ("1/1 local-dirs are bad", Resources(), False)


def test_asks_are_those_for_any_node() -> None:
    assert parse_asks(load("queue_full_3.5")["app"]) == [Ask(Resources(1536, 1), 1)]
    request = {"resourceName": "*", "numContainers": 2, "capability": {"memory": 896, "vCores": 1}, "priority": 1}
    local = {**request, "resourceName": "n1"}
    done = {**request, "numContainers": 0}
    assert parse_asks({"app": {"resourceRequests": [local, request, done]}}) == [Ask(Resources(896, 1), 2)]
    nested = {**request, "priority": {"priority": 20}}
    assert parse_asks({"app": {"resourceRequests": nested}}) == [Ask(Resources(896, 1), 2)]
    assert parse_asks({"app": {"resourceRequests": ""}}) == []


def test_the_schedulers_own_words() -> None:
    words = "Queue does not have enough headroom for inner highest-priority request"
    assert parse_activity(load("many_nodes_full_3.5")["activities"]) == words
    assert parse_activity(load("queue_full_3.5")["activities"]) == ""
    assert parse_activity(load("fair_am_share_3.5")["activities"]) == ""


def test_names_are_short_or_full_and_near_ones_are_offered() -> None:
    view = parse_scheduler(load("capacity_raw_3.5"))
    assert view.find("root.ml-queue") == view.find("ml-queue")
    assert view.find("queue") == [] and view.find("") == []
    assert view.near("mlqueue") == ["root.ml-queue"]
    assert view.line("root.gone") == [view.root]
