"""Log files as a table, as JSON, and as the line above a file's content."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.container_logs import ApplicationLogs, ContainerLogs, LogFile
from batch_submit.plan.log_selection import attempt_of, role_of
from batch_submit.render.reports import aligned, local_time
from batch_submit.render.tables import printable

_COLUMNS = ("container", "role", "node", "file", "size", "modified")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(size: int | None) -> str:
    """Bytes for people: ``19.3 KiB``; "-" when unknown."""
    if size is None:
        return "-"
    value, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def log_table(logs: ApplicationLogs, chosen: Sequence[ContainerLogs], width: int | None = None) -> list[str]:
    """One row for each file.

    Parameters
    ----------
    width
        Columns of the terminal; where the table does not fit, container ids are shown by their ending (which
        ``--container`` takes), then the node and the time are left out. ``None``: as wide as it is.
    """
    rows = [_COLUMNS, *(_row(logs, one) for one in chosen)]
    table = aligned(rows)
    for hidden in ((), ("node",), ("node", "modified")):
        if width is None or max(map(len, table)) <= width:
            break
        shown = [column for column, name in enumerate(_COLUMNS) if name not in hidden]
        table = aligned([[_ending(row[0]) if column == 0 else row[column] for column in shown] for row in rows])
    return table


def _row(logs: ApplicationLogs, one: ContainerLogs) -> tuple[str, ...]:
    file = one.file
    return (
        file.container_id,
        role_of(logs, file.container_id),
        file.node or "-",
        file.name,
        size_text(file.size),
        local_time(file.modified_ms),
    )


def _ending(container_id: str) -> str:
    """Attempt and number: ``container_1700000000000_0042_01_000002`` -> ``01_000002``."""
    return "_".join(container_id.split("_")[-2:]) if container_id.startswith("container_") else container_id


def log_json(logs: ApplicationLogs, chosen: Sequence[ContainerLogs]) -> list[dict[str, object]]:
    """One object for each file; ``size_bytes`` is null when the source does not say, ``modified_ms`` then 0."""
    return [
        {
            "container_id": one.file.container_id,
            "role": role_of(logs, one.file.container_id).partition(" ")[0],
            "executor_id": logs.executors.get(one.file.container_id, ""),
            "attempt": attempt_of(one.file.container_id, logs.drivers),
            "node": one.file.node,
            "file": one.file.name,
            "size_bytes": one.file.size,
            "modified_ms": one.file.modified_ms,
            "complete": one.file.complete,
            "source": one.source.name,
        }
        for one in chosen
    ]


def header(file: LogFile) -> str:
    """``==> container_…/stdout (host:8041, 1.8 KiB) <==``."""
    about = ", ".join(text for text in (file.node, size_text(file.size) if file.size is not None else "") if text)
    return printable(f"==> {file.container_id}/{file.name}{f' ({about})' if about else ''} <==")
