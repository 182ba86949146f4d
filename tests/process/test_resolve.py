"""``resolve``: a person decides what can't be known, nothing else, and the decision is kept."""

from __future__ import annotations

import os
import signal

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door
from tests.process.killed_call import (
    claims,
    hosts,
    kill,
    killed_at,
    killed_while_spark_submit_runs,
    tries,
)

__all__ = ["hosts", "kill"]
Hosts = tuple[Door, dict[str, str]]
OURS = ["batch-submit", "run:r1", "try:r1.1"]


def uncertain(door: Door) -> None:
    """Whether r1 was launched can't be known: the record is one of another host's."""
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    door.rewrite(host="elsewhere")
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 8 and "resolve r1 --application ID | --not-submitted" in outcome.err, outcome.err


def test_not_submitted_makes_room_for_a_new_try_on_every_host(hosts: Hosts) -> None:
    door, other = hosts
    uncertain(door)
    decided = door.run("resolve", "r1", "--not-submitted")
    assert decided.code == 0, decided.err
    assert decided.out.startswith("r1 try 1: not submitted, decided by ")
    one = tries(door)[0]
    assert one["state"] == "NOT_SUBMITTED" and one["decided_at"].startswith("20")
    assert one["decided_by"].endswith(f"on {os.uname().nodename}") and one["decided_by"] in one["reason"]
    claim = claims(door)["1-given-up"]
    assert one["decided_by"] in claim["reason"] and claim["fingerprint"] == claims(door)["1-planned"]["fingerprint"]
    again = door.run("resolve", "r1", "--not-submitted")
    assert again.code == 2 and "there is nothing to decide: a submit makes try 2" in again.err, again.err
    outcome = door.submit("--run-id", "r1", env=other)
    assert outcome.code == 0 and "try:r1.2" in door.call.conf["spark.yarn.tags"], outcome.err


def test_it_is_decided_on_a_host_without_a_record_too(hosts: Hosts) -> None:
    door, other = hosts
    uncertain(door)
    decided = door.run("resolve", "r1", "--not-submitted", "--json", env=other)
    assert decided.code == 0 and "no record of run r1" in decided.err, decided.err
    assert (decided.json["try"], decided.json["decision"], decided.json["application_id"]) == (1, "not-submitted", "")
    assert door.submit("--run-id", "r1").code == 0 and len(door.calls) == 1


def test_what_arrives_after_such_a_decision_is_ended(hosts: Hosts) -> None:
    door, _ = hosts
    uncertain(door)
    assert door.run("resolve", "r1", "--not-submitted").code == 0
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    late = door.rm.add("late", user="alice", tags=OURS, steps=[RUNNING])
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    assert [application_id for application_id, _ in door.rm.kills] == [late]
    assert "ended by this tool" in tries(door)[0]["reason"]


def test_an_application_is_named_that_does_not_say_whose_it_is(hosts: Hosts) -> None:
    """Such as one that a colleague submitted by hand that night."""
    door, other = hosts
    uncertain(door)
    by_hand = door.rm.add("by hand", user="alice", tags=[], steps=[RUNNING])
    refused = door.run("resolve", "r1", "--application", by_hand)
    assert (refused.code, refused.out) == (2, ""), refused.err
    assert refused.said("does not carry the tag try:r1.1", "its tags: none", "'by hand' of user alice", "--force")
    decided = door.run("resolve", "r1", "--application", by_hand, "--force")
    assert decided.code == 0 and f"r1 try 1: {by_hand}, decided by " in decided.out, decided.err
    assert claims(door)["1-submitted"]["application_id"] == by_hand
    assert (tries(door)[0]["state"], tries(door)[0]["application_id"]) == ("SUBMITTED", by_hand)
    for env in ({}, other):
        attached = door.submit("--run-id", "r1", "--no-wait", env=env)
        assert (attached.code, attached.out) == (0, f"{by_hand}\n"), attached.err
    assert door.calls == []


