"""spark-submit is a wrapper that does not ``exec``, and ends or is killed before the program that it started.

While that one lives nothing is known, and nothing may be launched beside it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.processes import live_in_session, look_at
from tests.process.door import RECORDER, RUNNING, SUCCEEDED, Door, until
from tests.process.killed_call import claims, hosts, tries

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]
#: 10 times as long is waited for an application once the whole session is gone.
SHORT_SETTLE = "launcher.SETTLE_S = 0.05"
STAYS = f'"{RECORDER}/spark-submit" "$@"\nstatus=$?\nexit $status\n'
LEAVES = (
    f'"{RECORDER}/spark-submit" "$@" &\nuntil [ -e "$RECORDER_FOLDER/call-1.json" ]; do sleep 0.05; done\nexit %s\n'
)
CLIENT = ("--conf", "spark.submit.deployMode=client")


def wrapped(door: Door, body: str) -> Path:
    """Put a wrapper in the recorder's place, which is held before it submits; what lets it do so."""
    folder = door.folder / "wrapper"
    folder.mkdir()
    (folder / "spark-submit").write_text(f"#!/usr/bin/env bash\n{body}")
    (folder / "spark-submit").chmod(0o755)
    sleep = door.folder / "bin" / "sleep"
    sleep.symlink_to("/bin/sleep")
    door.env["PATH"] = f"{folder}:{door.env['PATH']}"
    return door.holds("wait_before")


def kill_the_wrapper(door: Door) -> int:
    """SIGKILL to the wrapper alone; its number, which is its session's."""
    until(lambda: door.calls, "the program below the wrapper runs")
    call = door.call
    assert call.session == call.caller != call.pid, "the wrapper leads the session, and is not the program"
    os.kill(call.caller, signal.SIGKILL)
    return call.caller


