"""A run that waits for its next try: what others are told of it meanwhile, and how it is ended for good."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Running, until
from tests.process.test_retries import LOST, OWN

LONG = ("--retries", "1", "--retry-wait", "5m")


@pytest.fixture
def door(door: Door) -> Door:
    """Every test here follows runs to their ends: quickly."""
    door.env["HADOOP_USER_NAME"] = "alice"
    return door.quick()


def backing_off(door: Door, *flags: str) -> Running:
    """A call whose first try has failed, and which waits for its second."""
    door.submits_in_turn([RUNNING, LOST], [RUNNING, SUCCEEDED])
    running = door.submitting("--run-id", "r1", *(flags or LONG))
    running.wait_until_said("try 2 of 2 in ")
    until(lambda: door.last_try["again_at"], "it is on record when the next try is due")
    return running


def first(door: Door) -> dict[str, Any]:
    """The first try on record."""
    (record,) = door.records()
    one: dict[str, Any] = record["tries"][0]
    return one


def test_kill_in_the_back_off_ends_the_run_and_not_only_what_had_ended(door: Door) -> None:
    running = backing_off(door)
    killed = door.run("kill", "r1", "--json")
    assert killed.code == 0, killed.err
    (told,) = killed.json
    assert told["result"] == "failed" and "try 2 is due at" in told["stopped"] and "not made" in told["stopped"]
    outcome = running.end()
    assert outcome.code == 6 and len(door.rm.applications) == 1, outcome.err
    assert outcome.said("run r1 was killed by alice on ", "before try 2, which is not made")
    assert (first(door)["result"], first(door)["exit_code"]) == ("failed", 1), "what ended keeps its own end"
    assert first(door)["stopped_by"].startswith("alice on ")
    shown = door.run("show", "r1").out
    assert "killed by alice on" in shown and "not made" in shown
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0, "a killed run makes room for a new try"


def test_wait_goes_on_through_the_back_off_and_tells_the_run_s_end(door: Door) -> None:
    running = backing_off(door, "--retries", "1", "--retry-wait", "4s")
    waiting = door.run("wait", "r1")
    assert waiting.code == 0, waiting.err
    assert waiting.said("failed; try 2 is due at", "of run r1: waiting for it", "goes on as")
    assert waiting.out.strip() == list(door.rm.applications)[-1]
    assert running.end().code == 0 and len(door.rm.applications) == 2


def test_who_began_to_wait_before_the_try_failed_goes_on_too(door: Door) -> None:
    door.submits_in_turn([RUNNING], [RUNNING, SUCCEEDED])
    running = door.submitting("--run-id", "r1", "--retries", "1", "--retry-wait", "2s")
    running.wait_until_said("RUNNING")
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("RUNNING")
    state, final, fields = LOST
    door.rm.applications[door.application_id].end(state, final, fields["diagnostics"])
    assert (running.end().code, waiting.end().code) == (0, 0)


def test_wait_is_told_of_a_kill_in_the_back_off(door: Door) -> None:
    running = backing_off(door)
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("of run r1: waiting for it")
    assert door.run("kill", "r1").code == 0
    outcome = waiting.end()
    assert outcome.code == 6 and outcome.said("run r1 was killed by alice on "), outcome.err
    assert running.end().code == 6
    assert door.run("wait", "r1").code == 6, "and so is who asks later"


def test_when_the_call_that_tries_again_is_gone_the_end_is_that_of_the_try(door: Door) -> None:
    running = backing_off(door)
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("of run r1: waiting for it")
    running.send(signal.SIGKILL)
    running.process.wait()
    outcome = waiting.end()
    assert outcome.code == 1, outcome.err
    killed = door.run("kill", "r1", "--json")
    assert killed.code == 0 and "stopped" not in killed.json[0], killed.err
    assert "next_try_at" in door.run("status", "r1", "--json").json
    assert door.run("status", "r1", "--json").json["next_try_at"] == ""


def test_a_failure_that_is_not_tried_again_is_told_at_once(door: Door) -> None:
    """The call with --retries lives when it fails, and takes its word back as soon as it has looked at it."""
    door.submits_in_turn([RUNNING])
    running = door.submitting("--run-id", "r1", *LONG)
    running.wait_until_said("RUNNING")
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("RUNNING")
    state, final, fields = OWN
    door.rm.applications[door.application_id].end(state, final, fields["diagnostics"])
    assert (running.end().code, waiting.end().code) == (1, 1)
    assert first(door)["retried_by"] == [] and first(door)["again_at"] == ""


def test_a_further_try_never_looks_as_if_it_were_the_last(door: Door) -> None:
    """From its acceptance on: the call that made it may have much to ask before it waits for it."""
    door.submits_in_turn([RUNNING, LOST], [RUNNING, LOST], [RUNNING, SUCCEEDED])
    gate = door.folder / "gate"
    program = door.changed_program(
        "watch._FIRST_POLL_S = watch._LAST_POLL_S = 0.1",
        "import os, time",
        "real = once._beside",
        "def held(context, deciding, number, *given, **how):",
        f"    while number == 2 and not os.path.exists({str(gate)!r}): time.sleep(0.02)",
        "    return real(context, deciding, number, *given, **how)",
        "once._beside = held",
        name="held.py",
    )
    running = door.submitting("--run-id", "r1", "--retries", "2", "--retry-wait", "1s", program=program)
    until(lambda: len(door.rm.applications) == 2 and door.last_try["state"] == "SUBMITTED", "try 2 is on record")
    waiting = door.start("wait", "r1")
    waiting.wait_until_said("of run r1: waiting for it")
    gate.touch()
    assert (running.end().code, waiting.end().code) == (0, 0)


def test_of_a_call_that_can_t_be_seen_the_silence_ends(door: Door) -> None:
    """In a shared home, on another host: whether it lives is told by what it writes, whoever asks and how often."""
    door.submits(RUNNING)
    running = door.submitting("--run-id", "r1", *LONG)
    until(lambda: door.records() and door.last_try["state"] == "SUBMITTED", "it is submitted")
    running.send(signal.SIGKILL)
    running.process.wait()
    elsewhere = {"host": "edge-2", "machine": "m2", "boot_id": "b2"}
    door.rewrite(retried_by=[{**door.last_try["retried_by"][0], **elsewhere}])
    state, final, fields = OWN
    door.rm.applications[door.application_id].end(state, final, fields["diagnostics"])
    patience = {"BATCH_SUBMIT_EXECUTION__RM_PATIENCE": "3s"}
    outcome = door.run("wait", "r1", env=patience)
    assert outcome.code == 1, outcome.err
    assert outcome.said("on host edge-2, not seen from here", "waiting for it", "counts as gone")
    door.rewrite(finished_at="2026-01-01T00:00:00Z")
    again = door.run("wait", "r1")  # a patience of minutes, which counts from the end of the try and not from now
    assert again.code == 1, again.err


@pytest.mark.parametrize(("flags", "stopped"), [([], False), (["--kill-on-exit"], True)])
def test_a_signal_to_who_waits_says_that_another_try_is_due(door: Door, flags: list[str], stopped: bool) -> None:
    running = backing_off(door)
    waiting = door.start("wait", "r1", *flags)
    waiting.wait_until_said("of run r1: waiting for it")
    waiting.send(signal.SIGTERM)
    outcome = waiting.end()
    assert outcome.code == 143 and "goes on running" not in outcome.err, outcome.err
    if stopped:
        assert outcome.said("killed (--kill-on-exit): try 2 is not made") and running.end().code == 6
    else:
        assert outcome.said("has failed, and try 2 is due at", " kill r1")
        assert running.process.poll() is None


def test_the_limit_of_the_waiting_counts_in_the_back_off_too(door: Door) -> None:
    backing_off(door)
    outcome = door.run("wait", "r1", "--wait-timeout", "1s")
    assert outcome.code == 7, outcome.err
    assert outcome.said("our waiting passed --wait-timeout (1s)", "try 2 is due at")


def test_status_history_and_show_tell_when_the_next_try_is_due(door: Door) -> None:
    backing_off(door)
    due_at = first(door)["again_at"]
    assert f"try 2 is due at {due_at}" in door.run("status", "r1").out
    assert door.run("status", "r1", "--json").json["next_try_at"] == due_at
    assert door.run("history", "--json").json[0]["next_try_at"] == due_at
    assert "failed, try 2 due at " in door.run("history").out
    assert f"due at {due_at}, by process" in door.run("show", "r1").out


def test_while_nobody_answers_a_run_in_its_back_off_is_not_called_failed(door: Door) -> None:
    backing_off(door)
    door.rm.mode = Mode.ERROR
    waiting = door.start("wait", "r1", env={"BATCH_SUBMIT_EXECUTION__RM_PATIENCE": "1s"})
    assert waiting.end().code == 8
