"""``--retries`` through the real command: what is tried again, what never, and what is said and recorded of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step, until

QUICK = ("--retry-wait", "100ms")
#: The end of an application whose master was lost with its node (Hadoop 3.5.0, ``RMAppImpl``, ``RMAppAttemptImpl``).
LOST: Step = (
    "FAILED",
    "FAILED",
    {
        "diagnostics": "Application application_1700000000000_0001 failed 1 times (global limit =2; local limit is"
        " =1) due to ApplicationMaster for attempt appattempt_1700000000000_0001_000001 timed out. Failing the"
        " application."
    },
)
#: As recorded in ``tests/golden/diagnosis/driver_physical_memory``.
NO_MEMORY: Step = (
    "FAILED",
    "FAILED",
    {
        "diagnostics": "Application application_1700000000000_0001 failed 1 times due to AM Container for"
        " appattempt_1700000000000_0001_000001 exited with  exitCode: -104\nFailing this attempt.Diagnostics: [x]"
        "Container [pid=1,containerID=container_1700000000000_0001_01_000001] is running 1B beyond the"
        " 'PHYSICAL' memory limit. Current usage: 1.0 GB of 896 MB physical memory used"
    },
)
OWN: Step = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})


def results(door: Door) -> list[tuple[str, str]]:
    """Result and reason for being of each try in the only record."""
    (record,) = door.records()
    return [(one["result"], one["why"]) for one in record["tries"]]


def test_an_infrastructure_failure_is_tried_again_as_the_same_run(door: Door) -> None:
    door.submits_in_turn([RUNNING, LOST], [SUCCEEDED])
    done = door.submit("--run-id", "nightly", "--retries", "2", *QUICK)
    assert done.code == 0, done.err
    assert done.said("try 2 of 3 in ", "lost: the application master was not heard of any more")
    assert results(door) == [
        ("failed", ""),
        ("succeeded", "lost: the application master was not heard of any more"),
    ]
    tags = [app.fields["applicationTags"] for app in door.rm.applications.values()]
    assert ["try:nightly.1" in tags[0], "try:nightly.2" in tags[1], len(tags)] == [True, True, 2]
    assert done.out.splitlines() == list(door.rm.applications)  # the last line is the last application


def test_a_run_without_an_id_of_its_own_is_tried_again_under_the_one_it_got(door: Door) -> None:
    door.submits_in_turn([RUNNING, LOST], [SUCCEEDED])
    done = door.submit("--retries", "1", "--json", *QUICK)
    assert (done.code, done.json["result"]) == (0, "succeeded"), done.err
    assert [one["number"] for one in door.records()[0]["tries"]] == [1, 2]
    assert done.json["application_id"] == list(door.rm.applications)[-1]


def test_the_exit_code_is_that_of_the_last_try_when_none_is_left(door: Door) -> None:
    door.submits(RUNNING, LOST)
    done = door.submit("--retries", "2", *QUICK)
    assert done.code == 1 and len(door.calls) == 3, done.err
    assert done.said("try 2 of 3", "try 3 of 3", "2 of 2 retries are used")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (OWN, 1),
        (("KILLED", "KILLED", {"diagnostics": "Application was killed by user bob"}), 6),
        (("KILLED", "KILLED", {"diagnostics": "killed as it has exceeded the lifetime period."}), 7),
        (("FAILED", "FAILED", {"launchTime": 0, "diagnostics": "to unknown queue: nightly"}), 4),
    ],
    ids=["the job's own", "killed", "timed out", "refused"],
)
def test_no_other_end_is_tried_again(door: Door, end: Step, code: int) -> None:
    door.submits(RUNNING, end) if code != 4 else door.submits(end)
    done = door.submit("--retries", "3", *QUICK)
    assert (done.code, len(door.calls)) == (code, 1), done.err
    assert "try 2" not in done.err


def test_a_cause_that_is_not_named_is_not_tried_again(door: Door) -> None:
    door.submits(RUNNING, LOST)
    done = door.submit("--retries", "3", "--retry-on", "preempted,am-failure", *QUICK)
    assert (done.code, len(door.calls)) == (1, 1)
    assert done.said("--retry-on does not name lost")


def test_memory_is_raised_for_the_next_try_of_the_same_job(door: Door) -> None:
    door.submits_in_turn([RUNNING, NO_MEMORY], [SUCCEEDED])
    done = door.submit("--run-id", "wide", "--driver-memory", "1g", "--retries", "1", "--oom-bump", "1.5", *QUICK)
    assert done.code == 0, done.err
    # heap 1024 + 384 MiB, times 1.5 is 2112, of which 1088 beside the heap
    assert [call.conf.get("spark.driver.memoryOverhead") for call in door.calls] == [None, "1088m"]
    assert results(door)[1][1].endswith("spark.driver.memoryOverhead 384m -> 1088m")
    again = door.submit("--run-id", "wide", "--driver-memory", "1g")
    assert again.code == 0 and again.said("already succeeded"), again.err  # the same job by its fingerprint


def test_what_was_raised_stays_raised_in_every_further_try(door: Door) -> None:
    door.submits_in_turn([RUNNING, NO_MEMORY], [RUNNING, LOST], [SUCCEEDED])
    done = door.submit("--driver-memory", "1g", "--retries", "2", "--oom-bump", "1.5", *QUICK)
    assert done.code == 0, done.err
    assert [call.conf.get("spark.driver.memoryOverhead") for call in door.calls] == [None, "1088m", "1088m"]


def test_without_the_bump_memory_is_not_tried_again_and_the_flag_is_named(door: Door) -> None:
    door.submits(RUNNING, NO_MEMORY)
    done = door.submit("--retries", "1", *QUICK)
    assert (done.code, len(door.calls)) == (1, 1)
    assert done.said("--oom-bump FACTOR would raise its memory")


def test_memory_at_the_limit_ends_the_tries(door: Door) -> None:
    door.write_config(
        "job_specific_config:\n  custom:\n    script: job.py\nresource_limits:\n  max_driver_memory: 1g\n"
    )
    door.submits(RUNNING, NO_MEMORY)
    done = door.submit("--retries", "9", "--oom-bump", "9", "--driver-memory", "1g", *QUICK)
    assert done.code == 1 and done.said("is at the limit: resource_limits.max_driver_memory=1g"), done.err
    assert len(door.calls) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_while_it_waits_ends_the_tries(door: Door, number: signal.Signals, code: int) -> None:
    door.submits(RUNNING, LOST)
    running = door.submitting("--retries", "1", "--retry-wait", "5m")
    running.wait_until_said("try 2 of 2 in ")
    running.send(number)
    done = running.end()
    assert (done.code, len(door.calls)) == (code, 1), done.err
    assert done.said("is not tried again", "has ended, and nothing else of this call runs")


def test_left_while_another_call_submits_the_next_try_nobody_says_that_nothing_runs(door: Door) -> None:
    door.submits_in_turn([RUNNING, LOST], [RUNNING])
    first = door.submitting("--run-id", "r1", "--retries", "1", "--retry-wait", "3s")
    first.wait_until_said("try 2 of 2 in ")
    gate = door.holds("wait_before")
    second = door.submitting("--run-id", "r1", "--no-wait")
    until(lambda: len(door.calls) == 2, "the other call launches try 2")
    until(lambda: waits_for_lock(first.process.pid), "the first call waits for the run's lock")
    first.send(signal.SIGTERM)
    outcome = first.end()
    gate.touch()
    assert second.end().code == 0
    assert outcome.code == 143 and "nothing else" not in outcome.err, outcome.err
    assert outcome.said("another call may be submitting run r1", next(iter(door.rm.applications)))


def waits_for_lock(pid: int) -> bool:
    """Whether a process has the lock file of a run open."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(link.readlink()).endswith("r1.lock") for link in links if link.is_symlink())


