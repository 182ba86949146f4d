"""The supervisor of a local driver is told to end at a moment when it has not written the driver down yet."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_submit.adapters.processes import look_at
from tests.process.door import PATIENCE_S, REPOSITORY, Door, until

#: The supervisor's program with something that happens right after its driver was started, before it knows its pid.
_PROGRAM = """\
import os, signal, subprocess, sys
sys.path.insert(0, {path!r})
from batch_submit.adapters import local_supervisor
from pathlib import Path

class Started(subprocess.Popen):
    def __init__(self, *given, **how):
        super().__init__(*given, **how)
        {then}

subprocess.Popen = Started
local_supervisor.main(sys.argv[1:])
"""
_DRIVER = 'echo $$ > "$0.part"; mv "$0.part" "$0"; {before} sleep 1000 & wait'


@dataclass
class Supervised:
    """A folder of a run, and a driver that tells its pid in it and lives on."""

    place: Path

    def run(self, then: str = "pass", before: str = "", timeout: str = "0") -> int:
        """The supervisor from start to end; its exit status."""
        script = self.place / "program.py"
        script.write_text(_PROGRAM.format(path=str(REPOSITORY / "deploy/hadoop"), then=then))
        driver = ["bash", "-c", _DRIVER.format(before=before), str(self.place / "driver.pid")]
        argv = [sys.executable, str(script), str(self.place), timeout, "--", *driver]
        return subprocess.run(argv, timeout=PATIENCE_S, check=False).returncode

    @property
    def ended(self) -> dict[str, object]:
        told: dict[str, object] = json.loads((self.place / "exit.json").read_text())
        return told

    @property
    def driver(self) -> int:
        """The driver's pid; 0: it was never started."""
        path = self.place / "process.json"
        return int(json.loads(path.read_text())["driver_pid"]) if path.exists() else 0

    def lives(self, pid: int) -> bool:
        process = look_at(pid)
        return process is not None and not process.is_gone


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    here = Supervised(tmp_path)
    yield here
    told = tmp_path / "driver.pid"
    if told.exists() and here.lives(int(told.read_text())):
        os.killpg(int(told.read_text()), signal.SIGKILL)


def test_a_signal_between_the_start_of_the_driver_and_its_record_is_not_lost(supervised: Supervised) -> None:
    assert supervised.run(then="os.kill(os.getpid(), signal.SIGTERM)") == 0
    assert supervised.driver and not supervised.lives(supervised.driver)
    assert supervised.ended["killed"] is True


def test_a_mark_that_came_before_the_record_ends_the_driver(supervised: Supervised) -> None:
    assert supervised.run(then="Path(sys.argv[1], 'stop.json').write_text('{}')") == 0
    assert supervised.driver and not supervised.lives(supervised.driver)
    assert supervised.ended["killed"] is True


def test_a_mark_that_came_before_the_driver_keeps_it_from_being_started(supervised: Supervised) -> None:
    (supervised.place / "stop.json").write_text("{}")
    assert supervised.run() == 0
    assert supervised.driver == 0 and not (supervised.place / "driver.pid").exists()
    assert supervised.ended["killed"] is True


def test_a_driver_that_can_not_be_written_down_does_not_live_on(supervised: Supervised) -> None:
    broken = "local_supervisor._tell_of = lambda child, place: (_ for _ in ()).throw(OSError(28, 'No space left'))"
    (supervised.place / "driver.pid").unlink(missing_ok=True)
    assert supervised.run(then=f"{broken}; Path(sys.argv[1], 'started').write_text(str(self.pid))") == 0
    assert not supervised.lives(int((supervised.place / "started").read_text()))
    assert supervised.ended["returncode"] == 127 and "No space left" in str(supervised.ended["error"])


def test_the_driver_s_own_end_and_its_limit_are_told(supervised: Supervised) -> None:
    assert supervised.run(before="exit 3;") == 0
    assert (supervised.ended["returncode"], supervised.ended["killed"]) == (3, False)
    assert supervised.run(timeout="0.5") == 0
    assert supervised.ended["timed_out"] is True and not supervised.lives(supervised.driver)


