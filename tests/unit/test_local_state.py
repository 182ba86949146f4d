"""What the files of a local run tell: its end is the driver's, and what can't come to an end any more has ended."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.local_supervisor import age_ms, boot_id, start_ticks
from batch_submit.backends.local import LocalBackend
from batch_submit.errors import ClusterUnreachable, EndUnseen, ExitCode, NotFound, OutcomeUnknown
from batch_submit.model import FinalStatus, Result, State, judge
from batch_submit.plan.resume import Here
from tests.unit.fake_clock import START, FakeClock

NOW_MS = int(START.timestamp() * 1000)
#: This very process: it lives, and its start time is known.
ALIVE = {"pid": os.getpid(), "start": start_ticks(os.getpid()), "started_ms": NOW_MS}
#: Our pid with another start time: the number was given to us after its owner had gone.
REUSED = {**ALIVE, "start": 1, "driver_pid": os.getpid(), "driver_start": 2}
HERE = Here("edge-1", "m1", boot_id(), "pid:[1]")


def backend_at(folder: Path, here: Here = HERE) -> LocalBackend:
    processes: Any = SimpleNamespace(here=lambda: here, live_in_session=lambda pid, start: ())
    return LocalBackend(folder, {}, FakeClock(), "alice", processes=processes)  # type: ignore[arg-type]


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return backend_at(tmp_path / "local")


def started(**where: str) -> dict[str, object]:
    """``about.json`` of a run that was started here, but for this."""
    return {"name": "Nightly", "submitted_ms": NOW_MS, **ALIVE, **asdict(HERE), **where}


def put(backend: LocalBackend, number: int = 1, **files: dict[str, object]) -> Path:
    place = backend.folder / "nightly" / str(number)
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("exit_file", "result", "code", "words"),
    [
        ({"returncode": 0}, Result.SUCCEEDED, 0, ""),
        ({"returncode": 1}, Result.FAILED, 1, "status 1"),
        ({"returncode": 127, "error": "spark-submit: not there"}, Result.FAILED, 1, "spark-submit: not there"),
        # A script's exit(-1) and exit(-56); a shell's 128 + N is a signal only for numbers that are one.
        ({"returncode": 255}, Result.FAILED, 1, "status 255"),
        ({"returncode": 200}, Result.FAILED, 1, "status 200"),
        ({"returncode": -9}, Result.KILLED, 6, "signal 9"),
        ({"returncode": 137}, Result.KILLED, 6, "signal 9"),
        ({"returncode": 143, "killed": True}, Result.KILLED, 6, "killed by request"),
        ({"returncode": 143, "timed_out": True}, Result.TIMED_OUT, 7, "exceeded the lifetime"),
    ],
)
def test_the_drivers_exit_is_the_truth(
    backend: LocalBackend, exit_file: dict[str, object], result: Result, code: int, words: str
) -> None:
    put(backend, process=ALIVE, exit={**exit_file, "finished_ms": NOW_MS + 5000})
    report = backend.report("local-nightly")
    verdict = judge(report)
    assert verdict is not None
    assert (verdict.result, verdict.exit_code) == (result, code)
    assert words in verdict.reason
    assert (report.finished_ms, report.elapsed_ms) == (NOW_MS + 5000, 5000)


def test_a_living_process_is_a_running_run(backend: LocalBackend) -> None:
    put(backend, about={"name": "Nightly"}, process=ALIVE)
    report = backend.report("local-nightly")
    assert (report.state, report.name, report.user) == (State.RUNNING, "Nightly", "alice")
    assert report.tags == ("batch-submit", "run:nightly", "try:nightly.1")


def test_a_pid_that_was_used_again_is_not_ours(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    put(backend, about=started(), process=REUSED)
    with pytest.raises(OutcomeUnknown, match="its processes are gone"):
        backend.report("local-nightly")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a stranger was signalled"))
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("a stranger was signalled"))
    backend.kill("local-nightly")


@pytest.mark.parametrize("jump_s", [-30 * 86_400.0, 7 * 3600.0])
def test_somebody_who_sets_the_clock_makes_no_run_older(backend: LocalBackend, jump_s: float) -> None:
    """Else a limit of an hour would have passed, and the run been killed."""
    put(backend, process={**ALIVE, "boot_id": boot_id()})
    backend.clock.wall_s = jump_s  # type: ignore[attr-defined]
    report = backend.report("local-nightly")
    assert report.state is State.RUNNING
    assert abs(report.elapsed_ms - age_ms(ALIVE["start"])) < 5000


def test_an_ended_run_took_as_long_as_its_supervisor_measured(backend: LocalBackend) -> None:
    put(backend, process=ALIVE, exit={"returncode": 0, "finished_ms": NOW_MS - 7_200_000, "elapsed_ms": 4200})
    assert backend.report("local-nightly").elapsed_ms == 4200


@pytest.mark.parametrize("jump_ms", [-30 * 86_400_000, 30 * 86_400_000])
def test_whether_the_host_restarted_is_told_by_its_boot_id_and_not_by_its_clock(
    backend: LocalBackend, jump_ms: int
) -> None:
    """Gone in this boot: the driver may have come to a good end, and a repeat must not run it again."""
    gone = {**REUSED, "started_ms": int(time.time() * 1000) + jump_ms}
    put(backend, about=started(), process={**gone, "boot_id": boot_id()})
    with pytest.raises(OutcomeUnknown, match="how the driver ended was not written down"):
        backend.report("local-nightly")
    put(backend, 2, about=started(boot_id="another"), process={**gone, "boot_id": "another"})
    report = backend.report("local-nightly")
    assert (report.state, report.diagnostics) == (State.KILLED, "its processes are gone: the host restarted")
    put(backend, 3, about=started(boot_id="another"))
    report = backend.report("local-nightly")
    assert (report.state, report.diagnostics) == (State.KILLED, "it was never started on this host")


def test_the_same_pid_and_start_in_another_boot_is_another_process(backend: LocalBackend) -> None:
    put(backend, about=started(boot_id="another"), process={**ALIVE, "boot_id": "another"})
    assert backend.report("local-nightly").state is State.KILLED


ELSEWHERE = {
    "another host": {"host": "edge-2", "machine": "m2", "boot_id": "another"},
    "another machine of the same name": {"machine": "m2", "boot_id": "another"},
    "without a machine id, in another boot": {"machine": "", "boot_id": "another"},
    "in another container": {"namespace": "pid:[2]"},
}


@pytest.mark.parametrize("where", ELSEWHERE.values(), ids=ELSEWHERE.keys())
@pytest.mark.parametrize(
    "process", [ALIVE, REUSED, None], ids=["a pid that lives here", "one that does not", "none yet"]
)
def test_of_a_run_of_another_host_its_end_alone_is_known(
    backend: LocalBackend, where: dict[str, str], process: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that hosts share: another boot id is no restart of this one, and its numbers are others' here."""
    if where.get("machine") == "":
        backend = backend_at(backend.folder, replace(HERE, machine=""))
    about = started(**where)
    files = (
        {"about": about} if process is None else {"about": about, "process": {**process, "boot_id": about["boot_id"]}}
    )
    place = put(backend, **files)
    for look in (lambda: backend.report("local-nightly"), lambda: backend.find_run("nightly")):
        with pytest.raises(OutcomeUnknown, match=f"it was started on host {about['host']}") as caught:
            look()
        assert caught.value.exit_code is ExitCode.UNKNOWN
        assert f"on host {about['host']}" in caught.value.next_step
    (listed,) = backend.applications()
    assert listed.state is State.UNKNOWN and listed.finished_ms == 0
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a stranger was signalled"))
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("a stranger was signalled"))
    backend.kill("local-nightly")
    (place / "exit.json").write_text(json.dumps({"returncode": 0, "finished_ms": NOW_MS + 5000}), encoding="utf-8")
    assert backend.report("local-nightly").final_status is FinalStatus.SUCCEEDED


