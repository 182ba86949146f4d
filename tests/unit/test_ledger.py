"""Run records in SQLite: whole or not at all, the owner's only, with one JSON file per run beside them."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import ExitCode, HostNotReady, OutcomeUnknown
from batch_submit.ledger import LedgerTooNew, Run, SqliteLedger, StateSeen, Try, TryState, database
from batch_submit.ledger.rows import columns_of, write_run
from batch_submit.ledger.run_lock import lock_path, take
from batch_submit.model import ApplicationReport, FinalStatus, Result, State, Verdict
from batch_submit.operations.recording import Program, Recorder, known_of
from batch_submit.plan.resume import Action, Here, Known, Marks, decide
from batch_submit.plan.run_states import Event
from tests.unit.fake_clock import FakeClock
from tests.unit.modelled_calls import PLAN

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
    tries=(
        Try(
            1,
            TryState.FINISHED,
            "t",
            "application_1_0001",
            7,
            "failed",
            exit_code=1,
            rule="out_of_memory",
            cause="größer als der Container",
            plan={"argv": ["a", "b"], "timeout_s": None},
            history=(StateSeen("PLANNED", "t"), StateSeen("RUNNING", "u"), StateSeen("FINISHED", "v", "failed")),
        ),
        Try(2, TryState.LAUNCHING, "t"),
    ),
)


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    return SqliteLedger(tmp_path / "state" / "runs")


def saved(ledger: SqliteLedger, run: Run = RUN) -> Path:
    ledger.save(run)
    return ledger.folder / f"{run.run_id}.json"


def test_what_is_saved_is_loaded(ledger: SqliteLedger) -> None:
    assert ledger.load("nightly") is None and not ledger.folder.exists()  # a look makes nothing
    saved(ledger)
    assert ledger.load("nightly") == RUN
    assert ledger.load("another") is None
    assert ledger.runs() == [RUN]
    assert ledger.trouble == ""


def test_the_file_beside_it_is_an_export_that_a_machine_reads(ledger: SqliteLedger) -> None:
    text = saved(ledger).read_text(encoding="utf-8")
    data = json.loads(text)
    assert data["schema"] == 1
    assert [one["state"] for one in data["tries"]] == ["FINISHED", "LAUNCHING"]
    assert data["tries"][0]["history"][1] == {"state": "RUNNING", "at": "u", "detail": ""}
    assert Run.from_json(text) == RUN


def test_only_the_owner_reads_it_whatever_the_umask(ledger: SqliteLedger) -> None:
    before = os.umask(0)
    try:
        saved(ledger)
        with closing(sqlite3.connect(ledger.path)) as reader:  # keeps the companions there
            reader.execute("SELECT * FROM runs").fetchone()
            saved(ledger)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ledger.folder.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "nightly.json"), 0o600)
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700


def test_an_export_is_replaced_whole_and_nothing_is_left_beside_it(ledger: SqliteLedger) -> None:
    path = saved(ledger)
    first = path.stat().st_ino
    saved(ledger, replace(RUN, name="b"))
    assert path.stat().st_ino != first  # another file in its place: a reader sees the old or the new one
    assert sorted(one.name for one in ledger.folder.iterdir()) == ["ledger.db", "nightly.json"]


def test_a_change_is_made_to_what_is_there_and_not_to_what_the_caller_remembers(ledger: SqliteLedger) -> None:
    saved(ledger)
    elsewhere = RUN.with_try(Try(3, TryState.SUBMITTED, "t", "application_1_0003"))
    saved(ledger, elsewhere)
    changed = ledger.update(RUN, lambda run: run.with_try(replace(run.tries[1], state=TryState.NOT_SUBMITTED)))
    assert [one.state.value for one in changed.tries] == ["FINISHED", "NOT_SUBMITTED", "SUBMITTED"]
    assert ledger.load("nightly") == changed


def test_a_change_that_fails_changes_nothing(ledger: SqliteLedger) -> None:
    saved(ledger)

    def fails(run: Run) -> Run:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger.update(RUN, fails)
    assert ledger.load("nightly") == RUN


def test_a_run_is_found_by_the_application_of_any_try_and_by_its_name(ledger: SqliteLedger) -> None:
    saved(ledger)
    assert ledger.find_application("application_1_0001") == RUN
    assert ledger.find_application("application_1_0002") is None
    later = replace(RUN, run_id="later", created_at="2026-04-01T00:00:00Z")
    saved(ledger, later)
    assert ledger.named("größe") == [later, RUN] and ledger.named("größ") == []
    assert ledger.newest(1) == [later]


def test_what_changed_lately_is_found_without_the_rest(tmp_path: Path) -> None:
    now = [1000.0]
    ledger = SqliteLedger(tmp_path / "runs", now_s=lambda: now[0])
    for run_id, now[0] in (("old", 1000.0), ("new", 2000.0)):
        ledger.save(replace(RUN, run_id=run_id))
    assert [run.run_id for run in ledger.changed_since(1500)] == ["new"]
    assert {run.run_id for run in ledger.changed_since(0)} == {"old", "new"}


def test_job_types_are_those_on_record_however_many_are_asked_for(ledger: SqliteLedger) -> None:
    assert ledger.job_types(["r1"]) == {}
    ledger.save(replace(RUN, run_id="r1", job_type="training"))
    assert ledger.job_types([*(f"absent-{count}" for count in range(1200)), "r1", "r1"]) == {"r1": "training"}


def test_what_list_and_submit_ask_reads_no_other_run(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """By SQLite's own plan for each statement: with 10,000 runs a scan of them is what would be felt."""
    saved(ledger)
    asked: list[str] = []
    connect = database.connect

    def traced(path: Path, *, busy_s: float) -> sqlite3.Connection:
        connection = connect(path, busy_s=busy_s)
        connection.set_trace_callback(asked.append)
        return connection

    monkeypatch.setattr(database, "connect", traced)
    ledger.changed_since(1.0)
    ledger.load("nightly")
    ledger.named("größe")
    ledger.newest(10)
    ledger.find_application("application_1_0001")
    ledger.job_types(["nightly", "other"])
    ledger.update(RUN, lambda run: replace(run, queue="q"))
    statements = [one for one in asked if one.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(statements) > 15
    with closing(sqlite3.connect(ledger.path)) as connection:
        plans = {one: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")] for one in statements}
    scans = [step for plan in plans.values() for step in plan if step.startswith("SCAN")]
    assert [step for step in scans if "USING INDEX runs_created" not in step] == []
    assert len(scans) == 1, "only the newest ones are taken in the order of an index"


def test_a_deleted_run_is_gone_with_its_export(ledger: SqliteLedger) -> None:
    path = saved(ledger)
    saved(ledger, replace(RUN, run_id="stays"))
    ledger.delete("nightly")
    assert ledger.load("nightly") is None and not path.exists()
    assert ledger.find_application("application_1_0001") == replace(RUN, run_id="stays")


# --- what an older and a newer release have written -------------------------------------------------------------------


def without_the_database(ledger: SqliteLedger, *runs: Run) -> None:
    """What a release before SQLite has left."""
    for run in runs:
        saved(ledger, run)
    ledger.path.unlink()


def test_json_records_are_taken_over_at_the_first_opening_with_their_times(tmp_path: Path) -> None:
    said: list[str] = []
    ledger = SqliteLedger(tmp_path / "runs", note=said.append)
    without_the_database(ledger, *(replace(RUN, run_id=f"r{count}") for count in range(3)))
    os.utime(ledger.folder / "r1.json", (1000, 1000))
    assert ledger.load("r1") == replace(RUN, run_id="r1")  # a look suffices
    assert said == [f"took 3 run records over into {ledger.path}"]
    assert {run.run_id for run in ledger.changed_since(2000)} == {"r0", "r2"}
    (ledger.folder / "r2.json").unlink()
    assert {run.run_id for run in ledger.runs()} == {"r0", "r1", "r2"}  # once; from now on the database counts
    assert len(said) == 1


def test_records_are_taken_over_whole_or_not_at_all(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_database(ledger, *(replace(RUN, run_id=f"r{count}") for count in range(3)))
    written: list[str] = []

    def interrupted(connection: sqlite3.Connection, run: Run, changed_ms: int) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(run.run_id)
        write_run(connection, run, changed_ms)

    with monkeypatch.context() as patched:
        patched.setattr(database, "write_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.runs()
    with closing(sqlite3.connect(ledger.path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    assert len(ledger.runs()) == 3


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
def test_a_damaged_record_is_taken_over_as_an_unknown_outcome_and_never_as_no_run(
    ledger: SqliteLedger, text: str
) -> None:
    without_the_database(ledger, RUN, replace(RUN, run_id="whole"))
    path = ledger.folder / "nightly.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutcomeUnknown, match="the record of run nightly can't be read") as caught:
        ledger.load("nightly")
    assert caught.value.exit_code is ExitCode.UNKNOWN
    assert caught.value.where == str(path)
    assert "run:nightly" in caught.value.next_step
    assert [run.run_id for run in ledger.runs()] == ["whole"]
    path.rename(path.with_suffix(".aside"))  # what the error tells to do
    assert ledger.load("nightly") is None


def test_bytes_that_are_no_text_are_damage_too(ledger: SqliteLedger) -> None:
    without_the_database(ledger, RUN)
    (ledger.folder / "nightly.json").write_bytes(b"\xff\xfe")
    with pytest.raises(OutcomeUnknown):
        ledger.load("nightly")


def test_a_file_of_a_newer_release_is_an_error_that_says_so(ledger: SqliteLedger) -> None:
    saved(ledger)
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    for call in (lambda: ledger.load("nightly"), ledger.runs, lambda: ledger.save(RUN)):
        with pytest.raises(LedgerTooNew, match="of version 7, and this release knows 1") as caught:
            call()
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert caught.value.where == str(ledger.path)


def test_a_column_of_a_newer_release_is_left_alone(ledger: SqliteLedger) -> None:
    saved(ledger)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE tries ADD COLUMN later_field TEXT NOT NULL DEFAULT ''")
        connection.execute("UPDATE tries SET later_field = 'b1'")
    changed = ledger.update(RUN, lambda run: replace(run, queue="other"))
    assert ledger.load("nightly") == changed == replace(RUN, queue="other")
    with closing(sqlite3.connect(ledger.path)) as connection:
        assert connection.execute("SELECT DISTINCT later_field FROM tries").fetchall() == [("b1",)]
    newer = RUN.to_json().replace('"number": 1', '"later_field": "b1", "number": 1')
    assert Run.from_json(newer) == RUN


def test_a_field_that_is_new_since_the_file_was_made_gets_its_column(ledger: SqliteLedger) -> None:
    saved(ledger)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        for column in ("cause", "exit_code", "plan"):
            connection.execute(f"ALTER TABLE tries DROP COLUMN {column}")
    first = replace(RUN.tries[0], cause="", exit_code=None, plan={})
    assert ledger.load("nightly") == RUN.with_try(first)  # to read it takes no change of the file
    ledger.save(RUN)
    assert ledger.load("nightly") == RUN


def test_a_new_column_holds_its_fields_default_in_older_rows() -> None:
    @dataclass
    class Example:
        name: str
        number: int = -1
        share: float = 0.5
        known: bool = True
        text: str = "it's"
        none: int | None = None
        parts: dict[str, str] = field(default_factory=dict)

    assert columns_of(Example) == {
        "name": "TEXT NOT NULL DEFAULT ''",
        "number": "INTEGER NOT NULL DEFAULT -1",
        "share": "REAL NOT NULL DEFAULT 0.5",
        "known": "INTEGER NOT NULL DEFAULT 1",
        "text": "TEXT NOT NULL DEFAULT 'it''s'",
        "none": "INTEGER",
        "parts": "TEXT",
    }


def test_every_field_has_a_column_of_its_name(ledger: SqliteLedger) -> None:
    """Also those whose annotation is none of the simple ones: they are JSON."""
    saved(ledger)
    with closing(sqlite3.connect(ledger.path)) as connection:
        there = {row[1] for row in connection.execute("PRAGMA table_info(tries)")}
    assert there == {"run_id", *columns_of(Try)} and "plan" in there


def test_tries_are_kept_in_order_and_replaced_by_number() -> None:
    run = replace(RUN, tries=()).with_try(Try(2, TryState.PLANNED, "t")).with_try(Try(1, TryState.PLANNED, "t"))
    assert [one.number for one in run.tries] == [1, 2]
    changed = run.with_try(Try(2, TryState.LAUNCHING, "u"))
    assert [one.state for one in changed.tries] == [TryState.PLANNED, TryState.LAUNCHING]
    assert changed.last == Try(2, TryState.LAUNCHING, "u")
    assert replace(RUN, tries=()).last is None


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_the_lock_holds_others_off_until_their_patience_ends(ledger: SqliteLedger) -> None:
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


def test_a_lock_is_had_as_soon_as_it_is_free(ledger: SqliteLedger) -> None:
    clock = FakeClock()
    holder = ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=5)
    holder.__enter__()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.monotonic() >= 2:
            holder.__exit__(None, None, None)

    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=sleep, patience_s=5):
        assert 2 <= clock.monotonic() < 3


def test_a_lock_that_can_not_be_made_is_trouble_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way", encoding="utf-8")
    clock, said = FakeClock(), list[str]()
    ledger = SqliteLedger(tmp_path / "runs", warn=said.append)
    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=clock.sleep, patience_s=1):
        assert ledger.trouble == "Not a directory"
    assert len(said) == 1 and "XDG_STATE_HOME" in said[0]


def test_a_lock_whose_file_was_swept_meanwhile_is_none(ledger: SqliteLedger) -> None:
    """Whoever holds a file that has no name any more would hold nobody off."""
    ledger.folder.mkdir(parents=True)
    place = lock_path(ledger.folder, "nightly")
    first = take(place)
    assert first is not None
    waiting = os.open(place, os.O_RDWR)
    place.unlink()  # `gc` does that while it holds the lock
    second = take(place)
    assert second is not None and os.fstat(second).st_ino != os.fstat(waiting).st_ino
    assert take(place) is None
    for descriptor in (first, waiting, second):
        os.close(descriptor)


def test_who_waits_for_a_lock_that_is_swept_takes_the_new_one(ledger: SqliteLedger) -> None:
    clock = FakeClock()
    ledger.folder.mkdir(parents=True)
    place = lock_path(ledger.folder, "nightly")
    first = take(place)
    assert first is not None

    def sweep(seconds: float) -> None:
        clock.sleep(seconds)
        place.unlink()
        os.close(first)

    with ledger.lock("nightly", monotonic=clock.monotonic, sleep=sweep, patience_s=5):
        assert take(place) is None and len(clock.sleeps) == 1
    assert ledger.trouble == ""


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


HERE = Here("edge", "m1", "boot1", "pid:[1]")
LAUNCHED = Try(
    1, TryState.LAUNCHING, "t", pid=7, nonce="n1", process_start=100, host="edge", machine="m1", boot_id="boot1",
    pid_namespace="pid:[1]",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "here", "can_look"),
    [
        ({}, {}, True),
        ({}, {"boot_id": "boot2"}, True),
        ({}, {"boot_id": "boot2", "namespace": "pid:[2]"}, True),
        ({}, {"namespace": "pid:[2]"}, False),
        ({}, {"host": "edge2"}, False),
        ({}, {"machine": "m2"}, False),
        ({}, {"boot_id": ""}, False),
        ({"boot_id": ""}, {}, False),
        ({"process_start": 0}, {}, False),
        ({"state": TryState.PLANNED}, {}, False),
        ({"machine": ""}, {"machine": ""}, True),
        ({"machine": ""}, {"machine": "", "boot_id": "boot2"}, False),
    ],
    ids=["same", "restarted", "another container after a restart", "another container", "another host",
         "a host of the same name", "no boot id here", "none there", "no process", "gate closed",
         "a container without a machine id", "another node perhaps"],
)  # fmt: skip
def test_a_process_is_looked_at_only_where_it_can_be_seen_or_is_gone_for_sure(
    change: dict[str, Any], here: dict[str, str], can_look: bool
) -> None:
    known = known_of(replace(RUN, tries=(replace(LAUNCHED, **change),)), replace(HERE, **here))
    assert (known.can_look, known.nonce) == (can_look, "n1")
    assert known_of(replace(RUN, tries=(LAUNCHED,))).can_look is False


def test_a_success_on_record_counts_whatever_came_later() -> None:
    tries = (
        Try(1, TryState.FINISHED, "t", "a1", result="succeeded"),
        Try(2, TryState.FINISHED, "t", "a2", result="killed"),
    )
    assert known_of(replace(RUN, tries=tries)) == Known(2, application_id="a1", result="succeeded")


def recorder(ledger: SqliteLedger, terminal: Terminal, *tries: Try) -> Recorder:
    return Recorder(ledger, FakeClock(), terminal, replace(RUN, tries=tries))


def in_the_way(tmp_path: Path, said: list[str]) -> SqliteLedger:
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    return SqliteLedger(tmp_path / "runs", warn=said.append)


def test_a_run_that_only_the_record_tells_apart_is_not_launched_without_one(tmp_path: Path) -> None:
    unwritable = recorder(in_the_way(tmp_path, []), Terminal(), Try(1, TryState.PLANNED, "t"))
    with pytest.raises(HostNotReady, match="record can't be written") as caught:
        unwritable.at_gate(1, Program(7, 100, Here("edge")), Marks())
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert "XDG_STATE_HOME" in caught.value.next_step


def test_a_claimed_or_random_run_goes_on_without_a_record_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    one = replace(recorder(in_the_way(tmp_path, said), Terminal(), Try(1, TryState.PLANNED, "t")), needs_record=False)
    one.at_gate(1, Program(7, 100, Here("edge")), Marks())
    one.submitted(1, "application_1_0001")
    assert one.run.last is not None and one.run.last.application_id == "application_1_0001"
    assert len(said) == 1 and "going on without the record" in said[0]


def test_what_would_go_on_to_say_planned_is_not_launched_whatever_tells_the_run_apart(
    ledger: SqliteLedger, tmp_path: Path
) -> None:
    """A repeat takes PLANNED for "nothing was launched"; a run without any record is for its claim to tell."""
    one = replace(recorder(ledger, Terminal()), needs_record=False)
    one.plan_try(PLAN, 1, "", "n1")
    one.ledger = in_the_way(tmp_path, [])
    with pytest.raises(HostNotReady):
        one.at_gate(1, Program(7, 100, Here("edge")), Marks())


def test_after_a_launch_a_failing_record_is_a_warning_that_names_the_application(tmp_path: Path) -> None:
    said: list[str] = []
    unwritable = recorder(in_the_way(tmp_path, said), Terminal(), Try(1, TryState.LAUNCHING, "t"))
    unwritable.submitted(1, "application_1_0001")
    assert len(said) == 1 and "going on without the record (application_1_0001 goes on)" in said[0]


def test_every_state_that_a_try_went_through_is_recorded_with_its_time(ledger: SqliteLedger) -> None:
    one = recorder(ledger, Terminal())
    clock = one.clock
    assert isinstance(clock, FakeClock)
    one._change(1, None, passed="PLANNED")
    report = ApplicationReport("a", state=State.ACCEPTED)
    for step in (
        lambda: one.at_gate(1, Program(7, 100, Here("edge")), Marks()),
        lambda: one.reserved(1, "a"),
        lambda: one.submitted(1, "a"),
        lambda: one.seen(report),
        lambda: one.seen(report),
        lambda: one.seen(
            replace(report, state=State.RUNNING, tracking_url="http://rm/a", am_container_logs="http://nm/a")
        ),
        lambda: one.finished(Verdict(Result.FAILED, "a", State.FINISHED, FinalStatus.FAILED, "boom")),
        lambda: one.diagnosed("a", "some_rule", "with db.password=hunter2"),
    ):
        clock.sleep(1)
        step()
    run = ledger.load("nightly")
    assert run is not None and run.last is not None
    last = run.last
    assert [seen.state for seen in last.history] == [
        *("PLANNED", "LAUNCHING", "SUBMITTED", "ACCEPTED", "RUNNING", "FINISHED"),
    ]
    times = [seen.at for seen in last.history]
    assert times == sorted(times) and len(set(times)) == len(times)
    assert last.history[-1].detail == "failed" and last.exit_code == 1
    assert (last.tracking_url, last.logs_url) == ("http://rm/a", "http://nm/a")
    assert last.rule == "some_rule" and "hunter2" not in last.cause


def test_a_verdict_goes_to_the_newest_try_of_its_application(ledger: SqliteLedger) -> None:
    """On backend local all tries of a run have one id."""
    first = Try(1, TryState.FINISHED, "t", "local-nightly", result="failed")
    both = recorder(ledger, Terminal(), first, Try(2, TryState.SUBMITTED, "t", "local-nightly"))
    both.finished(Verdict(Result.SUCCEEDED, "local-nightly", State.FINISHED, FinalStatus.SUCCEEDED))
    run = ledger.load("nightly")
    assert run is not None
    assert run.tries[0] == first
    assert (run.tries[1].state, run.tries[1].result) == (TryState.FINISHED, "succeeded")


def test_a_refused_launch_leaves_no_reserved_id_behind(ledger: SqliteLedger) -> None:
    """A repeat is a new try then; an id that nobody posted would be looked for in vain, for good."""
    one = recorder(ledger, Terminal(), Try(1, TryState.LAUNCHING, "t"))
    one.reserved(1, "application_1700000000000_0007")
    assert known_of(ledger.load("nightly")).has_reserved
    one.not_submitted(1, "the quota of the folder is used up")
    assert decide(known_of(ledger.load("nightly")), [], "1700000000000").number == 2
    assert decide(known_of(ledger.load("nightly")), [], "1700000000000").action is Action.SUBMIT


def test_an_end_that_was_seen_is_not_taken_back(ledger: SqliteLedger) -> None:
    one = recorder(ledger, Terminal(), Try(1, TryState.SUBMITTED, "t", "a1"))
    one.finished(Verdict(Result.SUCCEEDED, "a1", State.FINISHED, FinalStatus.SUCCEEDED))
    one.submitted(1, "a1")
    one.not_submitted(1, "nonsense")
    run = ledger.load("nightly")
    assert run is not None and run.last is not None
    assert (run.last.state, run.last.result, run.last.application_id) == (TryState.FINISHED, "succeeded", "a1")


def test_an_accepted_application_is_taken_away_by_a_person_alone(ledger: SqliteLedger) -> None:
    one = recorder(ledger, Terminal(), Try(1, TryState.SUBMITTED, "t", "a1"))
    one.not_submitted(1, "nonsense")
    assert one.run.last is not None and one.run.last.application_id == "a1"
    one.decided(1, Event.DISMISS, "alice on edge", "not submitted")
    one.not_submitted(1, "nonsense")
    last = one.run.last
    assert last is not None and last.state is TryState.NOT_SUBMITTED
    assert (last.reason, last.decided_by, last.application_id) == ("not submitted", "alice on edge", "")
    one.submitted(1, "a2", "it arrived late")
    assert one.run.last is not None and one.run.last.state is TryState.SUBMITTED


def test_reasons_are_recorded_without_secrets(ledger: SqliteLedger) -> None:
    one = recorder(ledger, Terminal(), Try(1, TryState.LAUNCHING, "t"))
    one.not_submitted(1, "failed with db.password=hunter2")
    one.finished(Verdict(Result.FAILED, "a", State.FINISHED, FinalStatus.FAILED, "with db.password=hunter2"))
    assert "hunter2" not in (ledger.folder / "nightly.json").read_text(encoding="utf-8")
    assert b"hunter2" not in ledger.path.read_bytes()
