"""The first end on record of a try stays; what a later look says that differs is added to its history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.ledger import SqliteLedger, Try, TryState
from batch_submit.model import FinalStatus, Result, State, Verdict
from batch_submit.operations.recording import Recorder
from tests.unit.fake_clock import FakeClock
from tests.unit.test_ledger import RUN

APP = "application_1785360606021_0002"
TIMED_OUT = Verdict(Result.TIMED_OUT, APP, State.KILLED, FinalStatus.KILLED, "killed after --timeout (1h)")
KILLED = Verdict(Result.KILLED, APP, State.KILLED, FinalStatus.KILLED, "killed by user alice")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    run = replace(RUN, tries=(Try(1, TryState.SUBMITTED, "t", APP),))
    return Recorder(SqliteLedger(tmp_path / "runs"), FakeClock(), Terminal(), run)


def told(recorder: Recorder) -> Try:
    """What stands in the ledger, and not only in the recorder's mind."""
    run = recorder.ledger.load(RUN.run_id)
    assert run is not None and run.last is not None
    return run.last


def test_a_second_end_is_added_to_the_history_and_replaces_nothing(recorder: Recorder) -> None:
    recorder.finished(TIMED_OUT)
    first = told(recorder)
    assert (first.result, first.exit_code) == ("timed out", 7)
    recorder.clock.sleep(60)
    recorder.finished(KILLED)
    now = told(recorder)
    assert replace(now, history=()) == replace(first, history=())
    assert now.history[:-1] == first.history
    added = now.history[-1]
    assert (added.state, added.detail) == ("FINISHED", "a later look: killed (KILLED/KILLED)")
    assert added.at > first.finished_at
    recorder.finished(KILLED)
    recorder.finished(TIMED_OUT)
    assert told(recorder) == now, "what was said once is not said again"


def test_another_application_s_end_does_not_take_the_recorded_one_s_place(recorder: Recorder) -> None:
    recorder.finished(TIMED_OUT)
    other = replace(KILLED, application_id="application_1785360606021_0009")
    recorder.finished(other, 1)
    now = told(recorder)
    assert (now.application_id, now.result) == (APP, "timed out")
    assert now.history[-1].detail == "a later look: killed of application_1785360606021_0009 (KILLED/KILLED)"


def test_what_was_decided_since_takes_its_place(recorder: Recorder) -> None:
    """A late arrival is adopted, or a person names another application: that is said with its reason."""
    recorder.finished(KILLED)
    done = Verdict(Result.SUCCEEDED, "application_1785360606021_0009", State.FINISHED, FinalStatus.SUCCEEDED)
    recorder.finished(done, 1, "arrived late, after it was given up")
    now = told(recorder)
    assert (now.application_id, now.result, now.exit_code) == (done.application_id, "succeeded", 0)
    assert now.reason == "arrived late, after it was given up"
    assert [line.detail for line in now.history] == ["killed", "succeeded"]
