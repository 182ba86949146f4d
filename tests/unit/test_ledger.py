"""Run records: whole or not at all, the owner's only, and a failure is never taken for "there is no such run"."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import ExitCode, HostNotReady, OutcomeUnknown
from batch_submit.ledger import JsonLedger, LedgerUnwritable, Run, Try, TryState
from batch_submit.model import FinalStatus, Result, State, Verdict
from batch_submit.operations.recording import Recorder, known_of
from batch_submit.plan.resume import Action, Known, decide
from tests.unit.fake_clock import FakeClock

RUN = Run(
    run_id="nightly",
    name="größe",
    job_type="training",
    backend="yarn",
    cluster="c",
    user="alice",
    host="edge",
    created_at="2026-03-29T01:02:03Z",
    day="2026-03-29",
    fingerprint="f" * 64,
    fingerprint_parts={"job_type": "training"},
    argv=("spark-submit", "--name", "two words"),
    params={"a": [1, None]},
    timeout_s=1.5,
    tries=(Try(1, TryState.FINISHED, "t", "application_1_0001", 7, "failed"), Try(2, TryState.LAUNCHING, "t")),
)


@pytest.fixture
def ledger(tmp_path: Path) -> JsonLedger:
    return JsonLedger(tmp_path / "state" / "runs")


def saved(ledger: JsonLedger, run: Run = RUN) -> Path:
    ledger.save(run)
    return ledger.folder / f"{run.run_id}.json"


def test_what_is_saved_is_loaded(ledger: JsonLedger) -> None:
    saved(ledger)
    assert ledger.load("nightly") == RUN
    assert ledger.load("another") is None
    assert list(ledger.runs()) == [RUN]


def test_the_file_is_an_export_that_a_machine_reads(ledger: JsonLedger) -> None:
    data = json.loads(saved(ledger).read_text(encoding="utf-8"))
    assert data["schema"] == 1
    assert [one["state"] for one in data["tries"]] == ["FINISHED", "LAUNCHING"]


def test_only_the_owner_reads_it_whatever_the_umask(ledger: JsonLedger) -> None:
    before = os.umask(0)
    try:
        path = saved(ledger)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700


def test_a_record_is_replaced_whole_and_nothing_is_left_beside_it(ledger: JsonLedger) -> None:
    path = saved(ledger)
    first = path.stat().st_ino
    saved(ledger, replace(RUN, name="b"))
    assert path.stat().st_ino != first  # another file in its place: a reader sees the old or the new one
    assert [one.name for one in ledger.folder.iterdir()] == ["nightly.json"]


def test_an_unfinished_file_of_a_killed_writer_is_no_record(ledger: JsonLedger) -> None:
    saved(ledger)
    (ledger.folder / ".other.json.1.ab").write_text("{", encoding="utf-8")
    assert list(ledger.runs()) == [RUN]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": 1}',
        RUN.to_json().replace('"schema": 1', '"schema": 2'),
        RUN.to_json().replace("LAUNCHING", "JUMPING"),
        RUN.to_json().replace('"user"', '"usr"'),
        RUN.to_json().replace('"number"', '"nr"'),
        RUN.to_json()[:200],
    ],
)
def test_a_damaged_record_is_an_unknown_outcome_and_never_no_run(ledger: JsonLedger, text: str) -> None:
    path = saved(ledger)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutcomeUnknown, match="the record of run nightly can't be read") as caught:
        ledger.load("nightly")
    assert caught.value.exit_code is ExitCode.UNKNOWN
    assert caught.value.where == str(path)
    assert "run:nightly" in caught.value.next_step
    assert list(ledger.runs()) == []


def test_bytes_that_are_no_text_are_damage_too(ledger: JsonLedger) -> None:
    saved(ledger).write_bytes(b"\xff\xfe")
    with pytest.raises(OutcomeUnknown):
        ledger.load("nightly")


def test_a_folder_that_can_not_be_made_is_said_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way", encoding="utf-8")
    ledger = JsonLedger(tmp_path / "state" / "runs")
    with pytest.raises(LedgerUnwritable, match="the run's record can't be written: Not a directory") as caught:
        ledger.save(RUN)
    assert caught.value.where.startswith(str(ledger.folder))
    assert "XDG_STATE_HOME" in caught.value.next_step


def test_a_failed_write_leaves_the_old_record_and_no_rubbish(ledger: JsonLedger) -> None:
    """A folder in the record's place stands for any failure of the last step."""
    saved(ledger).unlink()
    (ledger.folder / "nightly.json").mkdir()
    with pytest.raises(LedgerUnwritable):
        ledger.save(RUN)
    assert [one.name for one in ledger.folder.iterdir()] == ["nightly.json"]


def test_a_run_is_found_by_the_application_of_any_try(ledger: JsonLedger) -> None:
    saved(ledger)
    assert ledger.find_application("application_1_0001") == RUN
    assert ledger.find_application("application_1_0002") is None


def test_tries_are_kept_in_order_and_replaced_by_number() -> None:
    run = replace(RUN, tries=()).with_try(Try(2, TryState.PLANNED, "t")).with_try(Try(1, TryState.PLANNED, "t"))
    assert [one.number for one in run.tries] == [1, 2]
    changed = run.with_try(Try(2, TryState.LAUNCHING, "u"))
    assert [one.state for one in changed.tries] == [TryState.PLANNED, TryState.LAUNCHING]
    assert changed.last == Try(2, TryState.LAUNCHING, "u")
    assert replace(RUN, tries=()).last is None


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_the_lock_holds_others_off_until_their_patience_ends(ledger: JsonLedger) -> None:
    clock = FakeClock()
    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=5):
        other = ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=5)
        with pytest.raises(OutcomeUnknown, match="has been submitting run nightly for 5 s") as caught, other:
            pass
        assert caught.value.exit_code is ExitCode.UNKNOWN
        assert caught.value.next_step == "batch-submit wait nightly"
        assert 5 <= clock.monotonic() < 6
        with ledger.lock("weekly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=0):
            pass  # another run is not held
    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=0):
        pass  # and free again


