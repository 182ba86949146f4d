"""``submit --many`` through the real command: all checked first, a few at a time, one table, and a repeat goes on."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.child_submits import ChildSubmit
from tests.process.door import PATIENCE_S, RUNNING, SUCCEEDED, Door, Outcome, until

RANGE = """\
defaults:
  type: custom
dates: {from: 2024-01-01, to: 2024-01-05}
runs:
  - run_id: train-{{ ds_nodash }}
    args: [--day, "{{ ds }}"]
"""
FAILED = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})
DAYS = [f"train-2024010{day}" for day in range(1, 6)]


def many(door: Door, text: str, *flags: str, **how: Any) -> Outcome:
    """``submit --many runs.yaml`` with this file."""
    (door.work / "runs.yaml").write_text(text)
    return door.run("submit", "--many", "runs.yaml", *flags, **how)


def by_run(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The lines of ``--json`` by run id."""
    return {line["run_id"]: line for line in map(json.loads, outcome.out.splitlines())}


def test_a_range_of_days_is_a_run_each_with_its_day(door: Door) -> None:
    done = many(door, RANGE)
    assert done.code == 0, done.err
    assert [record["run_id"] for record in sorted(door.records(), key=lambda one: one["run_id"])] == DAYS
    assert sorted(call.argv[-1] for call in door.calls) == [f"2024-01-0{day}" for day in range(1, 6)]
    head, *rows = done.out.splitlines()
    assert head.split() == ["RUN", "DATE", "RESULT", "APPLICATION", "EXIT", "TOOK"]
    assert [row.split()[:3] for row in rows] == [
        [run, f"2024-01-0{day}", "succeeded"] for day, run in enumerate(DAYS, start=1)
    ]
    assert done.said("5 runs, at most 4 at a time", "1/5 train-20240101: started", "5 runs: 5 succeeded; exit 0")


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_secret_in_the_file_stops_all_of_them_and_is_not_shown(door: Door, flags: tuple[str, ...]) -> None:
    conf = "conf: {spark.my.password: hunter2many}"
    done = many(door, f"runs:\n  - {{run_id: a, type: custom}}\n  - {{run_id: b, type: custom, {conf}}}\n", *flags)
    assert done.code == 2 and not door.calls
    assert done.said("runs.yaml:3: runs[1].conf.spark.my.password", "is a secret", "${VARIABLE}")
    assert "hunter2many" not in done.out + done.err


def test_a_repeat_passes_over_what_has_succeeded_and_tries_the_rest_again(door: Door) -> None:
    door.submits_in_turn([RUNNING, FAILED], [SUCCEEDED])
    first = many(door, RANGE, "--max-parallel", "1", "--json")
    assert first.code == 1, first.err
    assert [by_run(first)[run]["result"] for run in DAYS] == ["failed"] + ["succeeded"] * 4
    broken = by_run(first)[DAYS[0]]
    assert broken["exit_code"] == 1 and "failed" in broken["why"]
    assert f"{DAYS[0]}" in broken["log"] and "User application exited" in Path(broken["log"]).read_text()
    assert first.said("repeat the same call")
    assert len(door.calls) == 5
    second = many(door, RANGE, "--json")
    assert second.code == 0, second.err
    assert len(door.calls) == 6  # the one that had failed
    assert [by_run(second)[run]["result"] for run in DAYS] == ["succeeded"] * 5
    assert by_run(second)[DAYS[1]]["attached"] is True


def test_no_more_than_asked_for_are_live_at_a_time(door: Door) -> None:
    door.submits(RUNNING)
    (door.work / "runs.yaml").write_text(RANGE)
    running = door.start("submit", "--many", "runs.yaml", "--max-parallel", "2")
    ended: list[str] = []
    while len(ended) < 5:
        until(lambda: len(door.rm.applications) == min(5, len(ended) + 2), "two are live, as long as there are two")
        one = next(one for one in door.rm.applications if one not in ended)
        assert len(door.rm.applications) - len(ended) <= 2
        door.rm.applications[one].end("FINISHED", "SUCCEEDED", "")
        ended.append(one)
    assert running.end().code == 0


