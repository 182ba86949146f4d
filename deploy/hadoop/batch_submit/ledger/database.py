"""The ledger's file: its schema, how it is opened, and how older forms are taken over."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from batch_submit.adapters.own_files import open_locked_file, own_folder
from batch_submit.ledger.exports import Unreadable, read_exports
from batch_submit.ledger.records import Run, Try
from batch_submit.ledger.rows import RUN_EXTRAS, columns_of, write_run, write_unreadable
from batch_submit.plan.file_systems import is_network, type_of

#: ``PRAGMA user_version``. It counts changes that an older release would get wrong; a new column is none of them.
VERSION = 1
#: SQLite's files beside the database.
COMPANIONS = ("-wal", "-shm", "-journal")
#: Beside a database in which a change failed for its damage: whole pages may still give what was so before that change.
_DAMAGED = "-damaged"
_MOUNTS = Path("/proc/self/mountinfo")
_INDICES = (
    "CREATE INDEX runs_created ON runs (created_at)",
    "CREATE INDEX runs_changed ON runs (changed_ms)",
    "CREATE INDEX runs_name ON runs (name)",
    "CREATE INDEX tries_application ON tries (application_id)",
)


class NewerVersion(Exception):
    """The file was written by a later release; `args` holds its version."""


def connect(path: Path, *, busy_s: float) -> sqlite3.Connection:
    """Open a file that is there; transactions are begun by hand.

    Parameters
    ----------
    busy_s
        How long to wait for another process's lock.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=busy_s, isolation_level=None)


def version_of(connection: sqlite3.Connection) -> int:
    """The file's version; 0 of an empty one.

    Raises
    ------
    NewerVersion
        This release does not know it.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerVersion(version)
    return int(version)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The write lock is taken at the start, so that nothing read within it is out of date."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself after a full disk
            connection.execute("ROLLBACK")
        raise


def make_file(path: Path) -> None:
    """An empty file for the owner only, unless there is one; SQLite gives its companions the same mode."""
    own_folder(path.parent)
    os.close(open_locked_file(path))
    _damage_mark(path).unlink(missing_ok=True)


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that a file is malformed or none of its own.

    ``SQLITE_CORRUPT`` and ``SQLITE_NOTADB`` alone are a plain `DatabaseError`: CPython, ``Modules/_sqlite/util.c``.
    """
    return type(error) is sqlite3.DatabaseError


def mark_damaged(path: Path) -> None:
    """Let nobody read this file any more; a new one in its place is not marked."""
    with contextlib.suppress(OSError):  # where nothing can be written, each call finds the damage for itself
        os.close(open_locked_file(_damage_mark(path)))


def is_marked_damaged(path: Path) -> bool:
    """Whether a change has failed in this file for its damage."""
    return _damage_mark(path).exists()


def _damage_mark(path: Path) -> Path:
    return path.with_name(path.name + _DAMAGED)


def bring_up(connection: sqlite3.Connection, folder: Path) -> int:
    """Make an empty file a ledger of the folder's JSON records: those of a release before SQLite, or exports of a
    ledger that was lost. Whole or not at all.

    Returns
    -------
    int
        How many were taken over; 0 when another process has done it meanwhile.
    """
    found = list(read_exports(folder))
    with transaction(connection):
        if version_of(connection) == VERSION:
            return 0
        _fill(connection, found)
    return len(found)


def put_in_place(path: Path, found: Iterable[tuple[Run | Unreadable, int]], stamp: str) -> list[Path]:
    """A new file of these records in the place of the old one, which is moved aside with its companions.

    Parameters
    ----------
    found
        Each with the time of its last change in milliseconds since the epoch.
    stamp
        For the names of what is moved aside.

    Returns
    -------
    list
        Where the old files are now.
    """
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, *(new.with_name(new.name + one) for one in COMPANIONS)):
        leftover.unlink(missing_ok=True)
    make_file(new)
    with contextlib.closing(connect(new, busy_s=1.0)) as connection, transaction(connection):
        _fill(connection, found)
    moved = []
    # The companions first: a log of the old file beside the new one would be played into it.
    for old in (path.with_name(path.name + one) for one in COMPANIONS):
        if old.exists():
            moved.append(old.rename(_aside(old, stamp)))
    if path.exists():
        try:
            _aside(path, stamp).hardlink_to(path)  # so that at no time there is none
        except OSError:
            path.rename(_aside(path, stamp))
        moved.append(_aside(path, stamp))
    new.replace(path)
    _damage_mark(path).unlink(missing_ok=True)
    return moved


def _aside(path: Path, stamp: str) -> Path:
    return path.with_name(f"{path.name}.aside-{stamp}")


def _fill(connection: sqlite3.Connection, found: Iterable[tuple[Run | Unreadable, int]]) -> None:
    _make_tables(connection)
    for one, changed_ms in found:
        if isinstance(one, Unreadable):
            write_unreadable(connection, one)
        else:
            write_run(connection, one, changed_ms)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _make_tables(connection: sqlite3.Connection) -> None:
    runs = {**columns_of(Run), "run_id": "TEXT PRIMARY KEY", **RUN_EXTRAS}
    tries = {"run_id": "TEXT NOT NULL", **columns_of(Try)}
    tables = {
        "runs": [f"{name} {kind}" for name, kind in runs.items()],
        "tries": [*(f"{name} {kind}" for name, kind in tries.items()), "PRIMARY KEY (run_id, number)"],
        "states": [
            "run_id TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL",
            "state TEXT NOT NULL, at TEXT NOT NULL, detail TEXT NOT NULL DEFAULT ''",
            "PRIMARY KEY (run_id, number, position)",
        ],
        "unreadable": ["run_id TEXT PRIMARY KEY, place TEXT NOT NULL, reason TEXT NOT NULL"],
    }
    for name, parts in tables.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(parts)})")
    for index in _INDICES:
        connection.execute(index)


def ready_to_write(connection: sqlite3.Connection, path: Path) -> bool:
    """Set how changes reach the disk, and add the columns of fields that are new since the file was made.

    Returns
    -------
    bool
        The write-ahead log was given up now, because the file has come to lie on a file system that hosts share.
    """
    wanted = "delete" if is_network(file_system(path)) else "wal"
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    given_up = False
    if mode != wanted:
        # Refused while others use the file: it stays as it is then, and is changed at the next opening.
        with contextlib.suppress(sqlite3.OperationalError):
            (now,) = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
            given_up = now == wanted == "delete"
    connection.execute("PRAGMA synchronous = FULL")
    _add_columns(connection)
    return given_up


def _add_columns(connection: sqlite3.Connection) -> None:
    for table, wanted in (("runs", {**columns_of(Run), **RUN_EXTRAS}), ("tries", columns_of(Try))):
        missing = _missing(connection, table, wanted)
        if missing:
            with transaction(connection):
                for name in _missing(connection, table, missing):  # another process may have been quicker
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {wanted[name]}")


def _missing(connection: sqlite3.Connection, table: str, wanted: dict[str, str]) -> dict[str, str]:
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    return {name: kind for name, kind in wanted.items() if name not in there}


def file_system(path: Path) -> str:
    """The type of the file system that a file lies on; "" when this host does not tell."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return type_of(mounts, str(path.resolve()))
