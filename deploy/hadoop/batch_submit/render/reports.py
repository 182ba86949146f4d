"""Applications as tables, lines and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from batch_submit.model import ApplicationReport
from batch_submit.plan.units import format_duration

_COLUMNS = ("id", "name", "user", "queue", "state", "final status", "started", "elapsed")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of texts as lines with aligned columns, two spaces apart."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def local_time(milliseconds: int) -> str:
    """A server's time in the local zone, to the second; "-" for none."""
    if milliseconds <= 0:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def application_table(reports: Sequence[ApplicationReport]) -> list[str]:
    """A table of applications, in the order given."""
    if not reports:
        return ["no applications"]
    rows = [
        (
            report.application_id,
            report.name,
            report.user,
            report.queue or "-",
            report.state.value,
            report.final_status.value,
            local_time(report.started_ms),
            format_duration(report.elapsed_ms // 1000),
        )
        for report in reports
    ]
    return aligned([_COLUMNS, *rows])


def application_lines(report: ApplicationReport) -> list[str]:
    """Everything known of one application, one fact per line."""
    facts = {
        "id": report.application_id,
        "name": report.name,
        "type": report.application_type,
        "user": report.user,
        "queue": report.queue or "-",
        "state": report.state.value,
        "final status": report.final_status.value,
        "progress": f"{report.progress:.0f} %",
        "started": local_time(report.started_ms),
        "finished": local_time(report.finished_ms),
        "elapsed": format_duration(report.elapsed_ms // 1000),
        "containers": str(report.running_containers) if report.running_containers >= 0 else "-",
        "memory now": f"{report.allocated_memory_mib} MiB" if report.allocated_memory_mib >= 0 else "-",
        "vcores now": str(report.allocated_vcores) if report.allocated_vcores >= 0 else "-",
        "memory-seconds": f"{report.memory_seconds} MiB s",
        "vcore-seconds": str(report.vcore_seconds),
        "tags": ", ".join(report.tags) or "-",
        "tracking URL": report.tracking_url or "-",
        "log aggregation": report.log_aggregation_status or "-",
    }
    width = max(len(key) for key in facts)
    lines = [f"{key.ljust(width)}  {value}" for key, value in facts.items()]
    diagnostics = [line.strip() for line in report.diagnostics.splitlines() if line.strip()]
    if diagnostics:
        lines += ["diagnostics", *(f"  {line}" for line in diagnostics)]
    return lines


def report_json(report: ApplicationReport) -> dict[str, object]:
    """An application for machines; times in milliseconds since the epoch, memory in MiB."""
    return {
        "application_id": report.application_id,
        "name": report.name,
        "application_type": report.application_type,
        "user": report.user,
        "queue": report.queue,
        "state": report.state.value,
        "final_status": report.final_status.value,
        "progress": report.progress,
        "started_ms": report.started_ms,
        "finished_ms": report.finished_ms,
        "elapsed_ms": report.elapsed_ms,
        "memory_seconds": report.memory_seconds,
        "vcore_seconds": report.vcore_seconds,
        "allocated_memory_mib": report.allocated_memory_mib,
        "allocated_vcores": report.allocated_vcores,
        "running_containers": report.running_containers,
        "tags": list(report.tags),
        "tracking_url": report.tracking_url,
        "log_aggregation_status": report.log_aggregation_status,
        "diagnostics": report.diagnostics,
    }