def test_a_list_of_different_runs_and_the_call_beats_the_file(door: Door) -> None:
    text = """\
defaults: {type: custom, conf: {spark.a: 1, spark.b: 1}, executor_memory: 1g}
runs:
  - {run_id: one, conf: {spark.b: 2}}
  - {run_id: two, executor_memory: 2g, date: 2024-02-29, app_arg: [x, "{{ ds }}"], save_logs: false}
"""
    done = many(door, text, "--executor-memory", "3g", "--conf", "spark.a=3", "--max-parallel", "1")
    assert done.code == 0, done.err
    one, two = door.calls
    assert [
        call.conf["spark.executor.memory"] if "spark.executor.memory" in call.conf else call.value("--executor-memory")
        for call in door.calls
    ] == ["3g", "3g"]
    assert (one.conf["spark.a"], one.conf["spark.b"]) == ("3", "2")
    assert (two.conf["spark.a"], two.conf["spark.b"]) == ("3", "1")
    assert two.argv[-2:] == ["x", "2024-02-29"]


def test_a_dry_run_shows_the_commands_and_submits_nothing(door: Door) -> None:
    done = many(door, RANGE, "--dry-run")
    assert (done.code, door.calls, door.rm.asked) == (0, [], [])
    assert len(done.out.splitlines()) == 5
    assert "submit --type=custom --run-id=train-20240101 --date=2024-01-01 -- --day '{{ ds }}'" in done.out


