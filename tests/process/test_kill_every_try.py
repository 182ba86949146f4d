"""``kill RUN`` where more than one application of it lives: all of them end, the older ones first, and are named."""

from __future__ import annotations

import signal

import pytest

from tests.process.canned_replies import Asked, Reply
from tests.process.door import RUNNING, SUCCEEDED, Door
from tests.process.killed_call import hosts, killed_at, tries
from tests.process.scripted_application import Application
from tests.process.test_late_arrivals import given_up, late, newest, state

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]


def two_that_live(door: Door) -> tuple[str, str]:
    """Try 1 of r1 arrives although it was given up, and try 2 of it runs."""
    door.submits(RUNNING)
    given_up(door)
    return late(door), newest(door)


def killed(door: Door) -> list[str]:
    return [application_id for application_id, _ in door.rm.kills]


def test_both_end_the_older_one_first_and_both_are_named(hosts: Hosts) -> None:
    door, _ = hosts
    old, new = two_that_live(door)
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{old} killed\n{new} killed\n"), outcome.err
    assert killed(door) == [old, new]
    assert [(one["application_id"], one["result"]) for one in tries(door)] == [(old, "killed"), (new, "killed")]


def test_in_json_each_is_a_row_of_its_own(hosts: Hosts) -> None:
    door, other = hosts
    old, new = two_that_live(door)
    outcome = door.run("kill", "r1", "--json", env=other)  # a host without a record
    assert outcome.code == 0, outcome.err
    assert [(one["target"], one["application_id"], one["result"]) for one in outcome.json] == [
        ("r1", old, "killed"),
        ("r1", new, "killed"),
    ]


def test_by_its_name_too_and_never_another_run_s(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    assert door.submit("-n", "nightly", "--run-id", "r1", "--no-wait").code == 0
    old = door.rm.add("nightly", user="alice", tags=["batch-submit", "run:r1", "try:r1.0"], steps=[RUNNING])
    for tags, user in ((["batch-submit", "run:r11", "try:r11.1"], "alice"), (["batch-submit", "run:r1"], "mallory")):
        door.rm.add("another", user=user, tags=tags, steps=[RUNNING])
    outcome = door.run("kill", "nightly")
    assert outcome.code == 0 and sorted(killed(door)) == sorted([old, newest_of(door)]), outcome.err


def newest_of(door: Door) -> str:
    return next(one for one, app in door.rm.applications.items() if "try:r1.1" in app.fields["applicationTags"])


def test_a_wait_for_the_run_does_not_go_on_with_the_other_one(hosts: Hosts) -> None:
    door, _ = hosts
    old, new = two_that_live(door)
    door.rm.applications[old].end("KILLED", "KILLED", "")
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("RUNNING")
    door.rm.applications[old].steps = [RUNNING]
    assert door.run("kill", "r1").code == 0
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (6, f"{new}\n"), outcome.err


def test_one_beside_a_success_ends_too(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    done = door.application_id
    beside = late(door, number=2)
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{done} succeeded\n{beside} killed\n"), outcome.err


def test_one_that_can_t_be_ended_is_told_and_the_others_end(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    door, _ = hosts
    old, new = two_that_live(door)
    kill = door.rm._kill

    def but_one(asked: Asked, application: Application) -> Reply:
        if application.fields["id"] == old:
            return Reply(403, b"Unauthorized attempt to kill", "application/json")
        return kill(asked, application)

    monkeypatch.setattr(door.rm, "_kill", but_one)
    outcome = door.run("kill", "r1")
    assert outcome.code == 4 and outcome.out == f"{new} killed\n", outcome.err
    assert (state(door, old), state(door, new)) == ("RUNNING", "KILLED")


def launching(door: Door) -> None:
    """Try 2 of r1 was cut off while it was launched, and try 1, which was given up before, arrives."""
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    assert [one["state"] for one in tries(door)] == ["NOT_SUBMITTED", "LAUNCHING"]


def test_one_that_is_being_launched_does_not_hide_a_live_older_one(hosts: Hosts) -> None:
    door, _ = hosts
    launching(door)
    old = late(door)
    shown = door.run("status", "r1", "--json")
    assert (shown.code, shown.json["application_id"]) == (0, old), shown.err
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (8, f"{old} killed\n"), outcome.err
    assert outcome.said("try 2 of run r1 is being launched, or its launch was cut off", "kill r1"), outcome.err
    assert state(door, old) == "KILLED"
    as_json = door.run("kill", "r1", "--json")
    assert as_json.code == 8 and "is being launched" in str(as_json.err + as_json.out)


def test_a_wait_follows_the_older_one_meanwhile(hosts: Hosts) -> None:
    door, _ = hosts
    launching(door)
    old = late(door)
    waiting = door.start("wait", "r1")
    waiting.wait_until_said(f"{old}: RUNNING")
    door.rm.applications[old].end("FINISHED", "SUCCEEDED", "")
    assert waiting.end().code == 0


def test_one_that_comes_while_the_others_end_is_ended_too(hosts: Hosts) -> None:
    door, _ = hosts
    old, new = two_that_live(door)
    third: list[str] = []

    class Kills(list[tuple[str, str]]):
        """With the first one another application of the run arrives."""

        def append(self, asked: tuple[str, str]) -> None:
            super().append(asked)
            if not third:
                third.append(late(door, number=3))

    door.rm.kills = Kills()
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{old} killed\n{new} killed\n{third[0]} killed\n"), outcome.err


@pytest.mark.parametrize("verb", [("priority", "5"), ("move", "etl")])
def test_move_and_priority_are_about_the_newest_that_lives(hosts: Hosts, verb: tuple[str, str]) -> None:
    """The older one is on its way out: whoever waits, or submits again, ends it."""
    door, _ = hosts
    two_that_live(door)
    beside = late(door, number=3)  # another host's
    outcome = door.run(verb[0], "r1", verb[1])
    assert outcome.code == 0 and outcome.out.startswith(beside), outcome.err
