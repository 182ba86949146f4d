"""Signals and streams: the application goes on unless we were told to kill it, and its id is known first."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.process.door import RUNNING, Door, Running, until


def waiting(door: Door, *flags: str) -> Running:
    """A call that waits for a running application."""
    door.submits(RUNNING)
    running = door.submitting(*flags)
    running.wait_until_said("RUNNING")
    return running


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_while_waiting_says_what_goes_on_and_how_to_kill_it(
    door: Door, number: signal.Signals, code: int
) -> None:
    running = waiting(door)
    running.send(number)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (code, f"{door.application_id}\n"), outcome.err
    assert f"{door.application_id} goes on running" in outcome.err
    assert f"batch_submit.sh kill {door.application_id}" in outcome.err
    assert f"batch_submit.sh wait {door.application_id}" in outcome.err
    assert door.rm.kills == []
    assert door.last_try["state"] == "SUBMITTED"


def test_kill_on_exit_kills_and_confirms(door: Door) -> None:
    running = waiting(door, "--kill-on-exit")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert outcome.code == 143, outcome.err
    assert [application_id for application_id, _ in door.rm.kills] == [door.application_id]
    assert f"{door.application_id}: killed" in outcome.err
    assert door.last_try["result"] == "killed"


def test_kill_on_exit_that_is_refused_says_so(door: Door) -> None:
    running = waiting(door, "--kill-on-exit")
    door.rm.refuse_kill_by.add(door.application.fields["user"])
    running.send(signal.SIGINT)
    outcome = running.end()
    assert outcome.code == 130, outcome.err
    assert "could not be killed" in outcome.err


@pytest.mark.parametrize("flags", [[], ["--no-wait"], ["--kill-on-exit"]], ids=["wait", "no wait", "kill on exit"])
def test_a_signal_during_the_submission_waits_for_the_id_and_then_acts(door: Door, flags: list[str]) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    running = door.submitting(*flags)
    until(lambda: door.calls, "spark-submit runs")
    running.send(signal.SIGINT)
    running.wait_until_said("waiting for the application id")
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (130, f"{door.application_id}\n"), outcome.err
    assert bool(door.rm.kills) == ("--kill-on-exit" in flags)
    assert door.last_try["application_id"] == door.application_id


def test_a_second_signal_during_the_submission_leaves_at_once_with_8(door: Door) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    running = door.submitting("--run-id", "r1")
    until(lambda: door.calls, "spark-submit runs")
    running.send(signal.SIGINT)
    running.wait_until_said("waiting for the application id")
    running.send(signal.SIGINT)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert "--run-id r1" in outcome.err and str(door.call.pid) in outcome.err
    assert door.last_try["state"] == "LAUNCHING"
    gate.touch()  # the child goes on and submits: a repeat attaches to what it made
    until(lambda: door.rm.applications, "the child submits")
    door.application.end("FINISHED", "SUCCEEDED", "")
    again = door.submit("--run-id", "r1")
    assert (again.code, len(door.calls)) == (0, 1), again.err


def test_a_signal_while_another_process_submits_the_same_run(door: Door) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    first = door.submitting("--run-id", "r1", "--no-wait")
    until(lambda: door.calls, "the first one submits")
    second = door.submitting("--run-id", "r1")
    second.wait_until_said("backend: ")
    until(lambda: second.process.pid in lock_waiters(door), "the second one waits for the lock")
    second.send(signal.SIGTERM)
    outcome = second.end()
    assert (outcome.code, outcome.out) == (143, ""), outcome.err
    gate.touch()
    assert first.end().code == 0
    assert len(door.calls) == 1


def lock_waiters(door: Door) -> list[int]:
    """The processes of this door that hold the lock file open."""
    found = []
    for running in door.running:
        for link in (f"/proc/{running.process.pid}/fd/{number}" for number in range(3, 20)):
            if os.path.lexists(link) and str(os.readlink(link)).endswith(".lock"):  # noqa: PTH115
                found.append(running.process.pid)
    return found


def test_the_whole_process_group_is_signalled_and_the_child_survives(door: Door) -> None:
    """Ctrl-C on a terminal goes to the foreground group: spark-submit must not get it."""
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    running = door.submitting(start_new_session=True)
    until(lambda: door.calls, "spark-submit runs")
    os.killpg(running.process.pid, signal.SIGINT)
    running.wait_until_said("waiting for the application id")
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (130, f"{door.application_id}\n"), outcome.err


def test_in_client_mode_a_signal_ends_the_driver(door: Door) -> None:
    door.quick().submits(RUNNING)
    door.holds("wait_after")
    running = door.submitting("--conf", "spark.submit.deployMode=client")
    running.wait_until_said("RUNNING")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (143, f"{door.application_id}\n"), outcome.err
    assert "goes on running" not in outcome.err and "told the driver" in outcome.err
    until(lambda: not Path(f"/proc/{door.call.pid}").exists(), "the driver has ended")


def test_in_client_mode_a_signal_before_there_is_an_application(door: Door) -> None:
    door.quick().holds("wait_before")
    running = door.submitting("--conf", "spark.submit.deployMode=client")
    until(lambda: door.calls, "spark-submit runs")
    running.send(signal.SIGINT)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (130, ""), outcome.err
    assert door.rm.applications == {} and door.last_try["state"] == "NOT_SUBMITTED"


def test_wait_can_be_left_in_the_same_way(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    running = door.start("wait", "r1")
    running.wait_until_said("RUNNING")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert outcome.code == 143, outcome.err
    assert f"{door.application_id} goes on running" in outcome.err and door.rm.kills == []


def test_nohup_is_respected(door: Door) -> None:
    door.submits(RUNNING)
    running = door.submitting(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    running.wait_until_said("RUNNING")
    running.send(signal.SIGHUP)
    door.application.end("FINISHED", "SUCCEEDED", "")
    assert running.end().code == 0


def test_a_closed_terminal_gives_129_and_leaves_the_application_alone(door: Door) -> None:
    door.submits(RUNNING)
    master, slave = pty.openpty()
    running = door.submitting(stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=take_terminal)
    os.close(slave)
    seen = b""
    while b"RUNNING" not in seen:
        seen += os.read(master, 4096)
    os.close(master)
    assert running.process.wait(30) == 129
    assert door.rm.kills == []
    assert door.last_try["state"] == "SUBMITTED"


def take_terminal() -> None:
    """Make stdin the controlling terminal of this new session, as a login does."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_shows_one_live_line(door: Door) -> None:
    door.submits(RUNNING, RUNNING, RUNNING)
    master, slave = pty.openpty()
    running = door.submitting(stderr=slave, env={"TERM": "xterm"})
    os.close(slave)
    seen = b""
    while seen.count(b"\r\x1b[K") < 2:
        seen += os.read(master, 4096)
    assert b"RUNNING" in seen
    running.send(signal.SIGTERM)
    assert running.process.wait(30) == 143
    os.close(master)


