"""A ledger that is damaged, truncated, locked or full: said once, and work goes on by the exports."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from batch_submit.errors import ExitCode, HostNotReady
from batch_submit.ledger import LedgerUnwritable, Run, SqliteLedger, Try, TryState, care, store
from batch_submit.operations.recording import refuse_without_record
from tests.unit.test_ledger import RUN

MANY = [
    replace(RUN, run_id=f"r{count:03}", created_at=f"2026-03-29T01:{count // 60:02}:{count % 60:02}Z")
    for count in range(120)
]


@dataclass
class Watched:
    """A ledger and what it said."""

    ledger: SqliteLedger
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of some hundred pages; made once, for each test gets a copy."""
    folder = tmp_path_factory.mktemp("template")
    ledger = SqliteLedger(folder)
    for run in MANY:
        ledger.save(run)
    return folder


@pytest.fixture
def watched(tmp_path: Path, template: Path) -> Watched:
    folder = tmp_path / "runs"
    folder.mkdir(mode=0o700)
    for path in template.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return reopened(folder)


def reopened(folder: Path) -> Watched:
    said: list[str] = []
    return Watched(SqliteLedger(folder, warn=said.append, now_s=lambda: 5000.0), said)


def garbage_at_the_start(path: Path) -> None:
    path.write_bytes(b"this is no database" * 300)