def test_wait_timeout_bounds_the_tries_together(door: Door) -> None:
    door.submits(RUNNING, LOST)
    done = door.submit("--retries", "1", "--retry-wait", "5m", "--wait-timeout", "20s")
    assert (done.code, len(door.calls)) == (1, 1), done.err
    assert done.said("not tried again: --wait-timeout leaves ")


def test_a_resourcemanager_that_is_away_when_the_next_try_is_due_is_waited_out(door: Door) -> None:
    door.submits_in_turn([RUNNING, LOST], [SUCCEEDED])
    running = door.submitting("--run-id", "r", "--retries", "1", "--retry-wait", "2s")
    running.wait_until_said("try 2 of 2 in ")
    door.rm.mode = Mode.ERROR
    running.wait_until_said("the next try could not be submitted")
    door.rm.mode = Mode.ACTIVE
    done = running.end()
    assert (done.code, len(door.calls)) == (0, 2), done.err


def test_a_try_of_another_process_is_joined_and_not_doubled(door: Door) -> None:
    door.submits_in_turn([RUNNING, LOST], [RUNNING])
    first = door.submitting("--run-id", "r", "--retries", "1", "--retry-wait", "4s")
    first.wait_until_said("try 2 of 2 in ")
    second = door.submitting("--run-id", "r")
    second.wait_until_said("try 2")
    first.wait_until_said("attached to")
    assert len(door.calls) == 2
    door.rm.applications[list(door.rm.applications)[-1]].end("FINISHED", "SUCCEEDED", "")
    assert (first.end().code, second.end().code) == (0, 0)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--retries", "-1"], "a whole number, 0 or more"),
        (["--retries", "1.5"], "a whole number, 0 or more"),
        (["--retries", "101"], "more than 100"),
        (["--retries", "1", "--retry-on", "failed"], "use some of: lost, preempted, am-failure"),
        (["--retries", "1", "--retry-wait", "10"], "missing unit"),
        (["--retries", "1", "--oom-bump", "0.5"], "above 1 and up to 10"),
        (["--retries", "1", "--oom-bump", "much"], "a number"),
        (["--oom-bump", "1.5"], "add --retries N"),
        (["--retries", "1", "--no-wait"], "--retries needs the waiting"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_done(door: Door, flags: list[str], said: str) -> None:
    done = door.submit(*flags)
    assert (done.code, door.calls, door.rm.asked) == (2, [], [])
    assert done.said(said), done.err


def test_retries_of_the_configuration_do_not_keep_from_not_waiting(door: Door) -> None:
    door.write_config("execution:\n  retries: 2\njob_specific_config:\n  custom:\n    script: job.py\n")
    door.submits(RUNNING)
    done = door.submit("--no-wait")
    assert done.code == 0, done.err
    until(lambda: len(door.calls) == 1, "one call")


def test_each_try_has_a_time_limit_of_its_own(door: Door) -> None:
    door.write_config("job_specific_config:\n  custom:\n    script: job.py\n    timeout: 1h\n")
    door.submits_in_turn([RUNNING, RUNNING, RUNNING, LOST], [RUNNING, RUNNING, RUNNING, SUCCEEDED])
    done = door.submit("--retries", "1", *QUICK)
    assert done.code == 0, done.err
    limits = [app.expiry for app in door.rm.applications.values()]
    assert len(limits) == 2 and "UNLIMITED" not in limits and limits[0] != limits[1]