def test_a_record_of_an_earlier_release_does_not_name_its_host(backend: LocalBackend) -> None:
    put(backend, process={**ALIVE, "boot_id": "another"})
    with pytest.raises(OutcomeUnknown, match="earlier release") as caught:
        backend.report("local-nightly")
    assert "driver.log" in caught.value.next_step
    put(backend, 2, process=ALIVE)
    assert backend.report("local-nightly").state is State.RUNNING


def test_gone_without_a_word_is_told_from_a_driver_that_has_left_something(backend: LocalBackend) -> None:
    """Of the first it is known that nothing runs any more; of the second it is not."""
    put(backend, about=started(), process={**REUSED, "boot_id": boot_id()})
    with pytest.raises(EndUnseen, match="how the driver ended was not written down"):
        backend.report("local-nightly")
    seen: list[tuple[int, int]] = []
    left: Any = SimpleNamespace(here=lambda: HERE, live_in_session=lambda *leader: seen.append(leader) or (77,))
    backend.processes = left
    with pytest.raises(OutcomeUnknown, match="process 77, which the driver started, still lives") as caught:
        backend.report("local-nightly")
    assert not isinstance(caught.value, EndUnseen) and seen[0] == (os.getpid(), 2)


def test_a_process_that_ends_before_the_signal_is_no_error(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def gone(pid: int, number: int) -> None:
        sent.append((pid, number))
        raise ProcessLookupError

    put(backend, process=ALIVE)
    monkeypatch.setattr(os, "kill", gone)
    backend.kill("local-nightly")
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_a_launch_that_never_came_about_is_not_waited_for_without_end(backend: LocalBackend) -> None:
    at_the_gate = {"submitted_ms": NOW_MS, "pid": os.getpid(), "start": start_ticks(os.getpid())}
    put(backend, about=at_the_gate)
    assert backend.report("local-nightly").state is State.SUBMITTED
    put(backend, 2, about={**at_the_gate, "start": 1})  # its number is another process's
    report = backend.report("local-nightly")
    assert (report.state, report.diagnostics) == (State.KILLED, "it was never started on this host")


def test_tries_are_told_newest_first_and_the_newest_is_the_run(backend: LocalBackend) -> None:
    for number in (9, 10):
        put(backend, number, process=ALIVE, exit={"returncode": 10 - number, "finished_ms": NOW_MS})
    assert [report.tags[2] for report in backend.find_run("nightly")] == ["try:nightly.10", "try:nightly.9"]
    assert backend.report("local-nightly").final_status.value == "SUCCEEDED"
    found = backend.find_try("nightly", 9)
    assert found is not None and found.final_status.value == "FAILED"
    assert backend.find_try("nightly", 11) is None
    assert len(backend.applications()) == 1


@pytest.mark.parametrize("name", ["local-other", "local-../nightly", "nightly", "local-"])
def test_an_unknown_run_is_not_found(backend: LocalBackend, name: str) -> None:
    put(backend, process=ALIVE)
    with pytest.raises(NotFound, match="no local run") as caught:
        backend.report(name)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.where == str(backend.folder)


def test_damaged_state_is_an_outage_and_no_end(backend: LocalBackend) -> None:
    (put(backend, process=ALIVE) / "exit.json").write_text("{", encoding="utf-8")
    with pytest.raises(ClusterUnreachable, match="can't be read") as caught:
        backend.report("local-nightly")
    assert caught.value.where.endswith("exit.json")


def test_the_drivers_output_is_given_once(backend: LocalBackend) -> None:
    log = put(backend, process=ALIVE) / "driver.log"
    assert backend.new_output("local-nightly") == ""
    log.write_text("a\n", encoding="utf-8")
    assert backend.new_output("local-nightly") == "a\n"
    with log.open("a", encoding="utf-8") as file:
        file.write("ä\n")
    assert backend.new_output("local-nightly") == "ä\n"
    assert backend.new_output("local-nightly") == ""


def test_artifacts_are_read_from_paths_with_any_characters(backend: LocalBackend, tmp_path: Path) -> None:
    path = tmp_path / "my data" / "dt=1 100%20" / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"0123456789")
    assert backend.read_artifact(f"file://{path}", 4) == b"0123"
    assert backend.read_artifact(f"file://{path}x", 4) is None
    assert backend.read_artifact("hdfs://nn/metrics.json", 4) is None