def test_killed_while_its_program_goes_on_it_is_followed_to_the_application(hosts: Hosts) -> None:
    door, _ = hosts
    gate = wrapped(door, STAYS)
    running = door.submitting("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    kill_the_wrapper(door)
    running.wait_until_said("of its session may still submit")
    assert f"spark-submit ended with -9, but process {door.call.pid} " in running.err
    assert tries(door)[0]["state"] == "LAUNCHING"
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert list(claims(door)) == ["1-planned", "1-reserved", "1-submitted"]
    assert [one["state"] for one in tries(door)[0]["history"]] == ["PLANNED", "LAUNCHING", "SUBMITTED", "FINISHED"]


@pytest.mark.parametrize("status", ["0", "1"])
def test_a_wrapper_that_leaves_its_program_behind_tells_nothing_by_its_status(hosts: Hosts, status: str) -> None:
    door, _ = hosts
    gate = wrapped(door, LEAVES % status)
    running = door.submitting("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    running.wait_until_said(f"spark-submit ended with {status}, but process ")
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err


def test_left_before_its_program_has_ended_it_is_8_and_a_repeat_attaches(hosts: Hosts) -> None:
    door, other = hosts
    door.submits(RUNNING)
    gate = wrapped(door, STAYS)
    program = door.changed_program(SHORT_SETTLE, "launcher.LAUNCH_PATIENCE_S = 3.0")
    running = door.submitting("--run-id", "r1", program=program)
    session = kill_the_wrapper(door)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said(f"process {door.call.pid} of its session may still submit it")
    assert tries(door)[0]["state"] == "LAUNCHING" and list(claims(door)) == ["1-planned", "1-reserved"]
    assert door.submit("--run-id", "r1", env=other).code == 8, "another host can't know it"
    again = door.submitting("--run-id", "r1", "--no-wait")
    again.wait_until_said(f"(pid {door.call.pid}, session {session})")
    gate.touch()
    outcome = again.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert "attached to" in outcome.err and len(door.calls) == 1 and len(door.rm.applications) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave_it_unknown(hosts: Hosts, number: signal.Signals) -> None:
    door, _ = hosts
    gate = wrapped(door, STAYS)
    running = door.submitting("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    kill_the_wrapper(door)
    running.wait_until_said("of its session may still submit")
    running.send(number)
    running.wait_until_said("a signal came during the submission")
    running.send(number)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert tries(door)[0]["state"] == "LAUNCHING"
    gate.touch()


def test_a_program_that_fails_after_its_wrapper_makes_room_for_a_new_try(hosts: Hosts) -> None:
    door, _ = hosts
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    gate = wrapped(door, STAYS)
    running = door.submitting("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    kill_the_wrapper(door)
    running.wait_until_said("of its session may still submit")
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (3, "") and "JAVA_HOME is not set" in outcome.err, outcome.err
    assert tries(door)[0]["state"] == "NOT_SUBMITTED"
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0 and len(door.calls) == 2


def test_in_client_mode_the_driver_below_a_killed_wrapper_is_followed(hosts: Hosts) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    gate = wrapped(door, STAYS)
    hold = door.holds("wait_after")
    program = door.changed_program(
        SHORT_SETTLE, "launcher._CLIENT_LOOKUP_S = 0.1; watch._FIRST_POLL_S = watch._LAST_POLL_S = 0.1"
    )
    running = door.submitting("--run-id", "r1", *CLIENT, program=program)
    kill_the_wrapper(door)
    running.wait_until_said("of its session may still submit")
    gate.touch()
    running.wait_until_said("RUNNING")
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = running.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    hold.touch()


def test_in_client_mode_a_signal_ends_the_driver_below_a_killed_wrapper_too(hosts: Hosts) -> None:
    door, _ = hosts
    wrapped(door, STAYS)
    program = door.changed_program(SHORT_SETTLE, "launcher._CLIENT_LOOKUP_S = 0.1")
    running = door.submitting("--run-id", "r1", *CLIENT, program=program)
    kill_the_wrapper(door)
    running.wait_until_said("of its session may still submit")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (143, ""), outcome.err
    program = look_at(door.call.pid)  # whose parent is gone: its status may not have been asked for yet
    assert program is None or program.is_gone
    assert tries(door)[0]["state"] == "NOT_SUBMITTED" and door.rm.applications == {}


def failing_beside(door: Door, helper: str) -> None:
    """A wrapper that starts a helper in its session and fails before it starts anything else."""
    wrapped(door, f'{helper} >/dev/null 2>&1 &\necho "JAVA_HOME is not set" >&2\nexit 1\n')


def left_in(session: int) -> list[int]:
    """What lives in the session of a launch."""
    process = look_at(session)
    start = process.start if process is not None else 0
    return list(live_in_session(session, start))


@pytest.fixture
def helpers(hosts: Hosts) -> Iterator[Door]:
    """The door; what a wrapper has left of its session is ended afterwards."""
    door, _ = hosts
    yield door
    for one in all_tries(door):
        for pid in left_in(one["pid"]):
            os.kill(pid, signal.SIGKILL)


def test_a_helper_that_can_submit_nothing_does_not_hold_up_the_failure(helpers: Door) -> None:
    failing_beside(helpers, "sleep 1000")
    outcome = helpers.submit("--run-id", "r1", program=helpers.changed_program(SHORT_SETTLE))
    assert (outcome.code, outcome.out) == (3, "") and "JAVA_HOME is not set" in outcome.err, outcome.err
    assert left_in(tries(helpers)[0]["pid"]), "the helper goes on"
    assert tries(helpers)[0]["state"] == "NOT_SUBMITTED"


def test_a_helper_of_which_that_can_not_be_known_leaves_it_unknown_soon(helpers: Door) -> None:
    """Its cause is said at once; the slot of this host is free while it is waited for."""
    failing_beside(helpers, f"{sys.executable} -c 'import time; time.sleep(1000)'")
    env = {"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "5s", "BATCH_SUBMIT_EXECUTION__MAX_SPARK_SUBMITS": "1"}
    program = helpers.changed_program(SHORT_SETTLE)
    running = helpers.submitting("--run-id", "r1", program=program, env=env)
    running.wait_until_said("of its session may still submit")
    assert "JAVA_HOME is not set" in running.err
    other = helpers.submitting("--run-id", "r2", program=program, env=env)
    other.wait_until_said("of its session may still submit")
    assert running.process.poll() is None, "both are waited for at once, with one slot"
    outcome = running.end()
    (left,) = left_in(next(one for one in all_tries(helpers) if one["run_id"] == "r1")["pid"])
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said(f"process {left} of its session may still submit it", f"kill {left}")
    assert other.end().code == 8
    os.kill(left, signal.SIGKILL)
    quick = {"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "1s"}
    shutil.rmtree(helpers.folder / "wrapper")
    helpers.submits(SUCCEEDED)
    assert helpers.submit("--run-id", "r1", env=quick).code == 0, "the way on that was named is one"


def all_tries(door: Door) -> list[dict[str, Any]]:
    """The newest try of each run on record, with the id of its run."""
    return [{**record["tries"][-1], "run_id": record["run_id"]} for record in door.records()]