def test_killed_while_its_supervisor_has_not_started_it_a_driver_never_runs(laptop: Door) -> None:
    """The whole way: ``kill`` finds no process, and the supervisor goes on only afterwards."""
    gate, slow = laptop.folder / "gate", laptop.folder / "slow_supervisor.py"
    slow.write_text(
        "import sys, time, pathlib\n"
        f"sys.path.insert(0, {str(REPOSITORY / 'deploy/hadoop')!r})\n"
        "from batch_submit.adapters import local_supervisor\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)\n"
        "local_supervisor.main(sys.argv[1:])\n"
    )
    program = laptop.changed_program(
        "from batch_submit.adapters import local_supervisor", f"local_supervisor.__file__ = {str(slow)!r}"
    )
    running = laptop.submitting("--run-id", "r1", program=program)
    until(lambda: list(laptop.state.glob("local/r1/1/about.json")), "the supervisor was started")
    killing = laptop.start("kill", "local-r1")
    until(lambda: list(laptop.state.glob("local/r1/1/stop.json")), "the kill has left its mark")
    gate.touch()
    killed, outcome = killing.end(), running.end()
    assert (killed.code, killed.out) == (0, "local-r1 killed\n"), killed.err
    assert outcome.code == 6 and laptop.calls == [], outcome.err
    laptop.holds("wait_before").touch()
    assert laptop.submit("--run-id", "r1").code == 0, "the next try is not held by the mark of the one before"


#: The call that launches waits, once its driver's folder is there, until ``$GATE`` appears.
_HELD = (
    "import os, time",
    "from batch_submit.backends import local",
    "real = local.Child",
    "def held(*given):",
    "    open(os.environ['GATE'] + '.reached', 'w').close()",
    "    while not os.path.exists(os.environ['GATE']): time.sleep(0.02)",
    "    return real(*given)",
    "local.Child = held",
)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_while_there_is_no_supervisor_yet_a_driver_never_runs(laptop: Door, number: int) -> None:
    """Between the folder of the try and the supervisor: no process of the run is there, and yet it comes."""
    if number == 2:
        laptop.recorder(status=1)
        assert laptop.submit("--run-id", "r1").code == 1
    gate = laptop.folder / "gate"
    laptop.env["GATE"] = str(gate)
    running = laptop.submitting("--run-id", "r1", "--no-wait", program=laptop.changed_program(*_HELD))
    until((laptop.folder / "gate.reached").exists, "the launch has begun")
    killing = laptop.start("kill", "local-r1")
    until(lambda: list(laptop.state.glob(f"local/r1/{number}/stop.json")) or killing.process.poll() is not None, "kill")
    gate.touch()
    killed = killing.end()
    running.end()
    assert (killed.code, killed.out) == (0, "local-r1 killed\n"), killed.err
    assert laptop.run("status", "local-r1", "--json").json["state"] == "KILLED"
    assert len(laptop.calls) == number - 1, "its driver has never run"


def test_a_launch_that_was_cut_off_before_its_supervisor_has_ended(laptop: Door) -> None:
    laptop.env["GATE"] = str(laptop.folder / "gate")
    running = laptop.submitting("--run-id", "r1", "--no-wait", program=laptop.changed_program(*_HELD))
    until((laptop.folder / "gate.reached").exists, "the launch has begun")
    assert laptop.run("status", "local-r1", "--json").json["state"] == "SUBMITTED"
    running.process.kill()
    running.process.wait()
    killed = laptop.run("kill", "local-r1")
    assert (killed.code, killed.out) == (0, "local-r1 killed\n"), killed.err
    laptop.recorder()
    assert laptop.submit("--run-id", "r1").code == 0, "the mark of the kill is not in the way of the next one"


def test_kill_says_that_nobody_saw_the_end_and_not_that_it_lives(laptop: Door) -> None:
    """Its supervisor is gone, so that nobody writes down how the driver ended."""
    laptop.holds("wait_after")
    assert laptop.submit("--run-id", "r1", "--no-wait").code == 0
    (file,) = until(lambda: list(laptop.state.glob("local/r1/1/process.json")), "the supervisor has started")
    os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
    outcome = laptop.run("kill", "local-r1")
    assert outcome.code == 8 and "not yet" not in outcome.err and "has not" not in outcome.err, outcome.err
    assert outcome.said("its processes are gone", "how the driver ended was not written down")
