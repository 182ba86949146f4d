"""What ``history`` asks of a ledger, as SQL and, for the exports of a ledger that can't be read, as a test."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from batch_submit.ledger.records import Run

if TYPE_CHECKING:
    import sqlite3

    from batch_submit.plan.history import HistoryFilters


def find_runs(connection: sqlite3.Connection, filters: HistoryFilters) -> list[Run]:
    """The runs that filters mean, newest first, cut to the limit."""
    from batch_submit.ledger.rows import read_runs

    tests: list[str] = []
    values: list[object] = []
    for test, value in (
        ("created_at >= ?", filters.since),
        ("created_at < ?", filters.until),
        ("job_type = ?", filters.job_type),
        ("queue = ?", filters.queue),
    ):
        if value:
            tests.append(test)
            values.append(value)
    for column, wanted in (("last_state", filters.states), ("last_result", filters.results)):
        if wanted:
            tests.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    if filters.name:
        connection.create_function("fits", 2, fnmatchcase)
        tests.append("fits(name, ?)")
        values.append(filters.name)
    where = f"WHERE {' AND '.join(tests)}" if tests else ""
    return read_runs(connection, where, values, limit=filters.limit)


def fits(run: Run, filters: HistoryFilters) -> bool:
    """Whether a run is one of them."""
    last = run.last
    return (
        (not filters.since or run.created_at >= filters.since)
        and (not filters.until or run.created_at < filters.until)
        and (not filters.job_type or run.job_type == filters.job_type)
        and (not filters.queue or run.queue == filters.queue)
        and (not filters.states or (last.state.value if last is not None else "") in filters.states)
        and (not filters.results or (last.result if last is not None else "") in filters.results)
        and (not filters.name or fnmatchcase(run.name, filters.name))
    )


def newest_first(runs: list[Run]) -> list[Run]:
    """The order of ``history``."""
    return sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True)
