"""``list``, ``status``, ``kill`` and ``wait``: what runs, how one run stands, ending it, waiting for it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode
from batch_submit.model import judge
from batch_submit.operations.context import Selection, open_backend, open_context
from batch_submit.operations.submit import rm_patience
from batch_submit.operations.targets import Target, resolve
from batch_submit.operations.waiting import Waiting, wait_for_end
from batch_submit.operations.watch import DEFAULT_RM_PATIENCE_S, kill_and_confirm
from batch_submit.plan.units import parse_duration_s
from batch_submit.render.reports import application_lines, application_table, report_json
from batch_submit.services import Services


@dataclass(frozen=True)
class WaitOptions:
    """``wait`` as typed; times in seconds."""

    wait_timeout_s: float | None = None
    kill_on_exit: bool = False
    as_json: bool = False


def list_applications(services: Services, selection: Selection, *, as_json: bool) -> int:
    """Our own applications (tag ``batch-submit``, own user), newest first."""
    backend = open_backend(open_context(services, selection))
    reports = backend.applications()
    if as_json:
        services.terminal.answer(json.dumps([report_json(report) for report in reports]))
    else:
        services.terminal.answer("\n".join(application_table(reports)))
    return ExitCode.SUCCEEDED


def show_status(services: Services, selection: Selection, text: str, *, as_json: bool) -> int:
    """Everything known of one application."""
    target = resolve(services, selection, text)
    report = target.backend.report(target.application_id)
    if as_json:
        services.terminal.answer(json.dumps(report_json(report)))
    else:
        services.terminal.answer("\n".join(application_lines(report)))
    return ExitCode.SUCCEEDED


def kill_applications(services: Services, selection: Selection, texts: Sequence[str], *, as_json: bool) -> int:
    """End applications and confirm it; exit code 0 when every one is terminal."""
    code = ExitCode.SUCCEEDED
    became: list[dict[str, str]] = []
    for text in texts:
        try:
            target = resolve(services, selection, text)
            verdict = kill_and_confirm(target.backend, target.application_id, services.clock)
        except BatchSubmitError as error:
            services.terminal.error(error.lines())
            code = max(code, error.exit_code)
            became.append({"target": text, "error": error.message})
            continue
        if verdict is None:
            services.terminal.warn(f"{target.application_id} was asked to end and has not yet")
            code = max(code, ExitCode.UNKNOWN)
            became.append({"target": text, "application_id": target.application_id, "result": "asked to end"})
            continue
        if target.recorder is not None:
            target.recorder.finished(verdict)
        target.backend.after_failure(target.application_id)
        became.append({"target": text, "application_id": target.application_id, "result": verdict.result.value})
        if not as_json:
            services.terminal.answer(f"{target.application_id} {verdict.result.value}")
    if as_json:
        services.terminal.answer(json.dumps(became))
    return int(code)


def wait_for_run(services: Services, selection: Selection, text: str, options: WaitOptions) -> int:
    """Wait for a run; the exit code is the run's."""
    target = resolve(services, selection, text)
    if target.run is None:
        # Nobody here has ever heard of it: a cluster that has not either is an answer, not a reason to wait.
        with contextlib.suppress(ClusterUnreachable):
            target.backend.report(target.application_id)
    params = target.run.params if target.run is not None else {}
    timeout_s = target.run.timeout_s if target.run is not None else None
    waiting = Waiting(
        services,
        target.backend,
        target.application_id,
        target.recorder,
        rm_patience_s=rm_patience(target.context) if target.context is not None else DEFAULT_RM_PATIENCE_S,
        timeout_s=timeout_s,
        lifetime_set=_renew_lifetime(target, timeout_s),
        wait_timeout_s=options.wait_timeout_s or _configured_wait_timeout(target),
        kill_on_exit=options.kill_on_exit or _configured(target, "execution.kill_on_exit") is True,
        metrics_path=str(params.get("metrics_path", "")),
        model_path=str(params.get("model_path", "")),
    )
    with services.clock.listening() as signals:
        verdict, code = wait_for_end(waiting, signals)
    if options.as_json:
        answer: dict[str, object] = {"application_id": target.application_id, "exit_code": code}
        if verdict is not None:
            answer |= {"result": verdict.result.value, "state": verdict.state.value, "reason": verdict.reason}
        services.terminal.answer(json.dumps(answer, sort_keys=True))
    else:
        services.terminal.answer(target.application_id)
    return code


def _configured(target: Target, key: str) -> object:
    return target.context.config.value(key) if target.context is not None else None


def _configured_wait_timeout(target: Target) -> float | None:
    named = _configured(target, "execution.wait_timeout")
    return float(parse_duration_s(str(named))) if named is not None else None


def _renew_lifetime(target: Target, timeout_s: float | None) -> bool:
    """Whoever attaches sets the run's time limit again: the first caller may have died before it could."""
    if timeout_s is None:
        return False
    try:
        if judge(target.backend.report(target.application_id)) is not None:
            return True
        return target.backend.limit_lifetime(target.application_id, timeout_s)
    except BatchSubmitError:
        return False
