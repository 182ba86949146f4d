"""``--lock`` through the real command: who holds it is told by processes and applications, never by age."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from batch_submit.adapters.processes import look_at
from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, Door, Running, until


def lock_files(door: Door) -> list[str]:
    """The names of the lock's files."""
    return sorted(path.name for path in door.state.glob("locks/*/*/*"))


def running_under(door: Door, *flags: str) -> Running:
    """A call that holds the lock ``nightly`` and waits for its application."""
    door.submits(RUNNING)
    running = door.submitting("--lock", "nightly", *flags)
    running.wait_until_said("RUNNING")
    return running


def end_of(door: Door, application_id: str) -> None:
    door.rm.applications[application_id].end("FINISHED", "SUCCEEDED", "")


def test_a_second_call_is_refused_while_the_first_one_lives(door: Door) -> None:
    first = running_under(door, "--run-id", "one")
    second = door.submit("--lock", "nightly")
    assert (second.code, second.out, len(door.calls)) == (5, "", 1), second.err
    assert second.said("lock nightly is held by run one (process", "nothing was submitted", "--lock-wait T")
    other = door.submit("--lock", "weekly", "--no-wait")
    assert other.code == 0, other.err
    end_of(door, next(iter(door.rm.applications)))
    assert first.end().code == 0
    door.submits()
    assert door.submit("--lock", "nightly").code == 0


def test_skip_if_running_is_no_failure_and_says_what_runs(door: Door) -> None:
    running_under(door, "--run-id", "one")
    second = door.submit("--lock", "nightly", "--skip-if-running", "--json")
    assert (second.code, second.out, len(door.calls)) == (0, "", 1)
    assert second.said("skipped: lock nightly is held by run one", "nothing was submitted")


def test_lock_wait_takes_it_when_it_is_free(door: Door) -> None:
    first = running_under(door)
    second = door.submitting("--lock", "nightly", "--lock-wait", "40s")
    second.wait_until_said("waiting up to 40s for lock nightly")
    assert len(door.calls) == 1
    door.submits()
    end_of(door, next(iter(door.rm.applications)))
    assert (first.end().code, second.end().code) == (0, 0)
    assert len(door.calls) == 2


def test_lock_wait_has_an_end(door: Door) -> None:
    running_under(door)
    second = door.submit("--lock", "nightly", "--lock-wait", "1s")
    assert (second.code, len(door.calls)) == (5, 1), second.err


def test_a_signal_ends_the_waiting_for_a_lock(door: Door) -> None:
    running_under(door)
    second = door.submitting("--lock", "nightly", "--lock-wait", "5m")
    second.wait_until_said("waiting up to 5m")
    second.send(signal.SIGTERM)
    done = second.end()
    assert (done.code, len(door.calls)) == (143, 1) and done.said("nothing was submitted"), done.err


@pytest.mark.parametrize("how", ["--no-wait", "killed"])
def test_the_application_holds_it_when_the_process_is_gone(door: Door, how: str) -> None:
    if how == "killed":
        first = running_under(door, "--run-id", "one")
        first.send(signal.SIGKILL)
        first.process.wait()
    else:
        door.submits(RUNNING)
        assert door.submit("--lock", "nightly", "--run-id", "one", "--no-wait").code == 0
    application_id = door.application_id
    second = door.submit("--lock", "nightly")
    assert (second.code, len(door.calls)) == (5, 1), second.err
    assert second.said(f"{application_id} of run one, which is RUNNING")
    end_of(door, application_id)
    door.submits()
    assert door.submit("--lock", "nightly").code == 0  # nobody had to clear anything away


def test_the_same_run_is_no_rival_of_itself(door: Door) -> None:
    first = running_under(door, "--run-id", "one")
    second = door.submitting("--lock", "nightly", "--run-id", "one")
    second.wait_until_said("attached to")
    assert len(door.calls) == 1
    end_of(door, door.application_id)
    assert (first.end().code, second.end().code) == (0, 0)


def test_a_lock_is_held_by_an_attached_call_through_its_own_retries(door: Door) -> None:
    """The call that it joined is killed: between two tries of its own another run must not get in."""
    door.submits_in_turn([RUNNING], [RUNNING])
    call = ["--lock", "nightly", "--run-id", "r1", "--retries", "1", "--retry-wait", "8s"]
    first = door.submitting(*call)
    first.wait_until_said("RUNNING")
    second = door.submitting(*call)
    second.wait_until_said("attached to")
    second.wait_until_said("RUNNING")
    first.close()
    words = "ApplicationMaster for attempt appattempt_1700000000000_0001_000001 timed out."
    door.rm.applications[door.application_id].end("FAILED", "FAILED", words)
    second.wait_until_said("try 2 of 2 in ")
    third = door.submit("--lock", "nightly", "--run-id", "other")
    assert (third.code, len(door.calls)) == (5, 1), third.err
    until(lambda: len(door.rm.applications) == 2, "the second call makes try 2")
    end_of(door, list(door.rm.applications)[-1])
    assert second.end().code == 0


