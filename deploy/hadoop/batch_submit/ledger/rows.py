"""Runs as rows: each field of :class:`~batch_submit.ledger.records.Run` and ``Try`` is a column of its own name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, fields
from enum import Enum
from functools import cache
from itertools import groupby
from typing import Any

from batch_submit.ledger.exports import Unreadable
from batch_submit.ledger.records import Run, StateSeen, Try, known_fields
from batch_submit.plan.run_states import TryState

#: Fields that are tables of their own.
_ELSEWHERE = {"tries", "history"}
#: SQL types by the annotation, and what stands in a column that no default fills; every other field is JSON text.
_SQL = {
    "str": ("TEXT", "''"),
    "int": ("INTEGER", "0"),
    "bool": ("INTEGER", "0"),
    "float": ("REAL", "0"),
    "TryState": ("TEXT", "''"),
    "int | None": ("INTEGER", ""),
    "float | None": ("REAL", ""),
    "str | None": ("TEXT", ""),
}
_NEWEST = "created_at DESC, run_id DESC"
#: Of a run beyond its fields: when its row was written last (milliseconds since the epoch, this host's clock), and of
#: its newest try what `history` filters by.
RUN_EXTRAS = {"changed_ms": "INTEGER NOT NULL DEFAULT 0", "last_state": "TEXT NOT NULL DEFAULT ''"}
RUN_EXTRAS["last_result"] = "TEXT NOT NULL DEFAULT ''"


def columns_of(kind: type) -> dict[str, str]:
    """Names and SQL types of a dataclass's columns; a column that is added to older rows holds the field's default."""
    return {one.name: _sql_type(one) for one in fields(kind) if one.name not in _ELSEWHERE}


def _sql_type(one: Field[Any]) -> str:
    kind, empty = _SQL.get(str(one.type), ("TEXT", ""))
    if not empty:
        return kind
    default = one.default
    if isinstance(default, str):
        empty = "'" + default.replace("'", "''") + "'"
    elif isinstance(default, (int, float)):
        empty = str(int(default) if isinstance(default, bool) else default)
    return f"{kind} NOT NULL DEFAULT {empty}"


def read_runs(
    connection: sqlite3.Connection, where: str = "", values: Sequence[object] = (), *, limit: int | None = None
) -> list[Run]:
    """The runs that a condition on table ``runs`` means, newest first."""
    connection.row_factory = sqlite3.Row
    if limit is not None:
        rows = connection.execute(f"SELECT * FROM runs {where} ORDER BY {_NEWEST} LIMIT ?", (*values, limit)).fetchall()  # nosec B608
    else:
        # Sorted here: asked to do it, SQLite takes the index of the order, and so reads every row for a condition on
        # another column (16 ms instead of 1 for the runs that changed lately, of 10,000).
        rows = connection.execute(f"SELECT * FROM runs {where}", values).fetchall()  # nosec B608  # names of ours, values by ?
        rows.sort(key=lambda row: (row["created_at"], row["run_id"]), reverse=True)
    ids = [row["run_id"] for row in rows]
    tries = _by_run(connection, "tries", ids, "number")
    states = _by_run(connection, "states", ids, "number, position")
    return [_run(row, tries.get(row["run_id"], []), states.get(row["run_id"], [])) for row in rows]


def _by_run(connection: sqlite3.Connection, table: str, ids: Sequence[str], order: str) -> dict[str, list[sqlite3.Row]]:
    found: dict[str, list[sqlite3.Row]] = {}
    for some in pieces(ids):
        marks = ", ".join("?" * len(some))
        query = f"SELECT * FROM {table} WHERE run_id IN ({marks}) ORDER BY run_id, {order}"  # nosec B608  # names of ours, values by ?
        for run_id, rows in groupby(connection.execute(query, some), key=lambda row: str(row["run_id"])):
            found[run_id] = list(rows)
    return found


def pieces(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """Ids in parts that one statement takes (SQLite's least limit of parameters is 999)."""
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _run(row: sqlite3.Row, tries: Iterable[sqlite3.Row], states: Iterable[sqlite3.Row]) -> Run:
    by_try: dict[int, list[StateSeen]] = {}
    for one in states:
        by_try.setdefault(one["number"], []).append(StateSeen(one["state"], one["at"], one["detail"]))
    made = []
    for one in tries:
        values = _decoded(Try, one)
        history = tuple(by_try.get(one["number"], ()))
        made.append(Try(**{**values, "state": TryState(values["state"]), "history": history}))
    values = _decoded(Run, row)
    return Run(**{**values, "argv": tuple(values.get("argv") or ()), "tries": tuple(made)})


def _decoded(kind: type, row: sqlite3.Row) -> dict[str, Any]:
    """A row's fields; a column that an older release did not have is left to the field's default."""
    as_json = _json_columns(kind)
    found = known_fields(kind, {name: row[name] for name in row.keys()})  # noqa: SIM118 (a Row iterates over values)
    filled = {name: value for name, value in found.items() if value is not None}
    return {name: json.loads(value) if name in as_json else value for name, value in filled.items()}


@cache
def _json_columns(kind: type) -> frozenset[str]:
    return frozenset(one.name for one in fields(kind) if str(one.type) not in _SQL)


def write_run(connection: sqlite3.Connection, run: Run, changed_ms: int) -> None:
    """Put a run, its tries and their states into their rows; columns that this release does not know keep their values.

    Tries and states are added to and changed, never taken away.
    """
    last = run.last
    extras = {
        "changed_ms": changed_ms,
        "last_state": last.state.value if last is not None else "",
        "last_result": last.result if last is not None else "",
    }
    _put(connection, "runs", ("run_id",), {**_encoded(run), **extras})
    for one in run.tries:
        _put(connection, "tries", ("run_id", "number"), {"run_id": run.run_id, **_encoded(one)})
        for position, seen in enumerate(one.history):
            values = {"state": seen.state, "at": seen.at, "detail": seen.detail}
            key = {"run_id": run.run_id, "number": one.number, "position": position}
            _put(connection, "states", tuple(key), {**key, **values})
    connection.execute("DELETE FROM unreadable WHERE run_id = ?", (run.run_id,))


def write_unreadable(connection: sqlite3.Connection, found: Unreadable) -> None:
    """Remember that there is a record which can't be read: its run is not "no such run"."""
    _put(connection, "unreadable", ("run_id",), {"run_id": found.run_id, "place": found.place, "reason": found.reason})


def delete_run(connection: sqlite3.Connection, run_id: str) -> None:
    """Take a run out of every table."""
    for table in ("states", "tries", "runs", "unreadable"):
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))  # nosec B608  # names of ours, values by ?


def _put(connection: sqlite3.Connection, table: str, key: Sequence[str], values: Mapping[str, object]) -> None:
    """Change the row of a key, or make it. In two statements: SQLite knows upserts since 3.24, and hosts are older."""
    changes = [name for name in values if name not in key]
    setting, found = (", ".join(f"{name} = ?" for name in changes), " AND ".join(f"{name} = ?" for name in key))
    changed = connection.execute(
        f"UPDATE {table} SET {setting} WHERE {found}",  # nosec B608  # names of ours, values by ?
        [values[name] for name in (*changes, *key)],
    )
    if changed.rowcount == 0:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))  # nosec B608  # names of ours


def _encoded(record: Run | Try) -> dict[str, object]:
    return {name: _sql_value(getattr(record, name)) for name in columns_of(type(record))}


def _sql_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, sort_keys=True)