def test_no_color_means_no_escapes_on_a_terminal(door: Door) -> None:
    master, slave = pty.openpty()
    running = door.submitting(stderr=slave, env={"NO_COLOR": "1", "TERM": "xterm"})
    os.close(slave)
    assert running.process.wait(30) == 0
    seen = os.read(master, 65536)
    os.close(master)
    assert b"succeeded" in seen and b"\x1b" not in seen


def test_stdout_that_nobody_reads_gives_141(door: Door) -> None:
    door.submits(RUNNING)
    running = door.submitting(stdout=subprocess.PIPE)
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.end().code == 141
    assert door.rm.kills == [] and door.last_try["application_id"] == door.application_id
    assert "Traceback" not in running.err and "Exception ignored" not in running.err


@pytest.mark.parametrize(("step", "code"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_stderr_that_nobody_reads_changes_no_result(door: Door, step: str, code: int) -> None:
    door.submits(("RUNNING", "UNDEFINED", {}), ("FINISHED", step, {}))
    running = door.submitting(stderr=subprocess.PIPE)
    assert running.process.stderr is not None
    running.process.stderr.close()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (code, f"{door.application_id}\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start_change_no_result(door: Door, closed: str) -> None:
    door.submits(RUNNING, ("FINISHED", "FAILED", {}))
    script = f'exec "$0" "$@" {closed}'
    outcome = door.run("submit", "-t", "custom", program=["bash", "-c", script, *door.program])
    assert outcome.code == 1, outcome.err
    assert outcome.out == ("" if ">&-" in closed.replace("2>&-", "") else f"{door.application_id}\n")
    assert "Traceback" not in outcome.err
