"""Our program is killed around spark-submit's launch and called again: it finds out, and never submits beside it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Outcome, Running, until
from tests.process.killed_call import (
    claims,
    hosts,
    kill,
    killed_at,
    killed_while_spark_submit_runs,
    tries,
)

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]


def repeated_well(door: Door, outcome: Outcome, number: int) -> None:
    assert outcome.code == 0, outcome.err
    assert len(door.calls) == 1 and f"try:r1.{number}" in door.call.conf["spark.yarn.tags"].split(",")
    assert len(door.rm.applications) == 1


CLOSED = [
    ("claiming.Claims.plan", False),
    ("claiming.Claims.plan", True),
    ("recording.Recorder.plan_try", True),
    ("claiming.Claims.reserve", True),
    ("spark_submit.Child.__init__", True),
    ("recording.Recorder.at_gate", False),
]


@pytest.mark.parametrize(
    ("step", "after"), CLOSED, ids=[f"{'after' if after else 'before'} {step}" for step, after in CLOSED]
)
def test_killed_before_the_gate_was_to_open_it_is_submitted_at_once(hosts: Hosts, step: str, after: bool) -> None:
    door, other = hosts
    assert door.submit("--run-id", "r1", program=killed_at(door, step, after=after)).code == -signal.SIGKILL
    assert door.calls == []
    outcome = door.submit("--run-id", "r1", env={"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "10m"})
    reserved = step not in ("claiming.Claims.plan", "recording.Recorder.plan_try")
    repeated_well(door, outcome, 2 if reserved else 1)
    if reserved:
        assert tries(door)[0]["state"] == "NOT_SUBMITTED" and "1-not-submitted" in claims(door)
    assert door.submit("--run-id", "r1", env=other).err.count("already succeeded") == 1


def test_killed_before_the_gate_opened_it_is_known_after_the_settle_time(hosts: Hosts) -> None:
    door, other = hosts
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    assert door.submit("--run-id", "r1", env=other).code == 8, "another host can't know it"
    outcome = door.submit("--run-id", "r1")
    repeated_well(door, outcome, 2)
    assert outcome.said("an earlier call began to launch try 1", "for 1s", "try 1 was not launched")
    first = tries(door)[0]
    assert first["state"] == "NOT_SUBMITTED" and "is gone" in first["reason"], first
    assert "is gone" in claims(door)["1-not-submitted"]["reason"]
    assert door.submit("--run-id", "r1", env=other).code == 0


def test_a_repeat_waits_for_spark_submit_and_attaches_to_what_it_submits(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    gate = killed_while_spark_submit_runs(door)
    again = door.submitting("--run-id", "r1")
    again.wait_until_said("an earlier call's program may still submit it")
    assert str(door.call.pid) in again.err and again.process.poll() is None
    gate.touch()
    again.wait_until_said("attached to")
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = again.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert len(door.calls) == 1 and list(claims(door)) == ["1-planned", "1-reserved", "1-submitted"]


def test_spark_submit_that_fails_after_our_death_makes_room_for_a_new_try(hosts: Hosts) -> None:
    door, other = hosts
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    gate = killed_while_spark_submit_runs(door)
    again = door.submitting("--run-id", "r1")
    again.wait_until_said("may still submit it")
    gate.touch()
    until(lambda: "looking for its application" in again.err, "it has seen the end of spark-submit")
    door.submits(SUCCEEDED)
    outcome = again.end()
    assert outcome.code == 0, outcome.err
    assert len(door.calls) == 2 and "try:r1.2" in door.calls[1].conf["spark.yarn.tags"]
    assert door.submit("--run-id", "r1", env=other).code == 0


def test_when_the_host_restarted_no_process_is_left(hosts: Hosts) -> None:
    door, _ = hosts
    gate = killed_while_spark_submit_runs(door)
    # The pid of a process that lives, as after a restart any number may be given again.
    door.rewrite(boot_id="before", pid=os.getpid())
    door.submits(SUCCEEDED)
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 0 and "try 1 was not launched" in outcome.err, outcome.err
    gate.touch()


def test_a_number_that_was_given_again_is_not_waited_for(hosts: Hosts) -> None:
    door, _ = hosts
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    door.rewrite(pid=os.getpid(), process_start=tries(door)[0]["process_start"])
    repeated_well(door, door.submit("--run-id", "r1"), 2)


@pytest.mark.parametrize(
    "change", [{"pid_namespace": "pid:[1]"}, {"host": "elsewhere"}, {"machine": "x"}, {"process_start": 0}]
)
def test_where_the_process_can_t_be_seen_it_is_8(hosts: Hosts, change: dict[str, Any]) -> None:
    """A home folder that containers or hosts share, or a record of an earlier release."""
    door, _ = hosts
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    door.rewrite(**change)
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out, door.calls) == (8, "", []), outcome.err
    assert outcome.said("1-reserved.json", f"made by host {os.uname().nodename}", "resolve r1")


@pytest.mark.parametrize("forgets", ["restarted", "took many"])
def test_a_resourcemanager_that_may_have_forgotten_it_is_no_proof(hosts: Hosts, forgets: str) -> None:
    door, _ = hosts
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    if forgets == "restarted":
        door.rm.epoch += 1
    else:
        door.rm.submitted += 501
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out, door.calls) == (8, "", []), outcome.err
    assert outcome.said("may have forgotten it" if forgets == "restarted" else "501 applications were submitted since")


def test_an_outage_while_it_settles_ends_in_8_past_all_patience(hosts: Hosts) -> None:
    door, _ = hosts
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    slow = {"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "3s", "BATCH_SUBMIT_EXECUTION__RM_PATIENCE": "1s"}
    away = door.submitting("--run-id", "r1", env=slow)
    away.wait_until_said("looking for its application")
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = away.end()
    assert (outcome.code, outcome.out, door.calls) == (8, "", []), outcome.err
    door.rm.mode = Mode.ACTIVE
    repeated_well(door, door.submit("--run-id", "r1"), 2)


def test_what_another_host_launched_is_not_called_unsubmitted_by_a_record_that_says_planned(hosts: Hosts) -> None:
    """While no ResourceManager answers, the claim tells more than a record that came no further."""
    door, other = hosts
    door.submits(RUNNING)
    program = killed_at(door, "recording.Recorder.plan_try", after=True)
    assert door.submit("--run-id", "r1", env=other, program=program).code == -signal.SIGKILL
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.submit("--run-id", "r1", env=other)
    assert (outcome.code, outcome.out) == (8, "") and "nothing was submitted" not in outcome.err, outcome.err


def test_what_was_never_launched_is_5_while_nobody_can_be_asked(hosts: Hosts) -> None:
    door, _ = hosts
    program = killed_at(door, "spark_submit.Child.__init__", after=True)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (5, "") and "nothing was submitted" in outcome.err, outcome.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_waiting_ends_by_a_signal_and_nothing_is_launched(hosts: Hosts, number: signal.Signals) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    gate = killed_while_spark_submit_runs(door)
    again = door.submitting("--run-id", "r1")
    again.wait_until_said("may still submit it")
    again.send(number)
    outcome = again.end()
    assert (outcome.code, outcome.out) == (128 + number, ""), outcome.err
    assert "an earlier call may still submit run r1" in outcome.err and "nothing was submitted" not in outcome.err
    gate.touch()
    until(lambda: door.rm.applications, "the application is there")
    assert door.submit("--run-id", "r1", "--no-wait").code == 0 and len(door.calls) == 1


def test_the_waiting_has_an_end(hosts: Hosts) -> None:
    door, _ = hosts
    gate = killed_while_spark_submit_runs(door)
    program = door.changed_program("from batch_submit.operations import deciding; deciding.PROGRAM_PATIENCE_S = 1.0")
    outcome = door.submit("--run-id", "r1", program=program)
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said("has not ended after 1s", f"pid {door.call.pid}", f"kill {door.call.pid}")
    gate.touch()


def test_two_repeats_on_one_host_wait_for_each_other(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    gate = killed_while_spark_submit_runs(door)
    both = [door.submitting("--run-id", "r1", "--no-wait") for _ in range(2)]
    until(lambda: any("may still submit it" in one.err for one in both), "one of them looks")
    gate.touch()
    outcomes = [one.end() for one in both]
    assert [(one.code, one.out) for one in outcomes] == [(0, f"{door.application_id}\n")] * 2, outcomes
    assert len(door.calls) == 1


def test_in_client_mode_the_driver_goes_on_and_is_attached_to(hosts: Hosts) -> None:
    """The JVM that submits is the driver: killed before its application shows, it is waited for like any other."""
    door, _ = hosts
    door.quick()
    door.submits(RUNNING)
    gate = killed_while_spark_submit_runs(door, "--conf", "spark.submit.deployMode=client")
    hold = door.holds("wait_after")
    again = door.submitting("--run-id", "r1", "--conf", "spark.submit.deployMode=client")
    again.wait_until_said("may still submit it")
    gate.touch()
    again.wait_until_said("attached to")
    door.application.end("FINISHED", "SUCCEEDED", "")
    hold.touch()
    assert again.end().code == 0 and len(door.calls) == 1


LOCAL_STEPS = [
    ("spark_submit.Child.__init__", True),
    ("recording.Recorder.at_gate", False),
    ("spark_submit.Child.open_gate", False),
]


@pytest.mark.parametrize(("step", "after"), LOCAL_STEPS, ids=[step for step, _ in LOCAL_STEPS])
def test_a_local_run_killed_at_its_gate_is_run_once(laptop: Door, step: str, after: bool) -> None:
    assert laptop.submit("--run-id", "r1", program=killed_at(laptop, step, after=after)).code == -signal.SIGKILL
    outcome = laptop.submit("--run-id", "r1")
    assert outcome.code == 0, outcome.err
    assert len(laptop.calls) == 1
    assert laptop.submit("--run-id", "r1").err.count("already succeeded") == 1


def test_a_local_run_killed_behind_its_gate_is_attached_to(laptop: Door) -> None:
    gate = laptop.holds("wait_before")
    first: Running = laptop.submitting("--run-id", "r1")
    until(lambda: laptop.calls, "the driver runs")
    kill(first)
    again = laptop.submitting("--run-id", "r1")
    again.wait_until_said("attached to")
    gate.touch()
    assert again.end().code == 0 and len(laptop.calls) == 1
