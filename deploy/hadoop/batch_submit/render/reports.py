"""What several reports share: a server's time for people, and an application for machines."""

from __future__ import annotations

from datetime import datetime

from batch_submit.model import ApplicationReport
from batch_submit.render.tables import aligned

__all__ = ["aligned", "local_time", "report_json"]


def local_time(milliseconds: int) -> str:
    """A server's time in the local zone, to the second; "-" for none."""
    if milliseconds <= 0:
        return "-"
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


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
