"""``queues`` and ``nodes`` on a canned ResourceManager with recorded schedulers."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.process.door import RUNNING, Door

ME = pwd.getpwuid(os.getuid()).pw_name
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scheduler"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def capacity(door: Door) -> Door:
    door.rm.scheduler_reply = golden("capacity_raw_3.5")
    door.rm.nodes_reply = golden("nodes_raw_3.5")
    return door


@pytest.fixture
def fair(door: Door) -> Door:
    door.rm.scheduler_reply = golden("fair_raw_3.5")
    return door


def test_the_tree_of_queues_and_who_uses_them(capacity: Door) -> None:
    outcome = capacity.run("queues")
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[0] == ["capacity", "scheduler"]
    assert ["ml-queue", "RUNNING", "40%", "40%", "6%", "1024/6553", "1/6", "1", "3", "1024/3328"] in lines
    assert next(line for line in lines if line[:1] == ["frozen"])[1] == "STOPPED"
    assert ["root", "root.ml-queue", "1024", "1", "1", "3", "1024", "3328"] in lines


@pytest.mark.parametrize("name", ["ml-queue", "root.ml-queue"])
def test_one_queue_by_its_short_or_its_full_name(capacity: Door, name: str) -> None:
    outcome = capacity.run("queues", name)
    assert outcome.code == 0, outcome.err
    facts = dict(line.split("  ", 1) for line in outcome.out.splitlines()[:8])
    assert facts["queue"].strip() == "root.ml-queue" and facts["running"].strip() == "1"
    assert "drivers of one user  at most 1664 MiB, 2 vcores" in outcome.out
    assert "root.etl" not in outcome.out


def test_queues_as_json(capacity: Door) -> None:
    answer = capacity.run("queues", "--json").json
    assert answer["scheduler"] == "capacity" and answer["queues"][0]["path"] == "root"
    queue = next(one for one in answer["queues"] if one["path"] == "root.ml-queue")
    assert (queue["am_used_memory_mib"], queue["am_limit_memory_mib"], queue["pending"]) == (1024, 3328, 3)
    assert queue["users"][0]["name"] == "root" and queue["max_running"] is None and queue["leaf"] is True
    one = capacity.run("queues", "etl", "--format", "json").json
    assert [queue["path"] for queue in one["queues"]] == ["root.etl"]


def test_an_unknown_queue_is_an_error_that_offers_a_near_one(capacity: Door) -> None:
    outcome = capacity.run("queues", "mlqueue")
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.said("there is no queue 'mlqueue'; did you mean root.ml-queue?")


def test_a_fair_scheduler_whose_users_are_counted_from_the_applications(fair: Door) -> None:
    fair.rm.add("a", user="alice", queue="root.etl.nightly", steps=[RUNNING])
    fair.rm.add("b", user="alice", queue="root.etl.nightly", steps=[("ACCEPTED", "UNDEFINED", {})])
    outcome = fair.run("queues", "etl")
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["nightly", "-", "25%", "25%", "0%", "0/4096", "0/4", "0", "3", "0/410"] in lines
    assert ["alice", "root.etl.nightly", "2048", "2", "1", "1", "-", "-"] in lines
    answer = fair.run("queues", "root.ml-queue", "--json").json
    assert (answer["scheduler"], answer["queues"][0]["max_running"]) == ("fair", 2)


def test_a_short_name_of_two_queues_is_refused(fair: Door) -> None:
    info = fair.rm.scheduler_reply["scheduler"]["schedulerInfo"]["rootQueue"]
    twin = {"queueName": "root.default.nightly"}
    info["childQueues"]["queue"][-1]["childQueues"] = {"queue": twin}
    outcome = fair.run("queues", "nightly")
    assert outcome.code == 2 and outcome.said("2 queues are called 'nightly'", "root.etl.nightly")


def test_nodes(capacity: Door) -> None:
    outcome = capacity.run("nodes")
    assert outcome.code == 0, outcome.err
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[1][:5] == ["localhost:14041", "RUNNING", "15360/16384", "3/16", "3"]
    assert "2 RUNNING; 30720 of 32768 MiB and 6 of 32 vcores are used" in outcome.err
    (first, _) = capacity.run("nodes", "--json").json
    assert (first["total_memory_mib"], first["used_vcores"], first["state"]) == (16384, 3, "RUNNING")


def test_what_is_wrong_with_a_node_and_nodes_of_one_state(capacity: Door) -> None:
    bad = {"id": "n1:1", "state": "UNHEALTHY", "healthReport": "1/1 local-dirs have errors"}
    capacity.rm.nodes_reply["nodes"]["node"].append(bad)
    assert "  1/1 local-dirs have errors" in capacity.run("nodes").out.splitlines()
    only = capacity.run("nodes", "--states", "unhealthy,lost", "--json").json
    assert [node["node_id"] for node in only] == ["n1:1"]
    assert capacity.rm.asked[-1].query["states"] == "UNHEALTHY,LOST"
    assert capacity.run("nodes", "--states", "DECOMMISSIONED").out == "no nodes\n"
    wrong = capacity.run("nodes", "--states", "ill")
    assert wrong.code == 2 and "ILL is no state of a node" in wrong.err


@pytest.mark.parametrize("verb", ["queues", "nodes"])
def test_a_cluster_that_is_down_and_a_backend_without_one(door: Door, verb: str) -> None:
    local = door.run(verb, "--backend", "local")
    assert local.code == 2 and "backend local has no queues and no nodes" in local.err
    door.rm.stop()
    assert door.run(verb).code == 5
