"""``monitor``: follow an application to its end, show what it does, and tell the result by the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable

from batch_submit.data_classes import dataclass
from batch_submit.operations.context import DEFAULT_RM_PATIENCE_S, Selection, rm_patience
from batch_submit.operations.following import DEFAULT_STALL_AFTER_S, FollowOptions, Style
from batch_submit.operations.lifetimes import set_where_missing
from batch_submit.operations.recorded import ended_before
from batch_submit.operations.save_logs import logs_folder
from batch_submit.operations.targets import Target, resolve
from batch_submit.operations.waiting import Waited, Waiting, end_json, wait_for_end
from batch_submit.render.narration import Event
from batch_submit.services import Services


@dataclass(frozen=True)
class MonitorOptions:
    """``monitor`` as typed; times in seconds.

    Parameters
    ----------
    interval_s
        The longest pause between two looks; ``None``: 5 s.
    stall_after_s
        How long no task may finish before that is told.
    json_lines
        Each event as one JSON line on stdout, the result as the last.
    """

    interval_s: float | None = None
    wait_timeout_s: float | None = None
    stall_after_s: float = DEFAULT_STALL_AFTER_S
    as_json: bool = False
    json_lines: bool = False


def monitor_run(services: Services, selection: Selection, text: str, options: MonitorOptions) -> int:
    """Follow an application or run; the exit code is the run's. Never ends it: that is asked of ``kill``.

    A time limit that the run was given and YARN does not hold is set.
    """
    target = resolve(services, selection, text)
    verdict = ended_before(services, target)
    if verdict is not None:
        return _answered(services, Waited(target.application_id, verdict, int(verdict.exit_code)), options)
    lifetime = set_where_missing(services, target)
    params = target.run.params if target.run is not None else {}
    sink = _json_lines(services, target) if options.json_lines else None
    waiting = Waiting(
        services,
        target.backend,
        target.application_id,
        target.recorder,
        rm_patience_s=rm_patience(target.context) if target.context is not None else DEFAULT_RM_PATIENCE_S,
        lifetime=lifetime,
        wait_timeout_s=options.wait_timeout_s,
        metrics_path=str(params.get("metrics_path", "")),
        model_path=str(params.get("model_path", "")),
        save_logs_to=logs_folder(target.context, target.backend) if target.context is not None else "",
        follow=FollowOptions(Style.FULL, options.interval_s, options.stall_after_s, sink),
        run_id=target.run_id,
    )
    with services.clock.listening() as signals:
        waited = wait_for_end(waiting, signals)
    return _answered(services, waited, options)


def _answered(services: Services, waited: Waited, options: MonitorOptions) -> int:
    answer = end_json(waited)
    if options.as_json or options.json_lines:
        event = {"event": "end"} if options.json_lines else {}
        services.terminal.answer(json.dumps({**event, **answer}, sort_keys=True))
    elif waited.verdict is not None:
        services.terminal.answer(f"{waited.application_id} {waited.verdict.result.value}")
    return waited.code


def _json_lines(services: Services, target: Target) -> Callable[[Event], None]:
    def write(event: Event) -> None:
        line = {"event": event.kind, "application_id": target.application_id, **event.data}
        line["time_ms"] = int(services.clock.now_utc().timestamp() * 1000)
        services.terminal.answer(json.dumps(line, sort_keys=True))

    return write