def test_every_problem_of_every_run_is_told_and_nothing_is_submitted(door: Door) -> None:
    text = """\
defaults: {type: custom, json: true}
runs:
  - {run_id: one, executor_memory: 2}
  - {run_id: one}
  - {type: custom}
  - {run_id: three, no_such_flag: 1}
  - {run_id: four, type: nonsense}
  - {run_id: "day-{{ ds }}"}
  - {run_id: six, script: nowhere.py}
  - {run_id: seven, retries: 1, oom_bump: 0.5}
  - {run_id: eight, conf: {foo: 1}}
  - {run_id: nine, date: 2024-02-30}
"""
    done = many(door, text)
    assert (done.code, door.calls, door.rm.asked, done.out) == (2, [], [], "")
    assert done.said(
        "runs.yaml:1: defaults.json: is not a run's to say",
        "runs.yaml:3: one: ",
        "missing unit: write 2g",
        "runs.yaml:4: run_id: one is another run's too (runs.yaml:3)",
        "runs.yaml:5: run_id: is missing",
        "runs.yaml:6: three: No such option",
        "runs.yaml:7: four: --type:",
        "runs.yaml:8: run_id: 'day-{{ ds }}' holds a date",
        "runs.yaml:9: six: the script nowhere.py does not exist",
        "runs.yaml:10: seven: ",
        "above 1 and up to 10",
        "runs.yaml:11: eight: --conf 'foo…' is not spark.KEY=VALUE",
        "runs.yaml:12: date: '2024-02-30' is not a day",
        "nothing was submitted",
    ), done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no run in it"),
        ("- a\n", "expected the keys defaults, dates and runs"),
        ("runs: [\n", "runs.yaml:"),
        ("run: []\n", "did you mean 'runs'?"),
        ("runs: 3\n", "expected a list of runs"),
        ("runs: [x]\n", "expected a map of flags"),
        ("dates: {from: 2024-01-02, to: 2024-01-01}\n", "turn them around"),
        ("dates: {from: 2024-01-02}\n", "dates.to: is missing"),
        ("dates: {from: 2024-01-02, to: 2024-01-03, every_days: 0}\n", "1 or more"),
        ("dates: {from: 1000-01-01, to: 2024-01-03}\ndefaults: {run_id: 'r-{{ ds }}'}\n", "more than 10000 runs"),
        ("dates: {from: 2024-01-01, to: 2024-01-03}\ndefaults: {type: custom, run_id: one}\n", "another run's too"),
        ("dates: [2024-01-01]\ndefaults: {type: custom, run_id: one, date: 2024-01-01}\n", "is given twice"),
        ("runs: [{run_id: a}]\n", "submit needs a job type"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(door: Door, text: str, said: str) -> None:
    done = many(door, text)
    assert (done.code, door.calls, door.rm.asked) == (2, [], [])
    assert done.said(said), done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--run-id", "x"], "--run-id can't be said of many runs at once"),
        (["--no-wait"], "--no-wait can't be said of many runs at once"),
        (["--", "x"], "arguments after -- can't be said"),
        (["--max-parallel", "0"], "1<=x<=200"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(door: Door, flags: list[str], said: str) -> None:
    done = many(door, RANGE, *flags)
    assert (done.code, door.calls) == (2, []) and done.said(said), done.err


def test_a_file_that_is_not_there_and_a_bound_without_a_file(door: Door) -> None:
    done = door.run("submit", "--many", "nowhere.yaml")
    assert done.code == 2 and done.said("the file of runs can't be read: No such file"), done.err
    done = door.submit("--max-parallel", "2")
    assert done.code == 2 and done.said("--max-parallel is about --many"), done.err


@pytest.mark.parametrize("kill", [False, True], ids=["they go on", "--kill-on-exit"])
def test_a_signal_begins_no_further_run_and_is_handed_on(door: Door, kill: bool) -> None:
    door.submits(RUNNING)
    (door.work / "runs.yaml").write_text(RANGE)
    flags = ["--kill-on-exit"] if kill else []
    running = door.start("submit", "--many", "runs.yaml", "--max-parallel", "2", *flags)
    logs = lambda: [path.read_text() for path in door.state.glob("many/*/*.log")]  # noqa: E731
    until(lambda: sum("RUNNING" in log for log in logs()) == 2, "two wait")
    running.send(signal.SIGTERM)
    done = running.end()
    assert done.code == 143, done.err
    assert done.said("SIGTERM: no further run is begun", "3 not begun; exit 143")
    assert len(door.calls) == 2 and len(door.rm.kills) == (2 if kill else 0)
    assert done.out.count("not begun") == 3
    if not kill:
        assert all("goes on running" in log for log in logs())
        for application in door.rm.applications.values():
            application.end("FINISHED", "SUCCEEDED", "")
        door.submits()
        again = many(door, RANGE, "--json")
        assert again.code == 0 and len(door.calls) == 5, again.err


def test_a_call_that_was_killed_leaves_runs_that_a_repeat_joins(door: Door) -> None:
    door.submits(RUNNING)
    (door.work / "runs.yaml").write_text(RANGE)
    running = door.start("submit", "--many", "runs.yaml", "--max-parallel", "5")
    until(lambda: len(door.rm.applications) == 5, "all are submitted")
    running.send(signal.SIGKILL)
    running.process.wait()
    second = door.start("submit", "--many", "runs.yaml", "--max-parallel", "5", "--json")
    until(lambda: sum("attached to" in path.read_text() for path in door.state.glob("many/*/*.log")) == 5, "joined")
    for application in door.rm.applications.values():
        application.end("FINISHED", "SUCCEEDED", "")
    done = second.end()
    assert (done.code, len(door.calls)) == (0, 5), done.err


def test_two_calls_on_one_file_are_one_too_many(door: Door) -> None:
    door.submits(RUNNING)
    (door.work / "runs.yaml").write_text(RANGE)
    door.start("submit", "--many", "runs.yaml")
    until(lambda: door.rm.applications, "it submits")
    second = many(door, RANGE)
    assert second.code == 5 and second.said("another process of this host is submitting the runs"), second.err


def test_on_a_terminal_there_is_one_panel(door: Door) -> None:
    door.submits(RUNNING)
    (door.work / "runs.yaml").write_text(RANGE)
    parent, child = pty.openpty()
    running = door.start(
        "submit", "--many", "runs.yaml", env={"TERM": "xterm", "COLUMNS": "120", "LINES": "30"}, stderr=child
    )
    os.close(child)
    shown = b""
    while b"4 live, 1 to come" not in shown or b"RUNNING" not in shown or len(door.rm.applications) < 4:
        assert select.select([parent], [], [], PATIENCE_S)[0], shown  # it draws anew every now and then
        shown += os.read(parent, 65536)
    for application in list(door.rm.applications.values()):
        application.end("FINISHED", "SUCCEEDED", "")
    until(lambda: len(door.rm.applications) == 5, "the last one")
    list(door.rm.applications.values())[-1].end("FINISHED", "SUCCEEDED", "")
    while running.process.poll() is None:
        try:
            shown += os.read(parent, 65536)
        except OSError:
            break
    os.close(parent)
    assert running.end().code == 0
    assert b"started" not in shown  # the panel shows it
    assert b"0 of 5 ended; 4 live, 1 to come" in shown


def test_the_child_of_a_killed_call_writes_nothing_into_the_answer_of_the_next(tmp_path: Path) -> None:
    """Seen on a cluster: two answers in one file, of which the longer one's end was taken for the whole."""
    log = tmp_path / "r1.log"
    with (tmp_path / "r1.out").open("wb") as answer_of_earlier, log.open("wb") as log_of_earlier:
        child = ChildSubmit(["--version"], {**os.environ, "HOME": str(tmp_path)}, tmp_path, log)
        until(lambda: child.poll() is not None, "it ends")
        for file in (answer_of_earlier, log_of_earlier):
            file.write(b"x" * 500 + b"\n\n")
            file.flush()
        assert child.poll() == 0 and "batch-submit" in child.answer(), child.answer()
        assert child.last_line() == ""
