"""``kill RUN`` beside a call that makes further tries: what ends, what is only to come, and what is said of either."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.process.door import RUNNING, Door, Running, until
from tests.process.killed_call import hosts, killed_at, tries
from tests.process.test_late_arrivals import late, state
from tests.process.test_retries import LOST

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]


def held_at(door: Door, step: str, *, after: bool) -> list[str]:
    """The program, which waits before or after a step of a kill until the file ``kill-goes-on`` appears."""
    gate = str(door.folder / "kill-goes-on")
    return door.changed_program(
        "import os, time",
        "from batch_submit.operations import kill",
        f"real = kill._Killing.{step}",
        "def hold():",
        f"    open({gate + '.reached'!r}, 'w').close()",
        f"    while not os.path.exists({gate!r}): time.sleep(0.02)",
        "def held(*given):",
        *([] if after else ["    hold()"]),
        "    result = real(*given)",
        *(["    hold()"] if after else []),
        "    return result",
        f"kill._Killing.{step} = held",
        name="held.py",
    )


def backing_off(door: Door) -> Running:
    """A call whose first try has failed, and whose back-off lasts until the file ``back-off-over`` appears."""
    door.submits_in_turn([RUNNING, LOST], [RUNNING])
    program = door.changed_program(
        "watch._FIRST_POLL_S = watch._LAST_POLL_S = launcher._CLIENT_LOOKUP_S = 0.1",
        "import os, time",
        "from batch_submit.operations import retrying",
        "def waited(context, signals, ended, seconds):",
        f"    while not os.path.exists({str(door.folder / 'back-off-over')!r}):",
        "        retrying._refuse_killed(ended)",
        "        time.sleep(0.02)",
        "    return True",
        "retrying._waited = waited",
    )
    running = door.submitting("--run-id", "r1", "--retries", "2", program=program)
    running.wait_until_said("try 2 of 3 in ")
    until(lambda: door.last_try["again_at"], "it is on record when the next try is due")
    return running


@pytest.mark.parametrize("stage", ["launching", "running"])
@pytest.mark.parametrize(
    ("step", "after"), [("_end", True), ("_next_try_began", False)], ids=["after the end", "before the mark"]
)
def test_a_try_that_begins_while_the_run_is_killed_is_not_passed_over(
    hosts: Hosts, step: str, after: bool, stage: str
) -> None:
    door, _ = hosts
    running = backing_off(door)
    opened = door.holds("wait_before") if stage == "launching" else None
    killing = door.start("kill", "r1", program=held_at(door, step, after=after))
    until((door.folder / "kill-goes-on.reached").exists, "the kill is under way")
    (door.folder / "back-off-over").touch()
    wanted = "LAUNCHING" if stage == "launching" else "SUBMITTED"
    until(lambda: len(tries(door)) == 2 and tries(door)[1]["state"] == wanted, f"try 2 is {wanted}")
    (door.folder / "kill-goes-on").touch()
    outcome = killing.end()
    if opened is not None:
        assert outcome.code == 8 and outcome.said("try 2 of run r1 is being launched", "again, in a few seconds"), (
            outcome.err
        )
        opened.touch()
        until(lambda: tries(door)[1]["state"] == "SUBMITTED", "try 2 is there")
        outcome = door.run("kill", "r1")
    first, second = door.rm.applications
    assert outcome.code == 0 and f"{second} killed\n" in outcome.out, outcome.err
    assert "is not made" not in outcome.err and state(door, second) == "KILLED"
    assert running.end().code == 6
    assert [(one["application_id"], one["result"], one["stopped_by"]) for one in tries(door)] == [
        (first, "failed", ""),
        (second, "killed", ""),
    ]


def watched(door: Door) -> dict[str, Any]:
    """A running try of a call that would retry it, and which looks at it once a minute; its record."""
    door.submits(RUNNING)
    seldom = door.changed_program("watch._FIRST_POLL_S = watch._LAST_POLL_S = 60.0")
    running = door.submitting("--run-id", "r1", "--retries", "1", program=seldom)
    running.wait_until_said("RUNNING")
    until(lambda: door.last_try["history"][-1]["state"] == "RUNNING", "that is on record")
    assert door.last_try["retried_by"], "and that it may be tried again"
    return door.last_try


def test_a_kill_that_is_refused_changes_nothing_of_the_run(hosts: Hosts) -> None:
    door, _ = hosts
    before = watched(door)
    door.rm.refuse_kill_by.add("alice")
    outcome = door.run("kill", "r1")
    assert outcome.code == 4 and "r1: killed" not in outcome.err and "not made" not in outcome.err, outcome.err
    assert (door.last_try["state"], door.last_try["stopped_by"]) == ("SUBMITTED", "")
    assert door.last_try["history"] == before["history"]


def test_a_run_that_had_just_succeeded_is_not_called_killed(hosts: Hosts) -> None:
    door, _ = hosts
    watched(door)
    door.rm.applications[door.application_id].end("FINISHED", "SUCCEEDED", "")
    outcome = door.run("kill", "r1", "--json")
    assert outcome.code == 0 and "killed" not in outcome.out + outcome.err, outcome.err
    assert "stopped" not in outcome.json[0]
    assert (door.last_try["result"], door.last_try["stopped_by"]) == ("succeeded", "")
    assert "killed" not in door.run("show", "r1").out


def test_a_running_try_is_killed_and_nothing_was_to_come(hosts: Hosts) -> None:
    """A kill is not tried again: no other try was due that could be called off."""
    door, _ = hosts
    watched(door)
    outcome = door.run("kill", "r1", "--json")
    assert outcome.code == 0 and [one["result"] for one in outcome.json] == ["killed"], outcome.err
    assert "stopped" not in outcome.json[0] and door.last_try["stopped_by"] == ""


def test_a_try_that_waits_for_its_slot_may_still_come(hosts: Hosts) -> None:
    door, _ = hosts
    door.env["BATCH_SUBMIT_EXECUTION__MAX_SPARK_SUBMITS"] = "1"
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    door.submits(RUNNING)
    slot = door.holds("wait_before")
    door.submitting("--run-id", "r0", "--no-wait")
    until(lambda: len(door.calls) == 1, "the slot is taken")
    waiting = door.submitting("--run-id", "r1", "--no-wait")
    until(lambda: [one["state"] for one in of_r1(door)] == ["NOT_SUBMITTED", "PLANNED"], "try 2 waits for the slot")
    old = late(door)
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (8, f"{old} killed\n"), outcome.err
    assert outcome.said("try 2 of run r1 is being launched", "kill r1")
    slot.touch()
    assert waiting.end().code == 0
    assert door.run("kill", "r1").code == 0 and of_r1(door)[1]["result"] == "killed"


def of_r1(door: Door) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(one["tries"] for one in door.records() if one["run_id"] == "r1")
    return found


def test_a_plan_that_a_dead_call_has_left_leads_to_nothing(hosts: Hosts) -> None:
    door, _ = hosts
    program = killed_at(door, "recording.Recorder.plan_try", after=True)
    assert door.submit("--run-id", "r1", "--retries", "1", program=program).code == -signal.SIGKILL
    assert [one["state"] for one in tries(door)] == ["PLANNED"]
    old = late(door, number=0)
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{old} killed\n"), outcome.err
