"""``history`` and ``show``: what is on record of runs, as tables, lines and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.plan.moments import utc_ms
from batch_submit.plan.units import format_duration
from batch_submit.render.reports import local_time
from batch_submit.render.tables import Column, fitted, printable


@dataclass(frozen=True)
class HistoryRow:
    """A run as ``history`` shows it; of its tries the newest, times as records write them.

    Parameters
    ----------
    state, result
        How far it came, and how it ended; the result is "" while nobody has seen an end.
    memory_seconds, vcore_seconds
        Of all its tries together.
    next_try_at
        When a living call makes the next try; "" for none.
    """

    run_id: str
    name: str
    job_type: str
    state: str
    result: str
    exit_code: int | None
    created_at: str
    planned_at: str
    finished_at: str
    tries: int
    queue: str
    application_id: str
    memory_seconds: int
    vcore_seconds: int
    rule: str
    cause: str
    user: str
    cluster: str
    host: str
    tracking_url: str
    next_try_at: str = ""

    @property
    def elapsed_s(self) -> int:
        """From the plan of the newest try to the end that was seen; 0 without one."""
        planned, finished = utc_ms(self.planned_at), utc_ms(self.finished_at)
        return max(0, finished - planned) // 1000 if planned and finished else 0


#: The order in which columns go when the terminal is narrow; run, result and start always stay.
_COLUMNS = (
    Column("run"),
    Column("name", shortest=10, leave_out=9),
    Column("type", leave_out=6),
    Column("result"),
    Column("exit", leave_out=8, right=True),
    Column("started"),
    Column("took", leave_out=11, right=True),
    Column("tries", leave_out=5, right=True),
    Column("queue", shortest=8, leave_out=4),
    Column("application", leave_out=10),
    Column("memory-seconds", leave_out=2, right=True),
    Column("user", leave_out=3),
    Column("cluster", shortest=10, leave_out=1),
    Column("cause", shortest=20, leave_out=7),
)


def history_table(rows: Sequence[HistoryRow], width: int | None = None) -> list[str]:
    """A table of runs in the order given; ``width`` characters wide at most, ``None`` for no limit."""
    if not rows:
        return ["no runs"]
    return fitted(_COLUMNS, [_texts(row) for row in rows], width)


def _texts(row: HistoryRow) -> tuple[str, ...]:
    return (
        row.run_id,
        row.name,
        row.job_type or "-",
        _came_to(row),
        "-" if row.exit_code is None else str(row.exit_code),
        local_time(utc_ms(row.created_at)),
        format_duration(row.elapsed_s) if row.finished_at else "-",
        str(row.tries),
        row.queue or "-",
        row.application_id or "-",
        str(row.memory_seconds),
        row.user,
        row.cluster,
        row.cause or "-",
    )


def _came_to(row: HistoryRow) -> str:
    ended = row.result or row.state.lower().replace("_", " ") or "-"
    return f"{ended}, try {row.tries + 1} due at {local_time(utc_ms(row.next_try_at))}" if row.next_try_at else ended


def history_json(row: HistoryRow) -> dict[str, object]:
    """A row for machines; the exit code is null while nobody has seen an end."""
    return {**vars(row), "elapsed_s": row.elapsed_s}


def record_lines(record: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """All of a record for people, one fact per line; ``places`` are the files that it stands in."""
    facts = {
        "run": str(record["run_id"]),
        "given as": str(record["original_run_id"]),
        "name": str(record["name"]),
        "type": str(record["job_type"]),
        "backend": f"{record['backend']}, cluster {record['cluster']}",
        "user": f"{record['user']}, on host {record['host']}",
        "queue": str(record["queue"]),
        "made": local_time(utc_ms(str(record["created_at"]))),
        "day": str(record["day"]),
        "timeout": format_duration(record["timeout_s"]) if record["timeout_s"] else "",
        "fingerprint": str(record["fingerprint"]),
        "command": shlex.join(record["argv"]),
        **places,
    }
    lines = _facts(facts)
    if record["params"]:
        lines += ["", "parameters", *_facts({str(key): _shown(value) for key, value in record["params"].items()}, 2)]
    for one in record["tries"]:
        lines += ["", f"try {one['number']}", *_try(one)]
    return lines


def _try(one: Mapping[str, Any]) -> Iterator[str]:
    used = f"{one['memory_seconds']} MiB s, {one['vcore_seconds']} vcore s"
    states = f"state {one['yarn_state']}, final status {one['final_status']}" if one["yarn_state"] else ""
    yield from _facts(
        {
            "state": str(one["state"]),
            "application": str(one["application_id"]),
            "result": f"{one['result']} ({states})" if states else str(one["result"]),
            "exit code": "" if one["exit_code"] is None else str(one["exit_code"]),
            "cause": f"{one['cause']} [{one['rule']}]" if one["cause"] else "",
            "used in sum": used if one["memory_seconds"] or one["vcore_seconds"] else "",
            "tracking URL": str(one["tracking_url"]),
            "driver's log": str(one["logs_url"]),
            "next try": _next_try(one),
            "claim": str(one["claim"]),
            "launcher's pid": str(one["pid"] or ""),
        },
        2,
    )
    for seen in one["history"]:
        words = (local_time(utc_ms(seen["at"])), seen["state"], seen["detail"])
        yield "  " + printable("  ".join(word for word in words if word))
    for line in str(one["reason"]).splitlines():
        if line.strip():
            yield f"    {printable(line.strip())}"


def _next_try(one: Mapping[str, Any]) -> str:
    """What became of the try after this one, as far as the record of this one tells."""
    if one.get("stopped_by"):
        return f"killed by {one['stopped_by']} at {one['stopped_at']}: not made"
    if one.get("again_at") and one.get("retried_by"):
        return f"due at {one['again_at']}, by process {', '.join(str(each.get('pid')) for each in one['retried_by'])}"
    return ""


def _facts(facts: Mapping[str, str], indent: int = 0) -> list[str]:
    known = {key: value for key, value in facts.items() if value}
    width = max((len(key) for key in known), default=0)
    return [f"{' ' * indent}{key.ljust(width)}  {printable(value)}" for key, value in known.items()]


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
