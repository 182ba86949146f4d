"""A running application in a few lines: for a terminal that redraws them, and for a log that takes only changes."""

from __future__ import annotations

import textwrap

from batch_submit.model import ApplicationReport
from batch_submit.plan.pending import Reason
from batch_submit.plan.spark_progress import Executor, SparkProgress, Stage
from batch_submit.plan.units import format_duration

_LABEL = 10
_BAR = 20
_MOST_STAGES = 4
#: Spark's descriptions may hold whole SQL statements.
_MOST_DOING = 100
#: A phase that every start passes through needs a remedy only when it has lasted so long.
_LASTS_MS = 30_000


def head_line(report: ApplicationReport) -> str:
    """Which application, its state, queue and age."""
    queue = f" in {report.queue}" if report.queue else ""
    elapsed = format_duration(report.elapsed_ms // 1000)
    return f"{report.application_id}: {report.state.value}{queue} ({elapsed})"


def stages_text(progress: SparkProgress) -> str:
    """What runs now, in one phrase."""
    shown = [stage_text(stage) for stage in progress.stages[:_MOST_STAGES]]
    if len(progress.stages) > _MOST_STAGES:
        shown.append(f"{len(progress.stages) - _MOST_STAGES} more stages")
    if not shown:
        if not progress.workers:
            shown.append("no executor yet" if not progress.lost else "no executor")
        elif not progress.running_jobs:
            shown.append("no job is running: the driver works by itself")
        else:
            shown.append("no stage is active")
    return "; ".join(shown)


def stage_text(stage: Stage) -> str:
    """One stage: which, what, how far."""
    again = f".{stage.attempt}" if stage.attempt else ""
    failed = f", {stage.failed} failed" if stage.failed else ""
    tasks = f"{stage.done}/{stage.tasks} tasks, {stage.active} active{failed}"
    return f"stage {stage.stage_id}{again} {stage.name}: {tasks}"


def doing_text(progress: SparkProgress) -> str:
    """What the driver says that it does, cut to a part of a line; "" when it says nothing."""
    text = progress.doing
    return text if len(text) <= _MOST_DOING else f"{text[: _MOST_DOING - 3]}..."


def totals_text(progress: SparkProgress) -> str:
    """Jobs, tasks and executors in numbers."""
    return f"{jobs_text(progress)}; {tasks_text(progress)}; {executors_text(progress)}"


def jobs_text(progress: SparkProgress) -> str:
    """How many jobs ended and how many run."""
    failed = f", {progress.jobs_failed} failed" if progress.jobs_failed else ""
    return f"jobs {progress.jobs_done} done, {len(progress.running_jobs)} running{failed}"


def tasks_text(progress: SparkProgress) -> str:
    """Tasks of all jobs so far."""
    known = sum(job.tasks for job in progress.jobs)
    failed = f", {progress.tasks_failed} failed" if progress.tasks_failed else ""
    return f"tasks {progress.tasks_done}/{known} done, {progress.tasks_active} active{failed}"


def executors_text(progress: SparkProgress) -> str:
    """How many executors there are, and how many were lost."""
    lost = f", {len(progress.lost)} lost" if progress.lost else ""
    cores = sum(one.cores for one in progress.workers)
    return f"executors {len(progress.workers)} ({cores} core{'' if cores == 1 else 's'}){lost}"


def lost_text(executor: Executor) -> str:
    """Which executor was lost, and why."""
    host = f" on {executor.host}" if executor.host else ""
    return f"executor {executor.executor_id}{host} was lost: {executor.short_reason}"


def stalled_text(stalled_s: float) -> str:
    """How long nothing has been finished."""
    return f"no task has finished for {format_duration(int(stalled_s) // 60 * 60 or int(stalled_s))}"


def brief_lines(
    report: ApplicationReport, reason: Reason | None, progress: SparkProgress | None, columns: int
) -> list[str]:
    """One line, and the reason below it while it waits: what ``submit`` and ``wait`` show on a terminal."""
    head = head_line(report)
    if progress is not None:
        doing = f"; {doing_text(progress)}" if progress.doing else ""
        head += f"{doing}; {executors_text(progress)}; {stages_text(progress)}"
    return [head, *(_wrapped("waits", reason.sentence, columns) if reason is not None else [])]


def panel_lines(
    report: ApplicationReport,
    reason: Reason | None,
    progress: SparkProgress | None,
    stalled_s: float,
    columns: int,
) -> list[str]:
    """The live display of ``monitor``.

    Parameters
    ----------
    stalled_s
        Seconds without a finished task, 0 when that is not worth a word.
    columns
        The width of the terminal.
    """
    name = f"  {report.name}" if report.name else ""
    lines = [head_line(report) + name]
    if reason is not None:
        lines += _wrapped("waits", reason.sentence, columns)
        if reason.remedy and (not reason.normal or report.elapsed_ms >= _LASTS_MS):
            lines += _wrapped("  next", reason.remedy, columns)
    if progress is not None:
        if progress.doing:
            lines.append("doing".ljust(_LABEL) + doing_text(progress))
        lines += _progress_lines(progress)
    elif report.running_containers >= 0 and report.allocated_memory_mib >= 0:
        held = f"{report.allocated_memory_mib} MiB, {report.allocated_vcores} vcores"
        containers = f"{report.running_containers} container{'' if report.running_containers == 1 else 's'}"
        lines.append(f"{'holds'.ljust(_LABEL)}{containers}, {held}")
    if stalled_s:
        lines.append("stalled".ljust(_LABEL) + stalled_text(stalled_s))
    return lines


def _progress_lines(progress: SparkProgress) -> list[str]:
    rows = [
        ("jobs", jobs_text(progress).removeprefix("jobs ")),
        ("tasks", tasks_text(progress).removeprefix("tasks ")),
        ("executors", executors_text(progress).removeprefix("executors ")),
    ]
    lines = [label.ljust(_LABEL) + text for label, text in rows]
    for stage in progress.stages[:_MOST_STAGES]:
        label = f"stage {stage.stage_id}" + (f".{stage.attempt}" if stage.attempt else "")
        numbers = f"{stage.done}/{stage.tasks}"
        failed = f", {stage.failed} failed" if stage.failed else ""
        spill = f", {_size(stage.spilled_bytes)} spilled" if stage.spilled_bytes else ""
        lines.append(
            f"{label.ljust(_LABEL)}{_bar(stage.done, stage.tasks)} {numbers} {stage.name}{failed}{_data(stage)}{spill}"
        )
    if len(progress.stages) > _MOST_STAGES:
        lines.append(" " * _LABEL + f"{len(progress.stages) - _MOST_STAGES} more stages")
    if not progress.stages:
        lines.append("stage".ljust(_LABEL) + stages_text(progress))
    for executor in progress.lost[-2:]:
        lines.append("lost".ljust(_LABEL) + lost_text(executor))
    return lines


def _bar(done: int, most: int) -> str:
    filled = _BAR * done // most if most > 0 else 0
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def _data(stage: Stage) -> str:
    parts = {"read": stage.input_bytes, "shuffle read": stage.shuffle_read_bytes, "written": stage.shuffle_write_bytes}
    shown = [f"{_size(size)} {what}" for what, size in parts.items() if size >= 1024 * 1024]
    return f", {', '.join(shown)}" if shown else ""


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _wrapped(label: str, text: str, columns: int) -> list[str]:
    width = max(30, columns - 1 - _LABEL)
    parts = textwrap.wrap(text, width, break_long_words=True) or [""]
    return [(label if number == 0 else "").ljust(_LABEL) + part for number, part in enumerate(parts)]
