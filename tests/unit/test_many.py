"""A file of runs: days, layers of flags, the words of each call, and the exit code of all of them."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ExitCode
from batch_submit.plan.many import MOST_RUNS, RunRequest, grouped, merged, read_runs, worst_of


def runs_of(text: str) -> list[RunRequest]:
    """The runs of a file without problems."""
    requests, problems = read_runs(text, "runs.yaml", {})
    assert [str(problem) for problem in problems] == []
    return requests


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 400), st.integers(1, 40))
def test_a_range_holds_both_ends_and_every_nth_day(first: date, days: int, step: int) -> None:
    last = first + timedelta(days=days)
    text = f"dates: {{from: {first}, to: {last}, every_days: {step}}}\ndefaults: {{run_id: 'r-%Y%m%d'}}\n"
    found = runs_of(text)
    assert [one.day for one in found] == [
        (first + timedelta(days=number)).isoformat() for number in range(0, days + 1, step)
    ]
    assert len({one.run_id for one in found}) == len(found)


def test_the_days_are_in_order_and_each_has_all_templates() -> None:
    text = """\
dates: [2024-02-29, "2024-03-01"]
runs:
  - {type: etl, run_id: "a-{{ ds }}"}
  - {type: training, run_id: "b-{{ ds }}"}
"""
    assert [one.run_id for one in runs_of(text)] == ["a-2024-02-29", "b-2024-02-29", "a-2024-03-01", "b-2024-03-01"]


def test_the_words_of_a_call() -> None:
    (one,) = runs_of(
        "runs:\n  - {run_id: r, kill_on_exit: true, save_logs: false, clamp: false, conf: {spark.x: 1}, app_arg: [a,"
        " b], name: null, args: [--day, '%d']}\n"
    )
    assert one.argv() == (
        *("--run-id=r", "--kill-on-exit", "--no-save-logs", "--conf=spark.x=1", "--app-arg=a", "--app-arg=b"),
        *("--", "--day", "%d"),
    )


def test_layers_replace_but_conf_merges_by_key() -> None:
    layers = [{"conf": {"a": "1", "b": "1"}, "queue": "x", "app-arg": ("1",)}, {"conf": {"b": "2"}, "app-arg": ("2",)}]
    assert merged(*layers, {"queue": "y"}) == {"conf": {"a": "1", "b": "2"}, "queue": "y", "app-arg": ("2",)}


def test_an_id_outside_the_grammar_is_compared_as_what_it_becomes() -> None:
    text = "runs:\n  - {run_id: 'scheduled__2024-01-01T00:00'}\n  - {run_id: 'scheduled__2024-01-01T00:00'}\n"
    _requests, problems = read_runs(text, "runs.yaml", {})
    assert len(problems) == 1 and "another run's too (runs.yaml:2)" in str(problems[0])


def test_as_many_days_as_there_may_be_runs_and_one_more() -> None:
    first = date(1990, 1, 1)
    for count, fine in ((MOST_RUNS, True), (MOST_RUNS + 1, False)):
        last = first + timedelta(days=count - 1)
        text = f"dates: {{from: {first}, to: {last}}}\ndefaults: {{run_id: 'r-%Y%m%d'}}\n"
        requests, problems = read_runs(text, "runs.yaml", {})
        assert (len(requests), len(problems)) == ((count, 0) if fine else (0, 1))


def test_what_is_wrong_with_each_day_is_told_once() -> None:
    days = runs_of("dates: {from: 2024-01-01, to: 2024-01-03}\ndefaults: {run_id: 'r-{{ ds }}'}\n")
    assert grouped([(one, ["no type", "  next: add one"]) for one in days]) == [
        "runs.yaml:2: r-2024-01-01 and 2 more: no type",
        "  next: add one",
    ]


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        ("conf: {spark.my.password: hunter2}", "runs[0].conf.spark.my.password"),
        ("conf: [spark.my.password=hunter2]", "runs[0].conf.spark.my.password"),
        ("conf: {spark.my.url: 'https://u:hunter2@h'}", "runs[0].conf.spark.my.url"),
        ("args: [--db-password, hunter2]", "runs[0].args"),
        ("app_arg: ['password=hunter2']", "runs[0].app_arg"),
        ("app_args: '--x 1 --token=hunter2'", "runs[0].app_args"),
        ("script: 'https://u:hunter2@h/job.py'", "runs[0].script"),
    ],
)
def test_a_secret_itself_may_not_stand_in_the_file(flags: str, place: str) -> None:
    _requests, (problem,) = read_runs(f"runs:\n  - {{run_id: r, {flags}}}\n", "runs.yaml", {})
    assert str(problem).startswith(f"runs.yaml:2: {place}") and "hunter2" not in str(problem)


def test_a_reference_to_a_secret_may_and_is_shown() -> None:
    forms = {"a.password": "${PW}", "b.token": "file:/p w", "c.secret": "credential:x", "d.password": "keyring:s/u"}
    conf = ", ".join(f"spark.{key}: '{text}'" for key, text in forms.items())
    (one,) = runs_of(f"runs:\n  - {{run_id: r, conf: {{{conf}}}, args: [--max-tokens, '5']}}\n")
    assert one.shown()[:-3] == ("--run-id=r", *(f"--conf=spark.{key}={text}" for key, text in forms.items()))


def test_a_secret_that_was_typed_is_not_shown() -> None:
    typed = {"conf": {"spark.my.password": "hunter2 hunter2"}}
    (one,), _problems = read_runs("runs:\n  - {run_id: r}\n", "runs.yaml", typed)
    assert "hunter2" in str(one.argv()) and "hunter2" not in str(one.shown())


CODES = (0, 5, 2, 3, 4, 6, 7, 1, 70, 8)


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(CODES, 2)))
def test_the_worst_code_counts(better: int, worse: int) -> None:
    assert worst_of([better, worse, better]) == worse


def test_a_call_that_somebody_ended_says_nothing_of_its_run() -> None:
    assert worst_of([0, 1, 143]) == ExitCode.UNKNOWN
    assert worst_of([]) == 0