def test_the_end_of_a_named_application_is_recorded_at_once(hosts: Hosts) -> None:
    door, _ = hosts
    uncertain(door)
    ended = door.rm.add("by hand", user="alice", tags=[], steps=[SUCCEEDED])
    assert door.run("resolve", "r1", "--application", ended, "--force").code == 0
    assert (tries(door)[0]["state"], tries(door)[0]["result"]) == ("FINISHED", "succeeded")
    done = door.submit("--run-id", "r1")
    assert done.code == 0 and "already succeeded" in done.err and door.calls == []


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_application_of_another_run_is_never_taken(hosts: Hosts, force: list[str]) -> None:
    door, _ = hosts
    uncertain(door)
    theirs = door.rm.add("theirs", user="alice", tags=["batch-submit", "run:r2", "try:r2.1"], steps=[RUNNING])
    outcome = door.run("resolve", "r1", "--application", theirs, *force)
    assert outcome.code == 2 and "an application of another run, r2" in outcome.err, outcome.err
    assert tries(door)[0]["state"] == "LAUNCHING"


def test_an_application_that_nobody_knows_is_not_taken(hosts: Hosts) -> None:
    door, _ = hosts
    uncertain(door)
    outcome = door.run("resolve", "r1", "--application", "application_1700000000000_4711", "--force")
    assert outcome.code == 4 and "application_1700000000000_4711" in outcome.err, outcome.err
    assert tries(door)[0]["state"] == "LAUNCHING" and "1-submitted" not in claims(door)


@pytest.mark.parametrize("step", [RUNNING, SUCCEEDED])
def test_where_its_application_shows_there_is_nothing_to_decide(
    hosts: Hosts, step: tuple[str, str, dict[str, str]]
) -> None:
    door, _ = hosts
    uncertain(door)
    shows = door.rm.add("shows", user="alice", tags=OURS, steps=[step])
    for decision in (["--not-submitted", "--force"], ["--application", shows]):
        outcome = door.run("resolve", "r1", *decision)
        assert outcome.code == 2 and outcome.said("nothing to decide", shows), outcome.err
    assert tries(door)[0]["state"] == "LAUNCHING"


def test_while_the_program_lives_there_is_nothing_to_decide(hosts: Hosts) -> None:
    door, _ = hosts
    gate = killed_while_spark_submit_runs(door)
    outcome = door.run("resolve", "r1", "--not-submitted", "--force")
    assert outcome.code == 2 and outcome.said("nothing can be decided yet", f"kill {door.call.pid}"), outcome.err
    gate.touch()


def test_an_accepted_application_that_was_forgotten_takes_force(hosts: Hosts) -> None:
    door, other = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    assert door.submit("--run-id", "r1").code == 8
    refused = door.run("resolve", "r1", "--not-submitted")
    assert refused.code == 2 and refused.said(f"{application_id} was accepted", "--force"), refused.err
    assert door.run("resolve", "r1", "--not-submitted", "--force").code == 0
    assert application_id in tries(door)[0]["reason"]
    door.submits(SUCCEEDED)
    for env in (other, {}):
        assert door.submit("--run-id", "r1", env=env).code == 0
    assert len(door.calls) == 2


def test_nobody_decides_while_the_cluster_can_t_be_asked(hosts: Hosts) -> None:
    door, _ = hosts
    uncertain(door)
    door.rm.mode = Mode.NONE_ACTIVE
    assert door.run("resolve", "r1", "--not-submitted", "--force").code == 5
    assert tries(door)[0]["state"] == "LAUNCHING" and "1-given-up" not in claims(door)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["r1"], 2, "either --application ID or --not-submitted"),
        (["r1", "--not-submitted", "--application", "application_1700000000000_0001"], 2, "either --application"),
        (["nobody", "--not-submitted"], 4, "neither a record of this host nor a claim knows run nobody"),
        ([], 2, "RUN"),
    ],
)
def test_bad_calls(hosts: Hosts, arguments: list[str], code: int, says: str) -> None:
    door, _ = hosts
    outcome = door.run("resolve", *arguments)
    assert (outcome.code, outcome.out) == (code, "") and says in outcome.err, outcome.err


def test_a_run_that_succeeded_is_not_decided_about(hosts: Hosts) -> None:
    door, _ = hosts
    assert door.submit("--run-id", "r1").code == 0
    outcome = door.run("resolve", "r1", "--not-submitted", "--force")
    assert outcome.code == 2 and outcome.said("nothing to decide", "it succeeded"), outcome.err
