"""What ``doctor`` says of the run records on this host: pure, and of files that are really so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.ledger import SqliteLedger, care
from batch_submit.plan.health import Severity
from batch_submit.plan.health_ledger import LedgerLook, ledger, ledgers
from tests.unit.test_ledger import RUN

WHOLE = LedgerLook("/s/runs/c/u/ledger.db", (), 1, 1, "wal", "ext4", 12, size_bytes=40960)


@pytest.mark.parametrize(
    ("look", "severity", "words"),
    [
        (WHOLE, Severity.OK, "12 runs, 40.0 KiB, version 1"),
        (replace(WHOLE, damage=("row 3 missing from index",)), Severity.RED, "damaged: row 3"),
        (replace(WHOLE, version=2, damage=("newer",)), Severity.RED, "version 2, and this release knows 1"),
        (replace(WHOLE, refused="attempt to write a readonly database"), Severity.RED, "readonly"),
        (replace(WHOLE, refused="database is locked"), Severity.WARN, "another process holds it"),
        (replace(WHOLE, file_system="nfs4"), Severity.WARN, "hosts share (nfs4)"),
        (replace(WHOLE, version=0, lost=7), Severity.WARN, "JSON files of 7 runs"),
        (replace(WHOLE, not_exported=2), Severity.WARN, "2 of them without"),
    ],
)
def test_what_a_look_means(look: LedgerLook, severity: Severity, words: str) -> None:
    found = ledger(look)
    assert (found.id, found.severity, found.where) == ("host.ledger", severity, look.path)
    assert words in found.what
    assert bool(found.remedy) == (severity is not Severity.OK)


def test_a_host_without_any_run_is_well() -> None:
    (found,) = ledgers([], "/s/runs")
    assert (found.severity, found.where) == (Severity.OK, "/s/runs")


def made(folder: Path) -> SqliteLedger:
    out = SqliteLedger(folder)
    out.save(RUN)
    return out


def test_a_ledger_that_another_process_holds_can_not_be_written_now(tmp_path: Path) -> None:
    there = made(tmp_path)
    assert care.refused(there) == ""
    with closing(sqlite3.connect(there.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "locked" in care.refused(there)
    assert care.refused(there) == ""


def test_the_look_changes_nothing(tmp_path: Path) -> None:
    there = made(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert care.examine(there).damage == () and care.refused(there) == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert care.refused(SqliteLedger(tmp_path / "nowhere")) == "" and not (tmp_path / "nowhere").exists()


def test_a_file_of_a_newer_release_says_its_version(tmp_path: Path) -> None:
    there = made(tmp_path)
    with closing(sqlite3.connect(there.path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    seen = care.examine(there)
    assert seen.version == 9 and "version 9" in seen.damage[0]


def test_exports_without_a_database_are_no_damage_to_it(tmp_path: Path) -> None:
    there = made(tmp_path)
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    seen = care.examine(there)
    assert (seen.lost, seen.version) == (1, 0)
