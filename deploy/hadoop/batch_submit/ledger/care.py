"""Looking after a ledger: is it whole, what can be saved of it, and a new one in its place."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from batch_submit.adapters.own_files import own_folder
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady
from batch_submit.ledger import database, exports, run_lock
from batch_submit.ledger.exports import Unreadable
from batch_submit.ledger.rebuild import latest_ms, newer_of
from batch_submit.ledger.records import Run
from batch_submit.ledger.rows import read_runs
from batch_submit.ledger.store import BUSY_S, FILE_NAME, SqliteLedger

#: So many of SQLite's findings are kept.
_MOST_FINDINGS = 10
#: How long a look waits for another process's lock: a record is written in milliseconds.
_BUSY_LOOK_S = 1.0


@dataclass(frozen=True)
class Examined:
    """What a look at a ledger's file has shown.

    Parameters
    ----------
    damage
        Empty for a file that is whole.
    journal
        SQLite's journal mode: ``wal``, or ``delete`` on a file system that hosts share.
    not_exported
        Runs without their JSON file.
    lost
        JSON files of runs where there is no database.
    """

    path: Path
    damage: tuple[str, ...] = ()
    version: int = 0
    journal: str = ""
    file_system: str = ""
    runs: int = 0
    not_exported: int = 0
    size: int = 0
    lost: int = 0


def examine(ledger: SqliteLedger) -> Examined:
    """Look at a ledger's file, page by page; changes nothing."""
    path = ledger.path
    kind = database.file_system(path)
    if not path.exists():
        left = sum(1 for _ in exports.read_exports(ledger.folder))
        lost = (f"there is none, and {left} exports are; the next command takes them over",) if left else ()
        return Examined(path, lost, file_system=kind, lost=left)
    try:
        with contextlib.closing(database.connect(path, busy_s=BUSY_S)) as connection:
            version = database.version_of(connection)
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
            told = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_FINDINGS})")]
            ids = [str(row[0]) for row in connection.execute("SELECT run_id FROM runs")]
            read_runs(connection)
    except database.NewerVersion as error:
        newer = int(error.args[0])
        return Examined(path, (f"it is of version {newer}, of a newer release",), newer, file_system=kind)
    except (sqlite3.Error, ValueError, TypeError) as error:
        return Examined(path, (str(error),), file_system=kind, size=path.stat().st_size)
    absent = sum(1 for one in ids if not exports.export_path(ledger.folder, one).exists())
    found = tuple(line for line in told if line != "ok")
    if not found and database.is_marked_damaged(path):
        found = ("an earlier change could not be written; the exports know more",)
    return Examined(path, found, version, journal, kind, len(ids), absent, path.stat().st_size)


def refused(ledger: SqliteLedger) -> str:
    """Why a ledger's file can't be written now, in SQLite's or the system's words; "" when it can. Changes nothing."""
    try:
        if not ledger.path.exists():
            return ""
        with contextlib.closing(database.connect(ledger.path, busy_s=_BUSY_LOOK_S)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def saved_from(ledger: SqliteLedger) -> list[Run]:
    """The runs that the database still gives; none when it gives not all of them.

    Raises
    ------
    HostNotReady
        A newer release has written it: that is not to be replaced by this one.
    """
    if not ledger.path.exists():
        return []
    try:
        with contextlib.closing(database.connect(ledger.path, busy_s=BUSY_S)) as connection:
            return read_runs(connection) if database.version_of(connection) else []
    except database.NewerVersion as error:
        raise HostNotReady(
            f"the ledger is of version {error.args[0]}, and this release knows {database.VERSION}",
            where=str(ledger.path),
            next_step="build it again with the newer release",
        ) from error
    except (sqlite3.Error, ValueError, TypeError):
        return []


def _with_exports_of_now(folder: Path, runs: Iterable[Run]) -> list[Run]:
    """The same, with what other processes have recorded since these were collected."""
    latest = {run.run_id: run for run in runs}
    for found, _ in exports.read_exports(folder):
        if isinstance(found, Run):
            there = latest.get(found.run_id)
            latest[found.run_id] = newer_of(there, found) if there is not None else found
    return list(latest.values())


def replace_with(ledger: SqliteLedger, runs: Iterable[Run], unreadable: Iterable[Unreadable], stamp: str) -> list[Path]:
    """Put a new database of these runs in the ledger's place, and write their exports.

    Parameters
    ----------
    stamp
        A moment, for the names under which the old files stay.

    Returns
    -------
    list
        Where the old files are now.

    Raises
    ------
    HostNotReady
        It can't be written, or another process is at it; the old one is as it was.
    """
    lock = ledger.folder / f".{FILE_NAME}.lock"
    try:
        own_folder(ledger.folder)
        held = run_lock.take(lock)
        if held is None:
            raise HostNotReady(
                "another process is building this ledger again", where=str(lock), next_step="wait for its end"
            )
        try:
            kept = _with_exports_of_now(ledger.folder, runs)
            moved = database.put_in_place(
                ledger.path, [*((run, latest_ms(run)) for run in kept), *((one, 0) for one in unreadable)], stamp
            )
            for run in kept:
                exports.write_export(ledger.folder, run)
            return moved
        finally:
            os.close(held)
    except (sqlite3.Error, OSError) as error:
        raise HostNotReady(
            f"the ledger can't be built again: {error}",
            where=str(ledger.path),
            next_step="make the folder writable and free some space, then run it again",
        ) from error
