"""A try that is planned once more: its record tells that too, and loses nothing of what it told before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import ExitCode, OutcomeUnknown
from batch_submit.ledger import Run, SqliteLedger, Try, TryState
from batch_submit.operations.recording import Recorder
from tests.unit.fake_clock import FakeClock
from tests.unit.modelled_calls import PLAN
from tests.unit.test_ledger import RUN


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    return SqliteLedger(tmp_path / "runs")


def recorder(ledger: SqliteLedger, *tries: Try) -> Recorder:
    return Recorder(ledger, FakeClock(), Terminal(), replace(RUN, tries=tries))


def last(ledger: SqliteLedger) -> Try:
    run = ledger.load("nightly")
    assert run is not None and run.last is not None
    return run.last


def test_a_try_whose_launch_had_failed_keeps_its_history(ledger: SqliteLedger) -> None:
    one = recorder(ledger)
    one.plan_try(PLAN, 1, "/claims", "n1")
    one.not_submitted(1, "no Java on this host")
    first = last(ledger).history
    assert [seen.state for seen in first] == ["PLANNED", "NOT_SUBMITTED"]
    one.clock.sleep(60)
    one.plan_try(PLAN, 1, "/claims", "n2")
    now = last(ledger)
    assert (now.state, now.nonce, now.reason) == (TryState.PLANNED, "n2", "")
    assert now.history[:2] == first and len(now.history) == 3
    assert (now.history[2].state, now.history[2].detail) == ("PLANNED", "planned again; no Java on this host")
    assert now.history[2].at > first[0].at
    exported = Run.from_json((ledger.folder / "nightly.json").read_text(encoding="utf-8"))
    assert exported.last == now


def test_a_try_that_was_only_planned_is_planned_again(ledger: SqliteLedger) -> None:
    one = recorder(ledger)
    one.plan_try(PLAN, 1, "/claims", "n1")
    one.plan_try(PLAN, 1, "/claims", "n2")
    assert [(seen.state, seen.detail) for seen in last(ledger).history] == [
        ("PLANNED", ""),
        ("PLANNED", "planned again"),
    ]


@pytest.mark.parametrize("state", [TryState.LAUNCHING, TryState.SUBMITTED, TryState.FINISHED])
def test_what_may_have_been_launched_is_not(ledger: SqliteLedger, state: TryState) -> None:
    there = Try(1, state, "t", "a1", nonce="n1")
    ledger.save(replace(RUN, tries=(there,)))
    with pytest.raises(OutcomeUnknown, match=f"its record says {state.value}") as caught:
        recorder(ledger, there).plan_try(PLAN, 1, "/claims", "n2")
    assert caught.value.exit_code is ExitCode.UNKNOWN
    assert last(ledger) == there
