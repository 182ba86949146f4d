"""A run that another host, or another call, has repeated: whoever finds it, waits for it or ends it means the newest.

"Another host" is a call with a home, and so a record, of its own; both see one cluster and one HDFS.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step, until
from tests.process.killed_call import hosts, killed_at, tries

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]
FAILED: Step = ("FINISHED", "FAILED", {})
AWAY = "from batch_submit.errors import ClusterUnreachable"
#: For ``Door.changed_program``: the listing by a run's tag is not answered, all else is.
NO_LISTING = (
    AWAY,
    "from batch_submit.backends import yarn",
    "def away(*_): raise ClusterUnreachable('nobody answers')",
    "yarn.YarnBackend.find_run = away",
)
QUICK_KILL = "from batch_submit.operations import kill; kill._RM_PATIENCE_S = 0.2"


def number_of(door: Door, number: int) -> str:
    """The application of a try of r1."""
    tag = f"try:r1.{number}"
    return next(one for one, app in door.rm.applications.items() if tag in app.fields["applicationTags"].split(","))


def state(door: Door, number: int) -> str:
    return door.rm.applications[number_of(door, number)].state


def end(door: Door, number: int, final_status: str = "SUCCEEDED") -> None:
    door.rm.applications[number_of(door, number)].end("FINISHED", final_status, "")


def repeated_elsewhere(hosts: Hosts, first: str) -> Door:
    """This host's try 1 has ended (``first``: how this host knows), and another host's try 2 runs."""
    door, other = hosts
    if first == "not submitted":
        door.recorder(status=1, stderr="JAVA_HOME is not set\n")
        assert door.submit("--run-id", "r1", program=door.changed_program("launcher.SETTLE_S = 0.05")).code == 3
    else:
        door.submits(RUNNING, RUNNING, FAILED) if first == "failed" else door.submits(RUNNING)
        flags = [] if first == "failed" else ["--no-wait"]
        assert door.submit("--run-id", "r1", *flags).code == (1 if first == "failed" else 0)
        if first == "unseen":
            end(door, 1, "FAILED")
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", env=other).code == 0
    assert state(door, 2) == "RUNNING"
    return door


# --- found ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["failed", "unseen", "not submitted"])
def test_kill_ends_the_try_of_the_other_host(hosts: Hosts, first: str) -> None:
    door = repeated_elsewhere(hosts, first)
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{number_of(door, 2)} killed\n"), outcome.err
    assert state(door, 2) == "KILLED"
    assert outcome.said(f"run r1: its newest try is {number_of(door, 2)} (try 2), which another host submitted")
    newest = tries(door)[-1]
    assert (newest["number"], newest["application_id"], newest["result"]) == (2, number_of(door, 2), "killed")


@pytest.mark.parametrize(("verb", "first"), [("wait", "failed"), ("monitor", "unseen"), ("wait", "not submitted")])
def test_it_is_waited_for(hosts: Hosts, verb: str, first: str) -> None:
    door = repeated_elsewhere(hosts, first)
    waiting = door.start(verb, "r1", "--json")
    waiting.wait_until_said("RUNNING")
    end(door, 2)
    outcome = waiting.end()
    assert (outcome.code, outcome.json["application_id"]) == (0, number_of(door, 2)), outcome.err
    assert tries(door)[-1]["result"] == "succeeded"


@pytest.mark.parametrize("first", ["failed", "unseen"])
def test_status_and_urls_show_it_and_write_nothing(hosts: Hosts, first: str) -> None:
    door = repeated_elsewhere(hosts, first)
    before = tries(door)
    shown = door.run("status", "r1", "--json")
    assert (shown.json["application_id"], shown.json["state"]) == (number_of(door, 2), "RUNNING"), shown.err
    assert number_of(door, 2) in door.run("urls", "r1").out
    assert tries(door) == before


@pytest.mark.parametrize("verb", ["wait", "monitor"])
def test_its_time_limit_is_the_other_host_s(hosts: Hosts, verb: str) -> None:
    door, other = hosts
    door.submits(RUNNING, FAILED)
    assert door.submit("--run-id", "r1", "--timeout", "4s").code == 1
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--timeout", "1h", "--no-wait", env=other).code == 0
    expiry = door.rm.applications[number_of(door, 2)].expiry
    assert door.run(verb, "r1", "--wait-timeout", "1s").code == 7
    assert (door.rm.applications[number_of(door, 2)].expiry, door.rm.kills) == (expiry, [])


def test_by_its_name_it_is_found_too(hosts: Hosts) -> None:
    door, other = hosts
    door.submits(RUNNING, FAILED)
    assert door.submit("--run-id", "r1", "-n", "nightly").code == 1
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "-n", "nightly", "--no-wait", env=other).code == 0
    assert door.run("kill", "nightly").out == f"{number_of(door, 2)} killed\n"


def test_a_host_without_a_record_means_the_live_try_and_not_the_first_of_the_list(hosts: Hosts) -> None:
    door = repeated_elsewhere(hosts, "failed")
    late = ["batch-submit", "run:r1", "try:r1.3"]
    door.rm.add("late", user="alice", tags=late, steps=[FAILED])  # the newest, and over
    door.forget_records()
    shown = door.run("status", "r1", "--json")
    assert shown.json["application_id"] == number_of(door, 2), shown.err


def test_a_success_of_the_other_host_is_the_run_s(hosts: Hosts) -> None:
    door = repeated_elsewhere(hosts, "failed")
    end(door, 2)
    outcome = door.run("wait", "r1")
    assert (outcome.code, outcome.out) == (0, f"{number_of(door, 2)}\n"), outcome.err
    assert [one["result"] for one in tries(door)] == ["failed", "succeeded"]


def test_without_another_try_the_record_counts(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING, FAILED)
    assert door.submit("--run-id", "r1").code == 1
    assert door.run("kill", "r1").out == f"{number_of(door, 1)} failed\n"
    assert door.run("wait", "r1").code == 1
    door.rm.applications.clear()
    forgotten = door.run("kill", "r1")
    assert (forgotten.code, forgotten.out) == (0, "application_1700000000000_0001 failed (as recorded)\n")


def test_a_late_arrival_of_a_try_that_was_given_up_is_found_and_adopted(hosts: Hosts) -> None:
    door, _ = hosts
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    assert door.submit("--run-id", "r1", program=door.changed_program("launcher.SETTLE_S = 0.05")).code == 3
    assert door.run("wait", "r1").code == 4
    late = door.rm.add("late", user="alice", tags=["batch-submit", "run:r1", "try:r1.1"], steps=[RUNNING])
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{late} killed\n"), outcome.err
    assert outcome.said("arrived late, after try 1 was given up") and tries(door)[0]["application_id"] == late


def asked(door: Door) -> list[str]:
    return [one.path for one in door.rm.asked if one.path.startswith("/ws/v1/cluster/apps")]


@pytest.mark.parametrize("step", [RUNNING, SUCCEEDED])
def test_status_asks_no_more_than_it_shows(hosts: Hosts, step: Step) -> None:
    """One question for the application and one for its attempts, where the last try lives or has succeeded."""
    door, _ = hosts
    door.submits(step)
    flags = ["--no-wait"] if step is RUNNING else []
    assert door.submit("--run-id", "r1", *flags).code == 0
    door.rm.asked.clear()
    assert door.run("status", "r1").code == 0
    place = f"/ws/v1/cluster/apps/{number_of(door, 1)}"
    assert asked(door) == [place, f"{place}/appattempts"]


# --- while nobody can be asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["failed", "not submitted"])
def test_kill_is_5_while_the_cluster_can_t_be_asked(hosts: Hosts, first: str) -> None:
    door = repeated_elsewhere(hosts, first)
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.run("kill", "r1", program=door.changed_program(QUICK_KILL))
    assert (outcome.code, outcome.out) == (5, ""), outcome.err
    assert state(door, 2) == "RUNNING"


@pytest.mark.parametrize("verb", ["wait", "monitor"])
def test_an_end_on_record_is_told_as_such(hosts: Hosts, verb: str) -> None:
    door = repeated_elsewhere(hosts, "failed")
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.run(verb, "r1")
    assert outcome.code == 1, outcome.err
    assert outcome.said("is its last try by this host's record", "whether another host has repeated it can't be asked")


def test_that_nothing_was_submitted_is_said_of_this_host_alone(hosts: Hosts) -> None:
    door = repeated_elsewhere(hosts, "not submitted")
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.run("wait", "r1")
    assert (outcome.code, outcome.out) == (4, ""), outcome.err
    assert outcome.said("by this host's record: whether another host has submitted it can't be asked")


# --- waited for -------------------------------------------------------------------------------------------------------


def second_try(door: Door, *steps: Step, number: int = 2, **fields: Any) -> str:
    """A try of r1 that another host has made."""
    tags = ["batch-submit", "run:r1", f"try:r1.{number}"]
    return door.rm.add("r1", user="alice", tags=tags, steps=steps or (RUNNING,), **fields)


def waiting_for(hosts: Hosts, *call: str, program: list[str] | None = None) -> tuple[Door, Any]:
    """A wait for the only try of r1, which runs."""
    door, _ = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    waiting = door.start(*(call or ("wait", "r1")), program=program)
    waiting.wait_until_said("RUNNING")
    return door, waiting


@pytest.mark.parametrize("how", [("KILLED", "KILLED"), ("FINISHED", "FAILED")])
def test_a_wait_goes_on_with_the_try_that_took_over(hosts: Hosts, how: tuple[str, str]) -> None:
    door, waiting = waiting_for(hosts)
    newer = second_try(door)
    door.rm.applications[number_of(door, 1)].end(*how, "")
    waiting.wait_until_said(f"run r1 goes on as {newer} (try 2, RUNNING)")
    end(door, 2)
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (0, f"{newer}\n"), outcome.err
    assert [one["result"] for one in tries(door)] == [how[1].lower(), "succeeded"]


def test_a_host_without_a_record_goes_on_too(hosts: Hosts) -> None:
    door, other = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    waiting = door.start("wait", "r1", "--json", env=other)
    waiting.wait_until_said("RUNNING")
    newer = second_try(door)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    waiting.wait_until_said("goes on as")
    end(door, 2)
    outcome = waiting.end()
    assert (outcome.code, outcome.json["application_id"]) == (0, newer), outcome.err


def test_a_submit_goes_on_too_and_its_last_line_is_what_the_run_is_now(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    running = door.submitting("--run-id", "r1")
    running.wait_until_said("RUNNING")
    newer = second_try(door)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    running.wait_until_said("goes on as")
    end(door, 2, "FAILED")
    outcome = running.end()
    assert (outcome.code, outcome.out.splitlines()) == (1, [number_of(door, 1), newer]), outcome.err


def test_a_signal_after_that_leaves_the_newer_one_running(hosts: Hosts) -> None:
    door, waiting = waiting_for(hosts)
    newer = second_try(door)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    waiting.wait_until_said("goes on as")
    waiting.wait_until_said(f"{newer}: RUNNING")
    waiting.send(signal.SIGTERM)
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (143, f"{newer}\n"), outcome.err
    assert outcome.said(f"{newer} goes on running") and state(door, 2) == "RUNNING"


def test_wait_timeout_bounds_both_together(hosts: Hosts) -> None:
    door, waiting = waiting_for(hosts, "wait", "r1", "--wait-timeout", "6s")
    second_try(door)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    outcome = waiting.end()
    assert outcome.code == 7 and outcome.said("goes on as", "our waiting passed --wait-timeout"), outcome.err


def test_a_try_of_the_other_host_that_has_succeeded_already_is_the_run_s(hosts: Hosts) -> None:
    door, waiting = waiting_for(hosts)
    newer = second_try(door, SUCCEEDED)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (0, f"{newer}\n"), outcome.err
    assert outcome.said(f"{number_of(door, 1)}: killed; the run is done: {newer} succeeded as try 2")
    assert [one["result"] for one in tries(door)] == ["killed", "succeeded"]


def test_killed_with_nobody_to_ask_where_the_run_is_now_is_8(hosts: Hosts) -> None:
    door, _ = hosts
    program = door.changed_program(*NO_LISTING)
    door, waiting = waiting_for(hosts, program=program)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    outcome = waiting.end()
    assert outcome.code == 8, outcome.err
    assert outcome.said("whether run r1 goes on as another try can't be asked: nobody answers", " wait r1\n")
    assert tries(door)[0]["result"] == "killed"  # of that application it is known


def test_failed_with_nobody_to_ask_stays_failed(hosts: Hosts) -> None:
    door, _ = hosts
    door, waiting = waiting_for(hosts, program=door.changed_program(*NO_LISTING))
    end(door, 1, "FAILED")
    outcome = waiting.end()
    assert outcome.code == 1 and outcome.said("nobody answers"), outcome.err


def test_killed_and_not_repeated_is_6(hosts: Hosts) -> None:
    door, waiting = waiting_for(hosts)
    door.rm.applications[number_of(door, 1)].end("KILLED", "KILLED", "")
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (6, f"{number_of(door, 1)}\n"), outcome.err


def test_who_named_the_application_is_told_of_that_one(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door, first = hosts[0], number_of(hosts[0], 1)
    waiting = door.start("wait", first)
    waiting.wait_until_said("RUNNING")
    second_try(door)
    door.rm.applications[first].end("KILLED", "KILLED", "")
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (6, f"{first}\n"), outcome.err


def test_a_late_arrival_that_the_other_host_ends_is_not_the_end_of_the_run(hosts: Hosts) -> None:
    """This host adopted a try that the other one had given up: the other one's newer try stays, and this one ends."""
    door, other = hosts
    door.submits(RUNNING)
    program = killed_at(door, "spark_submit.Child.open_gate", after=False)
    assert door.submit("--run-id", "r1", program=program).code == -signal.SIGKILL
    assert door.run("resolve", "r1", "--not-submitted", env=other).code == 0
    late = door.rm.add("late", user="alice", tags=["batch-submit", "run:r1", "try:r1.1"], steps=[RUNNING])
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("RUNNING")
    newer = second_try(door)
    assert door.submit("--run-id", "r1", "--no-wait", env=other).code == 0
    until(lambda: door.rm.applications[late].state == "KILLED", "the other host ends the older one")
    waiting.wait_until_said(f"goes on as {newer}")
    end(door, 2)
    assert waiting.end().code == 0


# --- left in the middle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgotten", [False, True], ids=["away", "forgotten"])
def test_left_while_nothing_is_known_of_it_nobody_says_that_it_runs(hosts: Hosts, forgotten: bool) -> None:
    door, waiting = waiting_for(hosts)
    application_id = number_of(door, 1)
    if forgotten:
        door.rm.applications.clear()
    else:
        door.rm.mode = Mode.ERROR
    waiting.wait_until_said("asking on")
    waiting.send(signal.SIGTERM)
    outcome = waiting.end()
    assert outcome.code == 143 and "goes on running" not in outcome.err, outcome.err
    assert outcome.said(f"whether {application_id} runs is not known: ", "last seen RUNNING")
