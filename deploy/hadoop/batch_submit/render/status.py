"""``status``: one application as lines for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batch_submit.model import ApplicationFacts, AttemptReport, SparkHistoryReport, State
from batch_submit.plan.units import format_duration
from batch_submit.render.listing import listed_json
from batch_submit.render.reports import local_time
from batch_submit.render.tables import printable


def status_lines(facts: ApplicationFacts) -> list[str]:
    """Everything known, one fact per line, in groups; what a source does not tell is left out or "-"."""
    groups = [_who(facts), _how_it_stands(facts), _resources(facts), _where(facts)]
    if facts.history is not None:
        groups.append(_history(facts.history))
    width = max(len(key) for group in groups for key in group)
    lines: list[str] = []
    for group in groups:
        if group:
            lines += [""] if lines else []
            lines += [f"{key.ljust(width)}  {printable(value)}" for key, value in group.items()]
    if facts.attempts:
        lines += ["", "attempts", *(line for one in facts.attempts for line in _attempt(one))]
    diagnostics = [line.strip() for line in facts.listed.report.diagnostics.splitlines() if line.strip()]
    if diagnostics:
        lines += ["", "diagnostics", *(f"  {printable(line)}" for line in diagnostics)]
    return lines


def _who(facts: ApplicationFacts) -> dict[str, str]:
    report = facts.listed.report
    return {
        "id": report.application_id,
        "name": report.name or "-",
        "run": facts.run_id or "-",
        "type": ", ".join(word for word in (facts.listed.job_type, report.application_type) if word) or "-",
        "user": report.user or "-",
        "queue": report.queue or "-",
        "priority": "-" if facts.listed.forgotten else str(report.priority),
        "tags": ", ".join(report.tags) or "-",
    }


def _how_it_stands(facts: ApplicationFacts) -> dict[str, str]:
    report = facts.listed.report
    known = report.state is not State.UNKNOWN
    found = {
        "state": report.state.value if known else "unknown",
        "final status": report.final_status.value if known else "unknown",
    }
    if facts.listed.result:
        found["result"] = facts.listed.result
    if facts.next_try:
        found["next try"] = f"{facts.next_try}; to end the run: batch-submit kill {facts.run_id}"
    found["source"] = (
        f"{facts.source}; the ResourceManager has forgotten it" if facts.listed.forgotten else facts.source
    )
    if not facts.listed.forgotten:
        found["progress"] = f"{report.progress:.0f} %"
    found["started"] = local_time(report.started_ms)
    if report.launched_ms and report.launched_ms > report.started_ms:
        waited = format_duration((report.launched_ms - report.started_ms) / 1000)
        found["launched"] = f"{local_time(report.launched_ms)} (waited {waited})"
    found["finished"] = local_time(report.finished_ms)
    found["elapsed"] = format_duration(report.elapsed_ms // 1000) if report.elapsed_ms else "-"
    if limit := _limit(facts):
        found["killed at"] = limit
    return found


def _limit(facts: ApplicationFacts) -> str:
    """When YARN kills it, and whether that is its own ``--timeout``; "" for no limit."""
    report = facts.listed.report
    if report.state.terminal:
        return ""
    missing = ""
    if facts.limit_s is not None and facts.source == "ResourceManager" and not report.is_limited_to(facts.limit_s):
        limit = format_duration(facts.limit_s)
        missing = f"though its --timeout is {limit}; next: batch-submit wait {facts.run_id}"
    if not report.lifetime_expiry_ms:
        return f"no limit is set, {missing}" if missing else ""
    left = f" ({format_duration(report.lifetime_left_s)} left)" if report.lifetime_left_s > 0 else ""
    told = f"{local_time(report.lifetime_expiry_ms)}{left}, unless it has ended (LIFETIME)"
    return f"{told}: the limit of its queue, {missing}" if missing else told


def _resources(facts: ApplicationFacts) -> dict[str, str]:
    report = facts.listed.report
    used = {"used in sum": f"{report.memory_seconds} MiB s, {report.vcore_seconds} vcore s"}
    if facts.listed.forgotten:
        return used if report.memory_seconds else {}

    def now(memory_mib: int, vcores: int) -> str:
        return f"{memory_mib} MiB, {vcores} vcores" if memory_mib >= 0 and vcores >= 0 else "-"

    found = {
        "containers": str(report.running_containers) if report.running_containers >= 0 else "-",
        "allocated now": now(report.allocated_memory_mib, report.allocated_vcores),
    }
    if report.reserved_memory_mib > 0:
        found["reserved now"] = now(report.reserved_memory_mib, report.reserved_vcores)
    if report.queue_usage_percent > 0:
        shares = f"{report.queue_usage_percent:.1f} % of the queue, {report.cluster_usage_percent:.1f} % of the cluster"
        found["share now"] = shares
    found |= used
    if report.preempted_containers:
        taken = now(report.preempted_memory_mib, report.preempted_vcores)
        found["preempted"] = f"{report.preempted_containers} containers, {taken}"
    return found


def _where(facts: ApplicationFacts) -> dict[str, str]:
    report = facts.listed.report
    if facts.listed.forgotten:
        return {"tracking URL": report.tracking_url} if report.tracking_url else {}
    found = {"tracking URL": report.tracking_url or "-"}
    if report.tracking_ui and report.tracking_ui != "UNASSIGNED":
        found["tracking URL"] += f" ({report.tracking_ui})"
    if report.am_node_http:
        found["driver's node"] = report.am_node_http
    found["log aggregation"] = report.log_aggregation_status or "-"
    return found


def _history(history: SparkHistoryReport) -> dict[str, str]:
    ended = "its event log is complete" if history.completed else "its event log has no end"
    return {
        "Spark history": f"{ended}; how it ended does not stand there",
        "Spark version": history.spark_version or "-",
        "history page": history.page,
    }


def _attempt(one: AttemptReport) -> Iterator[str]:
    times = f"{local_time(one.started_ms)} to {local_time(one.finished_ms)}" if one.started_ms else ""
    words = [str(one.number), one.state or "-", times, f"on {one.node}" if one.node else ""]
    yield "  " + "  ".join(word for word in words if word)
    for text in (one.container_id, one.logs_url):
        if text:
            yield f"     {printable(text)}"


def status_json(facts: ApplicationFacts) -> dict[str, object]:
    """The same for machines: the keys of ``list --json``, and more. Times in milliseconds, memory in MiB."""
    report = facts.listed.report
    return {
        **listed_json(facts.listed),
        "run_id": facts.run_id,
        "source": facts.source,
        "priority": report.priority,
        "launched_ms": report.launched_ms,
        "tracking_ui": report.tracking_ui,
        "driver_logs_url": report.am_container_logs,
        "driver_node": report.am_node_http,
        "reserved_memory_mib": report.reserved_memory_mib,
        "reserved_vcores": report.reserved_vcores,
        "queue_usage_percent": report.queue_usage_percent,
        "cluster_usage_percent": report.cluster_usage_percent,
        "preempted_memory_mib": report.preempted_memory_mib,
        "preempted_vcores": report.preempted_vcores,
        "preempted_containers": report.preempted_containers,
        "lifetime_expiry_ms": report.lifetime_expiry_ms,
        "lifetime_left_s": report.lifetime_left_s,
        "next_try_at": facts.next_try_at,
        "attempts": [_attempt_json(one) for one in facts.attempts],
        "spark_history": _history_json(facts.history) if facts.history is not None else None,
    }


def _attempt_json(one: AttemptReport) -> Mapping[str, object]:
    return {
        "number": one.number,
        "attempt_id": one.attempt_id,
        "state": one.state,
        "container_id": one.container_id,
        "node": one.node,
        "node_http": one.node_http,
        "logs_url": one.logs_url,
        "started_ms": one.started_ms,
        "finished_ms": one.finished_ms,
    }


def _history_json(history: SparkHistoryReport) -> Mapping[str, object]:
    return {
        "completed": history.completed,
        "spark_version": history.spark_version,
        "attempts": history.attempts,
        "started_ms": history.started_ms,
        "ended_ms": history.ended_ms,
        "page": history.page,
    }
