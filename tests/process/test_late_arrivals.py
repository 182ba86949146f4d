"""An application that shows after its try was given up is adopted or ended, and the record says which."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.process.door import RUNNING, SUCCEEDED, Door, Step
from tests.process.killed_call import hosts, killed_at, tries

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]
FAILED: Step = ("FINISHED", "FAILED", {})


def given_up(door: Door) -> None:
    """Try 1 of r1 is known not to have been launched, and try 2 of it is submitted."""
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    assert door.submit("--run-id", "r1", "--no-wait").code == 0


def late(door: Door, *steps: Step, number: int = 1, **fields: Any) -> str:
    """The application of a try that was given up."""
    tags = ["batch-submit", "run:r1", f"try:r1.{number}"]
    return door.rm.add("late", user="alice", tags=tags, steps=steps or (RUNNING,), **fields)


def state(door: Door, application_id: str) -> str:
    return door.rm.applications[application_id].state


def newest(door: Door) -> str:
    return next(one for one, app in door.rm.applications.items() if "try:r1.2" in app.fields["applicationTags"])


def test_beside_a_live_newer_one_it_is_ended_by_the_next_call(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    given_up(door)
    old = late(door)
    outcome = door.submit("--run-id", "r1", "--no-wait")
    assert (outcome.code, outcome.out) == (0, f"{newest(door)}\n"), outcome.err
    assert outcome.said(f"{old} (try 1) lives beside {newest(door)} (try 2): killing it")
    assert (state(door, old), state(door, newest(door))) == ("KILLED", "RUNNING")
    first = tries(door)[0]
    assert (first["state"], first["result"], first["application_id"]) == ("FINISHED", "killed", old)
    assert f"ended by this tool: a run has one application, and {newest(door)}" in first["reason"]


def test_it_is_ended_by_the_wait_for_the_newer_one(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    given_up(door)
    program = door.changed_program("from batch_submit.operations import late_arrivals; late_arrivals.LOOK_S = 0.2")
    waiting = door.start("wait", "r1", program=program)
    waiting.wait_until_said("RUNNING")
    old = late(door)
    waiting.wait_until_said("killing it")
    door.rm.applications[newest(door)].end("FINISHED", "SUCCEEDED", "")
    outcome = waiting.end()
    assert outcome.code == 0, outcome.err
    assert state(door, old) == "KILLED" and [one["result"] for one in tries(door)] == ["killed", "succeeded"]


def test_one_that_has_succeeded_is_the_run_s_and_the_newer_one_is_ended(hosts: Hosts) -> None:
    door, other = hosts
    door.submits(RUNNING)
    given_up(door)
    old = late(door, SUCCEEDED)
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (0, f"{old}\n"), outcome.err
    assert "already succeeded" in outcome.err and "arrived late" in outcome.err
    assert state(door, newest(door)) == "KILLED"
    first, second = tries(door)
    assert (first["result"], second["result"]) == ("succeeded", "killed")
    assert door.submit("--run-id", "r1", env=other).code == 0
    door.rm.applications.clear()
    forgotten = door.submit("--run-id", "r1")
    assert forgotten.code == 0 and "already succeeded" in forgotten.err and len(door.calls) == 1


def test_who_waits_for_the_newer_one_is_told_the_success_of_the_late_one(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    given_up(door)
    program = door.changed_program("from batch_submit.operations import late_arrivals; late_arrivals.LOOK_S = 0.2")
    waiting = door.start("wait", "r1", program=program)
    waiting.wait_until_said("RUNNING")
    old = late(door, SUCCEEDED)
    outcome = waiting.end()
    assert outcome.code == 0, outcome.err
    assert outcome.said(f"{newest(door)}: killed; the run is done: {old} arrived late and succeeded")
    assert [one["result"] for one in tries(door)] == ["succeeded", "killed"]


def test_where_the_newer_one_has_failed_it_is_adopted(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(FAILED)
    given_up(door)
    old = late(door)
    outcome = door.submit("--run-id", "r1", "--no-wait")
    assert (outcome.code, outcome.out) == (0, f"{old}\n"), outcome.err
    assert outcome.said(f"{old} arrived late, after try 1 was given up", "adopted", "attached to")
    first = tries(door)[0]
    assert (first["state"], first["application_id"]) == ("SUBMITTED", old) and "adopted" in first["reason"]
    assert state(door, old) == "RUNNING" and len(door.calls) == 1


def test_one_that_can_t_be_ended_is_8_and_nothing_is_launched(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    given_up(door)
    old = late(door)
    door.rm.refuse_kill_by.add("alice")
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said("two live applications", f"{old} could not be ended", f"kill {old}") and len(door.calls) == 1


@pytest.mark.parametrize("odd", [{"user": "mallory"}, {"tags": ["batch-submit", "run:r1"]}])
def test_what_only_looks_like_ours_is_not_touched(hosts: Hosts, odd: dict[str, Any]) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    given_up(door)
    given = {"user": "alice", "tags": ["batch-submit", "run:r1", "try:r1.1"], **odd}
    foreign = door.rm.add("foreign", steps=[RUNNING], **given)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    assert state(door, foreign) == "RUNNING" and door.rm.kills == []


def test_a_run_of_one_try_is_not_looked_after(hosts: Hosts) -> None:
    """A listing more for every poll of every run would be a price for nothing."""
    door, _ = hosts
    assert door.submit("--run-id", "r1").code == 0
    since = [asked.query.get("applicationTags", "") for asked in door.rm.asked if asked.path.endswith("/apps")]
    assert [tag for tag in since if tag.startswith("run:")] == ["run:r1"], "once, before it was decided"