def test_a_lock_is_had_as_soon_as_it_is_free(ledger: JsonLedger) -> None:
    clock = FakeClock()
    holder = ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=5)
    holder.__enter__()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.monotonic() >= 2:
            holder.__exit__(None, None, None)

    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=sleep, patience_s=5):
        assert 2 <= clock.monotonic() < 3


def test_a_lock_that_can_not_be_made_means_that_this_host_is_not_ready(tmp_path: Path) -> None:
    """It is taken before any launch, so "unknown" (8) would be wrong."""
    (tmp_path / "runs").write_text("a file in the way", encoding="utf-8")
    clock = FakeClock()
    lock = JsonLedger(tmp_path / "runs").lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=1)
    with pytest.raises(HostNotReady, match="the run's record can't be written") as caught, lock:
        pass
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert "XDG_STATE_HOME" in caught.value.next_step


# --- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tries", "known"),
    [
        ((), Known()),
        ((Try(1, TryState.PLANNED, "t"),), Known(1)),
        ((Try(1, TryState.LAUNCHING, "t"),), Known(1, may_have_launched=True)),
        ((Try(1, TryState.NOT_SUBMITTED, "t"),), Known(1)),
        ((Try(1, TryState.SUBMITTED, "t", "a1"),), Known(1, application_id="a1")),
        ((Try(1, TryState.FINISHED, "t", "a1", result="killed"),), Known(1, application_id="a1", result="killed")),
        ((Try(1, TryState.FINISHED, "t", "a1", result="failed"), Try(2, TryState.LAUNCHING, "t")), Known(2, True)),
    ],
)
def test_what_a_record_says_of_its_last_try(tries: tuple[Try, ...], known: Known) -> None:
    assert known_of(replace(RUN, tries=tries)) == known
    assert known_of(None) == Known()


def recorder(ledger: JsonLedger, terminal: Terminal, *tries: Try) -> Recorder:
    return Recorder(ledger, FakeClock(), terminal, replace(RUN, tries=tries))


def test_nothing_is_launched_without_a_record(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    unwritable = recorder(JsonLedger(tmp_path / "runs"), Terminal(), Try(1, TryState.PLANNED, "t"))
    with pytest.raises(HostNotReady, match="record can't be written") as caught:
        unwritable.launching(1)
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY


def test_after_a_launch_a_failing_record_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    unwritable = recorder(JsonLedger(tmp_path / "runs"), Terminal(), Try(1, TryState.LAUNCHING, "t"))
    unwritable.submitted(1, "application_1_0001")
    assert "warning:" in (said := capsys.readouterr().err)
    assert "going on without the record" in said


def test_a_verdict_goes_to_the_newest_try_of_its_application(ledger: JsonLedger) -> None:
    """On backend local all tries of a run have one id."""
    first = Try(1, TryState.FINISHED, "t", "local-nightly", result="failed")
    both = recorder(ledger, Terminal(), first, Try(2, TryState.SUBMITTED, "t", "local-nightly"))
    both.finished(Verdict(Result.SUCCEEDED, "local-nightly", State.FINISHED, FinalStatus.SUCCEEDED))
    run = ledger.load("nightly")
    assert run is not None
    assert run.tries[0] == first
    assert (run.tries[1].state, run.tries[1].result) == (TryState.FINISHED, "succeeded")


def test_a_refused_launch_leaves_no_reserved_id_behind(ledger: JsonLedger) -> None:
    """A repeat is a new try then; an id that nobody posted would be looked for in vain, for good."""
    one = recorder(ledger, Terminal(), Try(1, TryState.LAUNCHING, "t"))
    one.reserved(1, "application_1700000000000_0007")
    assert known_of(ledger.load("nightly")).has_reserved
    one.not_submitted(1, "the quota of the folder is used up")
    assert decide(known_of(ledger.load("nightly")), [], "1700000000000").number == 2
    assert decide(known_of(ledger.load("nightly")), [], "1700000000000").action is Action.SUBMIT


def test_reasons_are_recorded_without_secrets(ledger: JsonLedger) -> None:
    one = recorder(ledger, Terminal(), Try(1, TryState.LAUNCHING, "t"))
    one.not_submitted(1, "failed with db.password=hunter2")
    one.finished(Verdict(Result.FAILED, "a", State.FINISHED, FinalStatus.FAILED, "with db.password=hunter2"))
    assert "hunter2" not in (ledger.folder / "nightly.json").read_text(encoding="utf-8")


def test_job_types_are_those_of_readable_records(tmp_path: Path) -> None:
    ledger = JsonLedger(tmp_path / "runs")
    assert ledger.job_types(["r1"]) == {}
    ledger.save(replace(RUN, run_id="r1", job_type="training"))
    (ledger.folder / "damaged.json").write_text("[")
    (ledger.folder / "a-list.json").write_text("[]")
    assert ledger.job_types(["r1", "damaged", "a-list", "absent"]) == {"r1": "training"}


def test_old_records_are_left_alone_where_only_new_ones_are_asked_for(tmp_path: Path) -> None:
    ledger = JsonLedger(tmp_path / "runs")
    for run_id, changed in (("old", 1000), ("new", 2000)):
        ledger.save(replace(RUN, run_id=run_id))
        os.utime(ledger.folder / f"{run_id}.json", (changed, changed))
    assert [run.run_id for run in ledger.changed_since(1500)] == ["new"]
    assert {run.run_id for run in ledger.changed_since(0)} == {"old", "new"}
