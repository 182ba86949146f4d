"""Backend ``local``: what a driver has started in its session ends with a kill or a limit, or is in the next one's way.

spark-submit is a wrapper that does not ``exec``: its leader may be gone long before the work is.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_submit.adapters.processes import look_at
from tests.process.door import REPOSITORY, Door, until

#: Works on although it is told to end, and says which process it is.
_DEAF = """\
(trap '' TERM HUP; echo $BASHPID > "{pids}/.$$"; mv "{pids}/.$$" "{pids}/$$"; while :; do /bin/sleep 0.1; done) &
until [ -e "{pids}/$$" ]; do /bin/sleep 0.05; done
"""
#: A program that works on nothing, as an agent would be left.
_AGENT = """\
/bin/sleep 1000 & echo $! > "{pids}/.$$"; mv "{pids}/.$$" "{pids}/$$"
"""
_SUPERVISOR = """\
import sys
sys.path.insert(0, {path!r})
from batch_submit.adapters import local_supervisor
local_supervisor.GRACE_S = 0.5
local_supervisor.main(sys.argv[1:])
"""


@dataclass
class Wrapped:
    """A laptop whose spark-submit is a wrapper, and a supervisor that is patient for half a second."""

    door: Door
    pids: Path

    def drives(self, *body: str) -> None:
        """What spark-submit does."""
        script = self.pids.parent / "spark-submit"
        script.write_text("#!/bin/bash\n" + "".join(body).format(pids=self.pids))
        script.chmod(0o755)

    def left(self) -> list[int]:
        """The workers that were started and live."""
        told = [int(one.read_text()) for one in self.pids.glob("[!.]*")]
        return [pid for pid in told if (one := look_at(pid)) is not None and not one.is_gone]

    @property
    def drivers(self) -> int:
        """How many drivers were started so far."""
        return len(list(self.pids.glob("[!.]*")))


@pytest.fixture
def wrapped(laptop: Door) -> Iterator[Wrapped]:
    pids = laptop.folder / "wrapper" / "pids"
    pids.mkdir(parents=True)
    laptop.env["PATH"] = f"{pids.parent}:{laptop.env['PATH']}:/bin"
    supervisor = laptop.folder / "supervisor.py"
    supervisor.write_text(_SUPERVISOR.format(path=str(REPOSITORY / "deploy/hadoop")))
    laptop.program = laptop.changed_program(
        "watch._FIRST_POLL_S = watch._LAST_POLL_S = 0.1",
        "from batch_submit.adapters import local_supervisor",
        f"local_supervisor.__file__ = {str(supervisor)!r}",
    )
    here = Wrapped(laptop, pids)
    yield here
    for pid in here.left():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("group", ["", "set -m\n"], ids=["its group", "a group of its own"])
def test_a_kill_is_confirmed_once_nothing_of_the_session_is_left(wrapped: Wrapped, group: str) -> None:
    wrapped.drives(group, _DEAF, "wait\n")
    assert wrapped.door.submit("--run-id", "r1", "--lock", "nightly", "--no-wait").code == 0
    until(wrapped.left, "the worker runs")
    killed = wrapped.door.run("kill", "local-r1")
    assert (killed.code, killed.out) == (0, "local-r1 killed\n"), killed.err
    assert wrapped.left() == []
    assert wrapped.door.submit("--run-id", "r2", "--lock", "nightly", "--no-wait").code == 0
    assert wrapped.door.submit("--run-id", "r1", "--no-wait").code == 0
    until(lambda: wrapped.drivers == 3, "the next ones run")


def test_past_its_limit_nothing_of_the_session_is_left(wrapped: Wrapped) -> None:
    wrapped.drives(_DEAF, "wait\n")
    outcome = wrapped.door.submit("--run-id", "r1", "--timeout", "2s")
    assert outcome.code == 7, outcome.err
    assert wrapped.drivers == 1 and wrapped.left() == []


def test_what_a_driver_has_left_by_itself_is_in_the_way_until_it_ends(wrapped: Wrapped) -> None:
    """Its own end is on record; whether the run's work has ended only what it has left can know."""
    wrapped.drives(_DEAF, "exit 1\n")
    assert wrapped.door.submit("--run-id", "r1", "--lock", "nightly").code == 1
    (worker,) = wrapped.left()
    again = wrapped.door.submit("--run-id", "r1", "--no-wait")
    assert again.code == 8 and wrapped.drivers == 1, again.err
    assert again.said(f"process {worker}, which it started, still lives", f"kill {worker}")
    assert wrapped.door.run("status", "local-r1").code == 0
    other = wrapped.door.submit("--run-id", "r2", "--lock", "nightly", "--no-wait")
    assert other.code == 5 and wrapped.drivers == 1, other.err
    assert other.said(f"process {worker}, which the driver of run r1 has left behind")
    os.kill(worker, signal.SIGKILL)
    until(lambda: not wrapped.left(), "it has ended")
    assert wrapped.door.submit("--run-id", "r2", "--lock", "nightly", "--no-wait").code == 0
    assert wrapped.door.submit("--run-id", "r1", "--no-wait").code == 0
    until(lambda: wrapped.drivers == 3, "the next ones run")


def test_an_agent_that_a_driver_has_left_is_in_nobody_s_way(wrapped: Wrapped) -> None:
    wrapped.drives(_AGENT, "exit 1\n")
    assert wrapped.door.submit("--run-id", "r1", "--lock", "nightly").code == 1
    assert wrapped.left()
    assert wrapped.door.submit("--run-id", "r2", "--lock", "nightly").code == 1
    assert wrapped.door.submit("--run-id", "r1").code == 1
    assert wrapped.drivers == 3
