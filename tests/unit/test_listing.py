"""What ``list`` means by its options, and what it shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from batch_submit.errors import UsageError
from batch_submit.model import ApplicationReport, FinalStatus, Listed, State
from batch_submit.plan.listing import (
    SORT_KEYS,
    STATE_WORDS,
    ListFilters,
    in_order,
    is_wanted,
    parse_final_statuses,
    parse_states,
)
from batch_submit.plan.moments import utc_ms, utc_text
from batch_submit.plan.tags import is_run_id, run_id_of
from batch_submit.render.listing import listed_json, listing_table

NOW_MS = 1_785_400_000_000
REPORT = ApplicationReport(
    "application_1785360606021_1234567",
    name="größe",
    user="alice",
    queue="ml-queue",
    state=State.RUNNING,
    progress=12.6,
    application_type="SPARK",
    tags=("batch-submit", "run:nightly"),
    started_ms=1785360606021,
    elapsed_ms=5_400_900,
    memory_seconds=12,
)
ROW = Listed(REPORT, "training")
FORGOTTEN = Listed(
    replace(REPORT, application_id="application_1785360606021_0001", state=State.UNKNOWN, elapsed_ms=0),
    forgotten=True,
    result="unknown",
)


@pytest.mark.parametrize(
    ("texts", "states"),
    [
        (["running"], (State.RUNNING,)),
        (["RUNNING,accepted"], (State.RUNNING, State.ACCEPTED)),
        (["new-saving", "NEW_SAVING"], (State.NEW_SAVING,)),
        (["ended"], (State.FINISHED, State.FAILED, State.KILLED)),
        (["waiting", "running"], (*STATE_WORDS["waiting"], State.RUNNING)),
        (["unknown", "killed"], (State.UNKNOWN, State.KILLED)),
        ([], ()),
    ],
)
def test_states_are_words_of_yarn_and_some_of_ours(texts: list[str], states: tuple[State, ...]) -> None:
    assert parse_states(texts) == states


def test_live_and_ended_hold_every_state_that_yarn_has() -> None:
    known = {state for state in State if state is not State.UNKNOWN}
    assert known == {*STATE_WORDS["live"], *STATE_WORDS["ended"]}


@pytest.mark.parametrize("texts", [["all"], ["ALL,running"], ["killed", "all"]])
def test_all_is_every_state(texts: list[str]) -> None:
    assert set(parse_states(texts)) == set(State)
    assert is_wanted(FORGOTTEN, ListFilters(states=parse_states(texts)), NOW_MS)
    with pytest.raises(UsageError):
        parse_states([*texts, "runing"])


@pytest.mark.parametrize("word", ["BOGUS", "RUNNING_", "runing"])
def test_another_word_is_an_error_that_lists_the_valid_ones(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_states([word])
    assert "unknown, all" in caught.value.next_step
    assert word in caught.value.message and "ACCEPTED" in caught.value.next_step and "live" in caught.value.next_step
    with pytest.raises(UsageError, match="not a final status"):
        parse_final_statuses([word])


def test_final_statuses() -> None:
    assert parse_final_statuses(["succeeded,KILLED"]) == (FinalStatus.SUCCEEDED, FinalStatus.KILLED)


def ended(hours_ago: float, **fields: object) -> Listed:
    finished = NOW_MS - int(hours_ago * 3_600_000)
    return Listed(replace(REPORT, state=State.FINISHED, finished_ms=finished, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "filters", "wanted"),
    [
        (ended(23), ListFilters(), True),
        (ended(25), ListFilters(), False),
        (ended(25), ListFilters(since_s=None), True),
        (Listed(replace(REPORT, state=State.FINISHED)), ListFilters(), True),  # its end is hidden from us
        (ROW, ListFilters(since_s=1), True),
        (Listed(replace(REPORT, state=State.UNKNOWN)), ListFilters(since_s=1), True),  # it may live
        (Listed(replace(REPORT, state=State.UNKNOWN, finished_ms=NOW_MS - 9_000)), ListFilters(since_s=1), False),
        (ROW, ListFilters(name="gr*e"), True),
        (ROW, ListFilters(name="GR*"), False),
        (ROW, ListFilters(job_type="training"), True),
        (ROW, ListFilters(job_type="custom"), False),
        (ROW, ListFilters(application_type="spark"), True),
        (ROW, ListFilters(final_statuses=(FinalStatus.FAILED,)), False),
    ],
)
def test_what_passes_the_filters(row: Listed, filters: ListFilters, wanted: bool) -> None:
    assert is_wanted(row, filters, NOW_MS) is wanted


def test_every_order_keeps_all_rows_and_equal_ones_are_newest_first() -> None:
    older = Listed(replace(REPORT, application_id="application_1785360606021_0002", started_ms=5))
    rows = [older, ROW, FORGOTTEN]
    for key in SORT_KEYS:
        assert sorted(in_order(rows, key), key=id) == sorted(rows, key=id)
        assert in_order([older, ROW], key) == [ROW, older]


def test_what_has_not_ended_comes_before_all_that_has() -> None:
    assert in_order([ended(1), ROW, ended(2)], "finished")[0] is ROW


def test_the_table() -> None:
    head, first, second = listing_table([ROW, FORGOTTEN])
    titles = ["id", "name", "type", "user", "queue", "state", "final", "status", "progress", "started", "elapsed"]
    assert head.split() == [*titles, "memory-seconds"]
    assert first.split()[:6] == [REPORT.application_id, "größe", "training", "alice", "ml-queue", "RUNNING"]
    assert "unknown*" in second and "UNDEFINED" not in second and "%" not in second
    for column in ("queue", "state", "started"):
        at = head.index(column)
        assert first[at - 2 : at] == second[at - 2 : at] == "  "
        assert first[at] != " " and second[at] != " "
    assert listing_table([]) == ["no applications"]


def test_80_columns_hold_what_matters() -> None:
    head, line = listing_table([Listed(replace(REPORT, name="n" * 80))], 80)
    assert max(len(head), len(line)) <= 80
    for title in ("id", "name", "state", "final status"):
        assert title in head
    assert line.startswith(REPORT.application_id + "  ")


def test_the_row_for_machines() -> None:
    data = json.loads(json.dumps(listed_json(FORGOTTEN)))
    assert (data["forgotten"], data["result"], data["state"], data["job_type"]) == (True, "unknown", "UNKNOWN", "")


def test_moments_there_and_back() -> None:
    assert utc_text(1785360606021) == "2026-07-29T21:30:06Z"
    assert utc_ms("2026-07-29T21:30:06Z") == 1785360606000
    assert utc_text(0) == "" and utc_ms("") == utc_ms("yesterday") == utc_ms("2026-07-29T21:30:06") == 0


@pytest.mark.parametrize("text", ["../../etc/passwd", "", ".x", "A", "a" * 64, "a b"])
def test_a_strangers_tag_never_becomes_a_path(text: str) -> None:
    assert not is_run_id(text)
    assert run_id_of(["batch-submit", f"run:{text}", "run:nightly"]) == "nightly"
