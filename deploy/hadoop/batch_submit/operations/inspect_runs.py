"""``wait``: wait for a run that was submitted before; whoever attaches also renews its time limit."""

from __future__ import annotations

import json

from batch_submit.data_classes import dataclass
from batch_submit.operations.context import DEFAULT_RM_PATIENCE_S, Selection, rm_patience
from batch_submit.operations.lifetimes import limited
from batch_submit.operations.recorded import ended_before
from batch_submit.operations.save_logs import logs_folder
from batch_submit.operations.targets import Target, resolve
from batch_submit.operations.waiting import Waited, Waiting, end_json, wait_for_end
from batch_submit.plan.units import parse_duration_s
from batch_submit.services import Services


@dataclass(frozen=True)
class WaitOptions:
    """``wait`` as typed; times in seconds."""

    wait_timeout_s: float | None = None
    kill_on_exit: bool = False
    as_json: bool = False


def wait_for_run(services: Services, selection: Selection, text: str, options: WaitOptions) -> int:
    """Wait for a run; the exit code is the run's."""
    target = resolve(services, selection, text)
    verdict = ended_before(services, target)
    if verdict is not None:
        return _answered(services, Waited(target.application_id, verdict, int(verdict.exit_code)), options)
    params = target.run.params if target.run is not None else {}
    timeout_s = target.run.limit_s(target.application_id) if target.run is not None else None
    waiting = Waiting(
        services,
        target.backend,
        target.application_id,
        target.recorder,
        rm_patience_s=rm_patience(target.context) if target.context is not None else DEFAULT_RM_PATIENCE_S,
        timeout_s=timeout_s,
        lifetime=limited(services, target.backend, target.application_id, timeout_s),
        wait_timeout_s=options.wait_timeout_s or _configured_wait_timeout(target),
        kill_on_exit=options.kill_on_exit or _configured(target, "execution.kill_on_exit") is True,
        metrics_path=str(params.get("metrics_path", "")),
        model_path=str(params.get("model_path", "")),
        save_logs_to=logs_folder(target.context, target.backend) if target.context is not None else "",
        run_id=target.run_id,
    )
    with services.clock.listening() as signals:
        waited = wait_for_end(waiting, signals)
    return _answered(services, waited, options)


def _answered(services: Services, waited: Waited, options: WaitOptions) -> int:
    if options.as_json:
        services.terminal.answer(json.dumps(end_json(waited), sort_keys=True))
    else:
        services.terminal.answer(waited.application_id)
    return waited.code


def _configured(target: Target, key: str) -> object:
    return target.context.config.value(key) if target.context is not None else None


def _configured_wait_timeout(target: Target) -> float | None:
    named = _configured(target, "execution.wait_timeout")
    return float(parse_duration_s(str(named))) if named is not None else None