def test_another_host_sees_the_application_by_its_tag(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--lock", "nightly", "--no-wait").code == 0
    assert "lock:nightly" in door.call.conf["spark.yarn.tags"].split(",")
    elsewhere = {"XDG_STATE_HOME": str(door.folder / "other-host")}
    second = door.submit("--lock", "nightly", "--skip-if-running", env=elsewhere)
    assert (second.code, len(door.calls)) == (0, 1), second.err
    assert second.said(f"skipped: lock nightly is held by {door.application_id}")


def test_a_launch_whose_call_was_killed_holds_it_while_spark_submit_lives(door: Door) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    first = door.submitting("--lock", "nightly", "--run-id", "one")
    until(lambda: door.calls and door.records() and door.last_try["pid"], "spark-submit runs and is recorded")
    first.send(signal.SIGKILL)
    first.process.wait()
    second = door.submit("--lock", "nightly")
    assert second.code == 5 and second.said("which process", "is submitting"), second.err
    gate.touch()
    until(lambda: door.rm.applications, "it submits all the same")
    third = door.submit("--lock", "nightly")
    assert third.code == 5 and third.said(f"{door.application_id} of run one"), third.err


def test_a_launch_that_led_to_nothing_frees_it_after_a_look(door: Door) -> None:
    door.recorder(submit=None)
    gate = door.holds("wait_before")
    first = door.submitting("--lock", "nightly", "--run-id", "one")
    until(lambda: door.calls and door.records() and door.last_try["pid"], "spark-submit runs and is recorded")
    first.send(signal.SIGKILL)
    first.process.wait()
    gate.touch()
    door.submits()
    quick = {"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "1s"}
    second = door.submit("--lock", "nightly", "--lock-wait", "30s", env=quick)
    assert second.code == 0, second.err
    assert second.said("looking for 1s whether an application of it appears")


def test_a_cluster_that_can_not_be_asked_means_nothing_is_submitted(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--lock", "nightly", "--no-wait").code == 0
    door.rm.mode = Mode.ERROR
    second = door.submit("--lock", "nightly", "--skip-if-running")
    assert (second.code, len(door.calls)) == (5, 1), second.err
    assert second.said("nothing was submitted")


def test_a_damaged_note_about_the_holder_is_no_obstacle(door: Door) -> None:
    assert door.submit("--lock", "nightly").code == 0
    (note,) = door.state.glob("locks/*/*/nightly.json")
    assert set(json.loads(note.read_text())) == {"run_id", "pid", "since"}
    note.write_text("{")
    assert door.submit("--lock", "nightly").code == 0
    assert lock_files(door) == ["nightly.json", "nightly.lock"]


def test_a_state_folder_that_can_not_be_written_is_told(door: Door) -> None:
    (door.folder / "home/.local").mkdir()
    (door.folder / "home/.local/state").write_text("a file where a folder should be")
    done = door.submit("--lock", "nightly")
    assert (done.code, door.calls) == (3, []) and done.said("the lock can't be taken"), done.err


def test_on_this_host_alone_it_works_too(laptop: Door) -> None:
    gate = laptop.holds("wait_before")
    first = laptop.submitting("--lock", "nightly", "--run-id", "one")
    until(lambda: laptop.calls, "the driver runs")
    second = laptop.submit("--lock", "nightly", "--skip-if-running")
    assert (second.code, len(laptop.calls)) == (0, 1), second.err
    gate.touch()
    assert first.end().code == 0
    assert laptop.submit("--lock", "nightly").code == 0


def local_run_under(laptop: Door) -> Path:
    """A local run that holds the lock ``nightly`` and that nobody waits for; the file that tells of its processes."""
    laptop.holds("wait_before")
    assert laptop.submit("--lock", "nightly", "--run-id", "one", "--no-wait").code == 0
    (file,) = until(lambda: list(laptop.state.glob("local/one/1/process.json")), "the driver runs")
    until(lambda: laptop.calls, "the driver has begun")
    return Path(file)


@pytest.mark.parametrize("flags", [[], ["--skip-if-running"]])
def test_a_local_run_whose_processes_were_killed_holds_it_no_more(laptop: Door, flags: list[str]) -> None:
    """Nobody was left to write down its end: the processes are the truth, and not the record."""
    process = json.loads(local_run_under(laptop).read_text())
    assert laptop.submit("--lock", "nightly", *flags).code == (0 if flags else 5)
    os.kill(process["pid"], signal.SIGKILL)
    assert laptop.submit("--lock", "nightly", *flags).code == (0 if flags else 5), "the driver lives"
    assert len(laptop.calls) == 1
    os.kill(process["driver_pid"], signal.SIGKILL)
    until(lambda: (one := look_at(process["driver_pid"])) is None or one.is_gone, "the driver is gone")
    laptop.recorder()
    outcome = laptop.submit("--lock", "nightly", *flags)
    assert outcome.code == 0 and len(laptop.calls) == 2, outcome.err
    assert outcome.said("lock nightly: run one holds it no more: its processes are gone")


@pytest.mark.parametrize("flags", [[], ["--skip-if-running"]])
def test_a_local_run_of_another_host_holds_it_as_long_as_nobody_tells_its_end(laptop: Door, flags: list[str]) -> None:
    file = local_run_under(laptop)
    about = file.with_name("about.json")
    there = {"host": "edge-2", "machine": "another", "boot_id": "another"}
    about.write_text(json.dumps({**json.loads(about.read_text()), **there}))
    outcome = laptop.submit("--lock", "nightly", *flags)
    assert (outcome.code, len(laptop.calls)) == (0 if flags else 5, 1), outcome.err
    assert outcome.said("run one: it was started on host edge-2", "nothing was submitted")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--lock", "Nightly Run"], "--lock nightly-run"),
        (["--lock", ""], "--lock nightly"),
        (["--lock", "a/b"], "--lock a-b"),
        (["--lock", "n" * 64], "at most 63"),
        (["--lock", "n", "--lock-wait", "10"], "missing unit"),
        (["--lock", "n", "--lock-wait", "10s", "--skip-if-running"], "leave one of the two flags out"),
        (["--skip-if-running"], "add --lock NAME"),
        (["--lock-wait", "1m"], "add --lock NAME"),
    ],
)
def test_a_wrong_call_is_refused(door: Door, flags: list[str], said: str) -> None:
    done = door.submit(*flags)
    assert (done.code, door.calls, door.rm.asked) == (2, [], [])
    assert done.said(said), done.err