def half_of_it(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(bytes(data))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [garbage_at_the_start, half_of_it, garbage_in_the_middle, a_folder]


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_read_comes_from_the_exports_then_and_that_is_said_once(
    watched: Watched, damage: Callable[[Path], None]
) -> None:
    ledger = watched.ledger
    damage(ledger.path)
    assert {run.run_id: run for run in ledger.runs()} == {run.run_id: run for run in MANY}
    assert ledger.load("r007") == MANY[7]
    assert ledger.load("absent") is None
    assert ledger.named(RUN.name)[0] == MANY[-1] and ledger.newest(2) == [MANY[-1], MANY[-2]]
    assert ledger.find_application("application_1_0001") is not None
    assert ledger.job_types(["r001", "absent"]) == {"r001": RUN.job_type}
    assert len(watched.said) == 1
    assert str(ledger.path) in watched.said[0] and "going on with the exports" in watched.said[0]
    assert ledger.trouble


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_can_not_be_written_is_an_error_for_the_caller_and_leaves_its_trace_in_the_export(
    watched: Watched, damage: Callable[[Path], None]
) -> None:
    ledger = watched.ledger
    damage(ledger.path)
    new = replace(RUN, run_id="new", tries=(Try(1, TryState.LAUNCHING, "t"),))
    with pytest.raises(LedgerUnwritable, match="the run's record can't be written: "):
        ledger.save(new)
    assert Run.from_json((ledger.folder / "new.json").read_text(encoding="utf-8")) == new
    assert reopened(ledger.folder).ledger.load("new") == new


def test_what_whole_pages_still_give_is_not_believed_once_a_change_has_failed(watched: Watched) -> None:
    """Only an index is damaged: the run is found as it was before the change that its export alone has."""
    ledger = watched.ledger
    with closing(sqlite3.connect(ledger.path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs_changed'").fetchone()
    with ledger.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"x" * 4096)
    changed = MANY[7].with_try(Try(2, TryState.LAUNCHING, "t"))
    with pytest.raises(LedgerUnwritable, match="malformed"):
        ledger.save(changed)
    again = reopened(ledger.folder)
    assert again.ledger.load("r007") == changed
    assert "an earlier change could not be written" in again.said[0] and "ledger rebuild" in again.said[0]
    assert care.examine(again.ledger).damage
    care.replace_with(again.ledger, care.saved_from(again.ledger), (), "now")
    mended = reopened(ledger.folder)
    assert mended.ledger.load("r007") == changed and mended.ledger.load("r008") == MANY[8]
    assert mended.said == [] and care.examine(mended.ledger).damage == ()


def test_damage_names_the_verb_that_mends_it(watched: Watched) -> None:
    garbage_at_the_start(watched.ledger.path)
    watched.ledger.runs()
    assert watched.said == [
        f"the ledger can't be read: file is not a database ({watched.ledger.path});"
        " going on with the exports beside it; build it again: batch-submit ledger rebuild"
    ]


@pytest.mark.parametrize(
    ("size", "warnings"), [(0, 0), (1, 0), (99, 1), (100, 1), (4095, 1), (4096, 1), (4097, 1), (20_000, 1)]
)
def test_wherever_it_was_cut_off_no_run_is_lost(watched: Watched, size: int, warnings: int) -> None:
    """What SQLite takes for an empty file is one that was never filled: it is filled from the exports."""
    os.truncate(watched.ledger.path, size)
    assert len(watched.ledger.runs()) == len(MANY)
    assert len(watched.said) == warnings


def test_a_deleted_one_is_made_again_from_the_exports(watched: Watched) -> None:
    watched.ledger.path.unlink()
    changed = watched.ledger.update(MANY[3], lambda run: replace(run, queue="q"))
    assert changed == replace(MANY[3], queue="q")
    assert len(watched.ledger.runs()) == len(MANY)
    assert watched.said == []


def test_one_that_is_deleted_between_two_changes_of_a_process_is_found_again(watched: Watched) -> None:
    """A process that waits for hours must not go on writing into a file without a name."""
    run = watched.ledger.update(MANY[3], lambda run: replace(run, queue="one"))
    for path in watched.ledger.folder.glob("ledger.db*"):
        path.unlink()
    watched.ledger.update(run, lambda run: replace(run, queue="two"))
    found = reopened(watched.ledger.folder).ledger.load(run.run_id)
    assert found is not None and found.queue == "two"


# --- locked -----------------------------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program has the write lock and does not give it back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_one_is_waited_for_once_and_then_no_more(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_S", 0.2)
    with locked(watched.ledger.path):
        assert len(watched.ledger.runs()) == len(MANY)  # readers need no lock
        with pytest.raises(LedgerUnwritable, match="database is locked") as caught:
            watched.ledger.save(RUN)
        assert "fuser" in caught.value.next_step
    watched.ledger.save(RUN)
    assert watched.ledger.load(RUN.run_id) == RUN


# --- full -------------------------------------------------------------------------------------------------------------


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The kernel refuses more, as a full disk does (Python ignores the signal that comes with it)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_the_old_record_stays_whole(watched: Watched) -> None:
    before = watched.ledger.load("r003")
    with no_file_longer_than(2000), pytest.raises(LedgerUnwritable) as caught:
        watched.ledger.update(MANY[3], lambda run: replace(run, queue="lost"))
    assert "free some space" in caught.value.next_step
    assert watched.ledger.load("r003") == before == MANY[3]
    assert [path.name for path in watched.ledger.folder.glob(".*.json.*")] == []  # no half export either


def test_an_export_that_can_not_be_written_is_a_warning(watched: Watched) -> None:
    (watched.ledger.folder / "nightly.json").mkdir()
    watched.ledger.save(RUN)
    assert watched.ledger.load("nightly") == RUN
    assert len(watched.said) == 1 and "its record is whole" in watched.said[0]
    assert watched.ledger.trouble == ""
    assert [path.name for path in watched.ledger.folder.glob(".*.json.*")] == []


def moved_aside(ledger: SqliteLedger) -> None:
    aside = ledger.folder.with_name("aside")
    aside.mkdir()
    for path in ledger.folder.glob(f"{ledger.path.name}*"):
        path.rename(aside / path.name)


def taken_from_a_backup(ledger: SqliteLedger) -> None:
    """Another file under the same name."""
    moved_aside(ledger)
    backup = ledger.folder.with_name("aside") / ledger.path.name
    ledger.path.write_bytes(backup.read_bytes())


@pytest.mark.parametrize("happens", [moved_aside, taken_from_a_backup])
def test_a_ledger_that_is_moved_aside_during_a_submission_is_not_written_any_more(
    watched: Watched, happens: Callable[[SqliteLedger], None]
) -> None:
    """The connection that is kept would write into a file that nobody finds under this name."""
    ledger = watched.ledger
    with ledger.lock("r003", monotonic=lambda: 0.0, sleep=lambda _: None, patience_s=0):
        assert ledger.load("r003") == MANY[3]
        happens(ledger)
        ledger.update(MANY[3], lambda run: replace(run, queue="after"))
    for path in ledger.folder.glob("*.json"):
        path.unlink()  # the database tells, not its export
    run = reopened(ledger.folder).ledger.load("r003")
    assert run is not None and run.queue == "after"
    aside = sqlite3.connect(ledger.folder.with_name("aside") / ledger.path.name)
    with closing(aside):
        assert "after" not in str(list(aside.iterdump()))


# --- what may go on ---------------------------------------------------------------------------------------------------


def test_only_a_run_that_nothing_else_tells_apart_is_refused(watched: Watched) -> None:
    refuse_without_record(watched.ledger, "nightly", needs_record=True)
    garbage_at_the_start(watched.ledger.path)
    watched.ledger.load("nightly")
    refuse_without_record(watched.ledger, "nightly", needs_record=False)
    with pytest.raises(HostNotReady, match="whether it was submitted before can't be known") as caught:
        refuse_without_record(watched.ledger, "nightly", needs_record=True)
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
