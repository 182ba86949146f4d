"""The rows of ``list`` as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.model import Listed, State
from batch_submit.plan.units import format_duration
from batch_submit.render.reports import local_time, report_json
from batch_submit.render.tables import Column, fitted

#: The order in which columns go when the terminal is narrow; the id, the state and the final status always stay.
_COLUMNS = (
    Column("id"),
    Column("name", shortest=10),
    Column("type", leave_out=5),
    Column("user", shortest=8, leave_out=3),
    Column("queue", shortest=10, leave_out=6),
    Column("state"),
    Column("final status"),
    Column("progress", leave_out=2, right=True),
    Column("started", leave_out=4),
    Column("elapsed", leave_out=7, right=True),
    Column("memory-seconds", leave_out=1, right=True),
)


def listing_table(rows: Sequence[Listed], width: int | None = None) -> list[str]:
    """A table of applications in the order given; ``width`` characters wide at most, ``None`` for no limit."""
    if not rows:
        return ["no applications"]
    return fitted(_COLUMNS, [_texts(row) for row in rows], width)


def _texts(row: Listed) -> tuple[str, ...]:
    report = row.report
    known = report.state is not State.UNKNOWN or not row.forgotten
    return (
        report.application_id,
        report.name,
        row.job_type or "-",
        report.user,
        report.queue or "-",
        (report.state.value if known else "unknown") + ("*" if row.forgotten else ""),
        report.final_status.value if known else "-",
        "-" if row.forgotten else f"{report.progress:.0f} %",
        local_time(report.started_ms),
        format_duration(report.elapsed_ms // 1000) if report.elapsed_ms or not row.forgotten else "-",
        str(report.memory_seconds) if known else "-",
    )


def listed_json(row: Listed) -> dict[str, object]:
    """A row for machines: the application's own keys, and what the record adds."""
    return {
        **report_json(row.report),
        "job_type": row.job_type,
        "forgotten": row.forgotten,
        "result": row.result,
    }
