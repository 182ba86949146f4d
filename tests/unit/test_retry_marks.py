"""A kill and the plan of a run's next try are changes of one record: either comes first, and the other one sees it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.processes import Processes
from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import RunKilled
from batch_submit.ledger import SqliteLedger, Try, TryState
from batch_submit.operations import retry_marks
from batch_submit.operations.recording import Recorder
from batch_submit.plan.resume import Here
from tests.unit.fake_clock import FakeClock
from tests.unit.modelled_calls import PLAN
from tests.unit.test_ledger import RUN

APP = "application_1785360606021_0002"
REAL = Processes("edge-1")
#: This host's processes under a name that does not change.
PROCESSES = SimpleNamespace(
    here=lambda: Here("edge-1", "m1", "b1", "pid:[1]"), start_of=REAL.start_of, lives=REAL.lives
)
SERVICES: Any = SimpleNamespace(processes=PROCESSES, clock=FakeClock())


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    return SqliteLedger(tmp_path / "runs")


def recorder(ledger: SqliteLedger) -> Recorder:
    """Of a run whose only try has failed, as another process or call reads it."""
    failed = Try(1, TryState.FINISHED, "t", APP, result="failed")
    return Recorder(ledger, FakeClock(), Terminal(), ledger.load(RUN.run_id) or replace(RUN, tries=(failed,)))


def test_after_a_kill_no_further_try_is_planned_by_who_had_not_seen_it(ledger: SqliteLedger) -> None:
    retrying = recorder(ledger)
    retry_marks.announce(SERVICES, retrying, APP)
    retry_marks.back_off(SERVICES, retrying, 1, 60.0)
    stopped = retry_marks.stop(SERVICES, recorder(ledger), 1, "alice on edge-1")
    assert stopped is not None and (stopped.number, stopped.is_seen) == (2, True)
    with pytest.raises(RunKilled, match=r"was killed by alice on edge-1 at .*, before try 2"):
        retrying.plan_try(PLAN, 2, why="lost: its node went away")
    run = ledger.load(RUN.run_id)
    assert run is not None and [one.number for one in run.tries] == [1] and run.tries[0].result == "failed"
    retrying.plan_try(PLAN, 2)  # a submission that somebody asked for since is none of these retries
    assert len(retrying.run.tries) == 2


def test_a_kill_that_comes_after_the_plan_stops_nothing_and_says_so(ledger: SqliteLedger) -> None:
    retrying = recorder(ledger)
    retry_marks.announce(SERVICES, retrying, APP)
    killing = recorder(ledger)
    retrying.plan_try(PLAN, 2, why="lost: its node went away")
    assert retry_marks.stop(SERVICES, killing, 1, "alice on edge-1") is None
    assert not any(one.stopped_by for one in killing.run.tries)
    assert killing.run.last is not None and killing.run.last.number == 2, "and who kills sees that there is one more"


@pytest.mark.parametrize(
    ("state", "result"),
    [
        (TryState.PLANNED, ""),
        (TryState.LAUNCHING, ""),
        (TryState.SUBMITTED, ""),
        (TryState.FINISHED, "succeeded"),
        (TryState.FINISHED, "killed"),
        (TryState.FINISHED, "timed out"),
    ],
)
def test_only_a_try_that_has_failed_gets_the_mark_of_a_kill(ledger: SqliteLedger, state: TryState, result: str) -> None:
    here = recorder(ledger)
    retry_marks.announce(SERVICES, here, APP)
    here.note(lambda run: run.with_try(replace(run.tries[0], state=state, result=result)))
    before = here.run.tries[0]
    assert retry_marks.stop(SERVICES, here, 1, "alice on edge-1") is None
    assert here.run.tries[0] == before, "neither a mark nor a line in its history"


def test_a_try_that_was_not_submitted_hides_neither_the_call_that_tries_on_nor_the_kill(ledger: SqliteLedger) -> None:
    """The ResourceManager went away in the launch of try 2: the call waits for it, and is killed meanwhile."""
    retrying = recorder(ledger)
    retry_marks.announce(SERVICES, retrying, APP)
    retry_marks.back_off(SERVICES, retrying, 1, 60.0)
    retrying.plan_try(PLAN, 2, why="lost: its node went away")
    retrying.not_submitted(2, "the ResourceManager does not answer")
    stopped = retry_marks.stop(SERVICES, recorder(ledger), 2, "alice on edge-1")
    assert stopped is not None
    for number in (2, 3):
        with pytest.raises(RunKilled, match="was killed by alice on edge-1"):
            retrying.plan_try(PLAN, number, why="lost: its node went away")


def test_a_try_says_with_its_plan_who_may_retry_it_until_it_is_given_up(ledger: SqliteLedger) -> None:
    retrying = recorder(ledger)
    ours = retry_marks.this_call(SERVICES)
    retrying.retried_by = [ours]
    retrying.plan_try(PLAN, 2, why="lost: its node went away")
    run = ledger.load(RUN.run_id)
    assert run is not None and run.last is not None
    assert (run.last.state, run.last.retried_by) == (TryState.PLANNED, [ours])
    retrying.not_submitted(2, "the queue is stopped")
    assert retrying.run.last is not None and retrying.run.last.retried_by == []


def test_a_call_takes_its_own_word_back_and_nobody_else_s(ledger: SqliteLedger) -> None:
    other = {"pid": 1, "start": 1, "host": "edge-2", "machine": "m2", "boot_id": "b2", "namespace": "n"}
    here = recorder(ledger)
    here.note(lambda run: run.with_try(replace(run.tries[0], retried_by=[other])))
    retry_marks.announce(SERVICES, here, APP)
    retry_marks.announce(SERVICES, here, APP)
    assert [one["pid"] for one in here.run.tries[0].retried_by] == [1, os.getpid()]
    assert retry_marks.is_ours(SERVICES, here.run.tries[0])
    retry_marks.withdraw(SERVICES, here, 1)
    assert here.run.tries[0].retried_by == [other] and not retry_marks.is_ours(SERVICES, here.run.tries[0])


@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        ({}, True),
        ({"start": 1}, None),  # the number is another process's now
        ({"boot_id": "another"}, None),  # the host was restarted
        ({"host": "edge-2", "machine": "m2"}, False),
        ({"namespace": "pid:[2]"}, False),
    ],
    ids=["lives", "gone", "restarted", "another host", "another container"],
)
def test_who_makes_the_next_try_is_told_by_its_process(
    ledger: SqliteLedger, change: dict[str, object], is_seen: bool | None
) -> None:
    here = recorder(ledger)
    retry_marks.announce(SERVICES, here, APP)
    one = here.run.tries[0]
    program = {**one.retried_by[0], **change}
    found = retry_marks.next_try_of(SERVICES, here.run.with_try(replace(one, retried_by=[program])))
    assert (found.is_seen if found is not None else None) is is_seen
