"""The launcher's child: it stands at its gate until it is on record, and runs never if we die before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batch_submit.adapters.processes import live_in_session, look_at
from batch_submit.adapters.spark_submit import Child
from batch_submit.errors import HostNotReady
from tests.process.door import REPOSITORY, until

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def wrote(tmp_path: Path) -> tuple[list[str], Path]:
    """A program that writes its arguments, environment and place into a file, and that file."""
    place = tmp_path / "wrote.json"
    text = (
        "import json, os, sys; given = sys.argv[1:]; json.dump({'argv': given, 'environment': dict(os.environ),"
        " 'pid': os.getpid(), 'session': os.getsid(0), 'open': sorted(os.listdir('/proc/self/fd'))},"
        f" open({str(place) + '.part'!r}, 'w')); os.rename({str(place) + '.part'!r}, {str(place)!r})"
    )
    return [sys.executable, "-c", text], place


def test_it_runs_when_the_gate_opens_and_not_before(wrote: tuple[list[str], Path], tmp_path: Path) -> None:
    argv, place = wrote
    odd = ["two words", "", "$HOME", "`x`", "--", "ü\n"]
    functions = {"BASH_FUNC_module%%": "() {  echo a module\n}", "a.name.with.dots": "kept", "BASH_ENV": "/nonexistent"}
    child = Child([*argv, *odd], {**ENVIRONMENT, **functions}, tmp_path / "output")
    before = look_at(child.pid)
    assert before is not None and before.session == child.pid and not place.exists()
    assert child.poll() is None
    child.open_gate()
    until(place.exists, "the program ran")
    until(lambda: child.poll() is not None, "it has ended")
    seen = json.loads(place.read_text(encoding="utf-8"))
    assert seen["argv"] == odd
    assert (seen["pid"], seen["session"]) == (child.pid, child.pid), "the number on record is the program's"
    assert {**ENVIRONMENT, **functions}.items() <= seen["environment"].items()
    assert set(seen["environment"]) - set(ENVIRONMENT) - set(functions) <= {"PWD", "OLDPWD", "SHLVL", "_"}
    # The last is that of the listing itself.
    assert len(seen["open"]) == 4, "the gate stays open in the program"


def test_abandoned_it_never_runs(wrote: tuple[list[str], Path], tmp_path: Path) -> None:
    argv, place = wrote
    child = Child(argv, ENVIRONMENT, tmp_path / "output")
    child.abandon()
    assert child.poll() == 125 and look_at(child.pid) is None
    child.abandon()
    assert not place.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_never_runs_when_we_die_before(wrote: tuple[list[str], Path], tmp_path: Path, number: int) -> None:
    argv, place = wrote
    ours = (
        f"import sys, time; sys.path[:0] = [{str(REPOSITORY / 'deploy/hadoop')!r}]; from pathlib import Path;"
        f" from batch_submit.adapters.spark_submit import Child; child = Child({argv!r}, {ENVIRONMENT!r},"
        f" Path({str(tmp_path / 'output')!r})); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", ours], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        at_gate = look_at(pid)
        assert at_gate is not None and not at_gate.is_gone
        process.send_signal(number)
        process.wait(30)
    until(lambda: live_in_session(pid, at_gate.start) == (), "it has left its gate")
    assert not place.exists()


def test_a_session_is_waited_for_whoever_is_left_of_it(tmp_path: Path) -> None:
    """A program that leaves a child behind, as a wrapper around spark-submit may."""
    stop = tmp_path / "stop"
    left = f"while [ ! -e '{stop}' ]; do sleep 0.05; done"
    child = Child(["bash", "-c", f"({left}) & exit 0"], ENVIRONMENT, tmp_path / "output")
    start = look_at(child.pid)
    assert start is not None
    child.open_gate()
    until(lambda: child.poll() is not None, "the leader has ended")
    members = live_in_session(child.pid, start.start)
    assert members and child.pid not in members
    stop.touch()
    until(lambda: live_in_session(child.pid, start.start) == (), "the session is empty")


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_program_that_can_t_run_is_found_before_anything_is_started(tmp_path: Path, mode: int | None) -> None:
    program = tmp_path / "program"
    if mode is not None:
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(mode)
    with pytest.raises(HostNotReady, match="can't be started"):
        Child([str(program)], ENVIRONMENT, tmp_path / "output")


def test_somebody_who_ends_it_at_its_gate_is_seen_by_its_status(tmp_path: Path) -> None:
    child = Child(["true"], ENVIRONMENT, tmp_path / "output")
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.poll() is not None, "it has ended")
    child.open_gate()
    assert child.poll() == -signal.SIGKILL
