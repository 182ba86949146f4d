"""Somebody sets the clock by hours, forwards and back, while a call waits and between a crash and its repeat.

libfaketime gives the processes another wall clock and leaves them the monotonic one, as ``settimeofday`` would.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.process.door import RECORDER, RUNNING, Door, until
from tests.process.killed_call import SETTLE, kill, killed_while_spark_submit_runs, tries

FOUND = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
JUMPS = pytest.mark.parametrize("jump", ["+9h", "-9h", "+400d"])


class WallClock:
    """The wall clock of a door's processes, also of those that run already."""

    def __init__(self, door: Door) -> None:
        self._file = door.folder / "wall-clock"
        self.set("+0")
        door.env |= {
            "LD_PRELOAD": str(FOUND[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """By so much it differs from the truth: ``+6h``, ``-2d``."""
        part = self._file.with_name("wall-clock.part")
        part.write_text(offset + "\n")
        part.replace(self._file)


@pytest.fixture
def wall(door: Door) -> Iterator[WallClock]:
    if not FOUND:
        assert os.environ.get("REQUIRE_CLUSTER") != "1", "libfaketime is missing: deploy/host/ensure.sh faketime"
        pytest.skip("libfaketime is missing: deploy/host/ensure.sh faketime")
    # The program in spark-submit's place keeps the true clock: libfaketime 0.9.10 breaks the sleeps of a plain script.
    program = door.folder / "true-clock" / "spark-submit"
    program.parent.mkdir()
    program.write_text(f'#!/usr/bin/env bash\nunset LD_PRELOAD\nexec {RECORDER}/spark-submit "$@"\n')
    program.chmod(0o755)
    door.env |= {"HADOOP_USER_NAME": "alice", "PATH": f"{program.parent}:{door.env['PATH']}", **SETTLE}
    yield WallClock(door)


def moments(door: Door) -> list[datetime]:
    """When the states of the last try were recorded."""
    (*_, one) = tries(door)
    return [datetime.fromisoformat(seen["at"].replace("Z", "+00:00")) for seen in one["history"]]


def ends(door: Door) -> None:
    (application,) = door.rm.applications.values()
    application.end("FINISHED", "SUCCEEDED", "")


def test_a_waiting_call_bears_it(door: Door, wall: WallClock) -> None:
    door.submits(RUNNING)
    running = door.submitting("--run-id", "r1", "--timeout", "1h", "--wait-timeout", "30m")
    running.wait_until_said("RUNNING")
    asked = len(door.rm.asked)
    wall.set("+6h")
    until(lambda: len(door.rm.asked) > asked + 2, "it goes on asking")
    wall.set("-6h")
    asked = len(door.rm.asked)
    until(lambda: len(door.rm.asked) > asked + 1, "it still goes on asking")
    assert running.process.poll() is None
    wall.set("+6h")
    ends(door)
    outcome = running.end()
    assert outcome.code == 0, outcome.err
    assert not [path for path in door.rm.paths("PUT") if path.endswith("/state")], "it was killed"
    times = moments(door)
    assert times[-1] - times[0] > timedelta(hours=5), "the clock was not set at all"


def limits_put(door: Door) -> list[str]:
    """The moments that were given to YARN as LIFETIME."""
    return [asked.body["timeout"]["expiryTime"] for asked in door.rm.asked if asked.path.endswith("/timeout")]


@JUMPS
def test_between_a_crash_in_the_launch_and_its_repeat(door: Door, wall: WallClock, jump: str) -> None:
    gate = killed_while_spark_submit_runs(door)
    wall.set(jump)
    second = door.submitting("--run-id", "r1")
    second.wait_until_said("an earlier call's program may still submit it")
    gate.touch()
    outcome = second.end()
    assert outcome.code == 0, outcome.err
    assert (len(door.calls), len(door.rm.applications)) == (1, 1)
    assert outcome.said("attached to") or outcome.said("already succeeded")


@JUMPS
def test_between_the_acceptance_and_the_repeat(door: Door, wall: WallClock, jump: str) -> None:
    door.submits(RUNNING)
    first = door.submitting("--run-id", "r1", "--timeout", "1h")
    first.wait_until_said("RUNNING")
    kill(first)
    wall.set(jump)
    second = door.submitting("--run-id", "r1", "--timeout", "1h")
    second.wait_until_said("attached to")
    until(lambda: len(limits_put(door)) == 2, "the second call sets the limit too")
    assert len(set(limits_put(door))) == 1, "the limit is by the cluster's clock"
    ends(door)
    assert second.end().code == 0
    assert (len(door.calls), len(door.rm.applications)) == (1, 1)


@JUMPS
def test_a_lock_is_no_staler(door: Door, wall: WallClock, jump: str) -> None:
    door.submits(RUNNING)
    first = door.submitting("--lock", "nightly", "--run-id", "one")
    first.wait_until_said("RUNNING")
    wall.set(jump)
    assert door.submit("--lock", "nightly").code == 5, "its process holds it"
    kill(first)
    assert door.submit("--lock", "nightly").code == 5, "its application holds it"
    ends(door)
    door.submits()
    assert door.submit("--lock", "nightly").code == 0


def test_the_sweep_keeps_what_is_not_known_to_have_ended(door: Door, wall: WallClock) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    wall.set("+4000d")
    swept = door.run("gc", "--older-than", "30d")
    assert swept.code == 0, swept.err
    attached = door.submit("--run-id", "r1", "--no-wait")
    assert (attached.code, len(door.calls)) == (0, 1) and attached.said("attached to"), attached.err


def test_history_tells_what_the_clock_said_and_the_newest_state(door: Door, wall: WallClock) -> None:
    """Set back by a day between submission and end: the end comes before the beginning, and is the end all the same."""
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    wall.set("-1d")
    ends(door)
    assert door.run("wait", "r1").code == 0
    shown = json.loads(door.run("show", "r1", "--json").out)
    states = [seen["state"] for seen in shown["tries"][-1]["history"]]
    assert states[0] == "PLANNED" and states[-1] == "FINISHED"
    assert moments(door)[-1] < moments(door)[0]
    assert [row["run_id"] for row in door.run("history", "--json").json] == ["r1"]
