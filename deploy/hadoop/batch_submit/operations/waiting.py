"""Waiting for a run's end, shared by ``submit`` and ``wait``: verdict, record, clean-up, result, signals."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.model import Result, State, Verdict
from batch_submit.operations.following import FollowOptions, Style, follower_of
from batch_submit.operations.late_arrivals import Beside
from batch_submit.operations.recording import Recorder
from batch_submit.operations.watch import Watcher, WatchLimits, describe, kill_and_confirm
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.resume import try_number_of
from batch_submit.render.metrics import metrics_lines
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.diagnosis.explain import Diagnosis
    from batch_submit.operations.lifetimes import Lifetime

_METRICS_LIMIT = 1_000_000


@dataclass(frozen=True)
class Waiting:
    """What is waited for, and how; times in seconds. See :class:`batch_submit.operations.watch.WatchLimits`.

    Parameters
    ----------
    lifetime
        The limit that YARN is to hold; put again while it does not.
    learn
        Gets the diagnosis of a bad end.
    """

    services: Services
    backend: Backend
    application_id: str
    recorder: Recorder | None
    rm_patience_s: float
    timeout_s: float | None = None
    lifetime: Lifetime | None = None
    wait_timeout_s: float | None = None
    kill_on_exit: bool = False
    metrics_path: str = ""
    model_path: str = ""
    follow: FollowOptions = field(default_factory=FollowOptions)
    save_logs_to: str = ""
    learn: Callable[[Diagnosis], None] | None = None


def wait_for_end(waiting: Waiting, signals: Signals) -> tuple[Verdict | None, int]:
    """Wait, then record the verdict, clean up after a failure, and show the result.

    Returns
    -------
    (Verdict or None, int)
        The verdict (``None`` when a signal ended the waiting) and the exit code.
    """
    limits = WatchLimits(waiting.timeout_s, waiting.wait_timeout_s, waiting.rm_patience_s)
    services = waiting.services
    beside = Beside(services, waiting.backend, waiting.recorder, waiting.application_id) if waiting.recorder else None
    watcher = Watcher(
        waiting.backend,
        waiting.application_id,
        services.clock,
        services.terminal,
        limits,
        signals,
        follower_of(waiting.backend, waiting.application_id, services.clock, services.terminal, waiting.follow),
        waiting.follow.interval_s,
        waiting.recorder.seen if waiting.recorder is not None else None,
        beside.look if beside is not None else lambda: None,
        waiting.lifetime,
    )
    verdict = watcher.run()
    if waiting.lifetime is not None and _is_left(waiting, verdict):
        waiting.lifetime.left()
    if verdict is None:
        return _interrupted(waiting, signals)
    if beside is not None:
        verdict = _of_the_run(waiting, beside, verdict)
    conclude(waiting, verdict)
    if waiting.save_logs_to:
        from batch_submit.operations.save_logs import save_logs

        save_logs(services, waiting.backend, verdict.report, waiting.save_logs_to, signals)
    return verdict, int(verdict.exit_code)


def _is_left(waiting: Waiting, verdict: Verdict | None) -> bool:
    """Whether nobody of this call ends the run at its time any more, and it may go on."""
    if verdict is None:
        return not waiting.kill_on_exit
    return verdict.result in (Result.STILL_RUNNING, Result.UNKNOWN)


def _of_the_run(waiting: Waiting, beside: Beside, verdict: Verdict) -> Verdict:
    """The verdict on the run: an earlier try that was given up and succeeded after all is its success."""
    if verdict.result is Result.STILL_RUNNING:
        return verdict
    beside.look(now=True)
    late = beside.succeeded_beside
    if late is None or verdict.result is Result.SUCCEEDED:
        return verdict
    if verdict.state.terminal and waiting.recorder is not None:
        waiting.recorder.finished(verdict)
    if waiting.recorder is not None and late.report is not None:
        waiting.recorder.finished(late, try_number_of(late.report), "arrived late, after it was given up")
    waiting.services.terminal.note(
        f"{waiting.application_id}: {verdict.result.value}; the run is done: {late.application_id} arrived late and"
        " succeeded"
    )
    return late


def conclude(waiting: Waiting, verdict: Verdict) -> None:
    """Record a verdict, tell it with its probable cause, and clean up."""
    terminal, backend = waiting.services.terminal, waiting.backend
    final = verdict.result not in (Result.STILL_RUNNING, Result.UNKNOWN)
    if waiting.recorder is not None and final:
        waiting.recorder.finished(verdict)
    hints = backend.hints(waiting.application_id)
    if verdict.result is Result.SUCCEEDED:
        terminal.note(describe(verdict, lambda kind: hints.get(kind, ""))[0])
        _show_result(waiting)
        return
    explanation: list[str] = []
    if final:
        from batch_submit.operations.diagnose import explain_end  # its rules are of no use to a run that succeeds

        found, explanation = explain_end(waiting.services, backend, verdict)
        if waiting.learn is not None:
            waiting.learn(found)
        if waiting.recorder is not None:
            waiting.recorder.diagnosed(verdict.application_id, found.rule, found.cause)
    lines = describe(verdict, lambda kind: hints.get(kind, ""), explanation, _verb(waiting))
    if final and verdict.state in (State.FAILED, State.KILLED):
        for line in backend.after_failure(waiting.application_id):
            terminal.debug(line)
    if hints.get("page"):
        lines.insert(1, f"  page: {hints['page']}")
    if explanation and backend.name == LOCAL:
        lines.insert(1, f"  driver's log: {hints.get('logs', '').removeprefix('cat ')}")
    terminal.error(lines)


def end_json(application_id: str, verdict: Verdict | None, code: int) -> dict[str, object]:
    """What ``wait --json`` and ``monitor --json`` answer; without a verdict when a signal ended the waiting."""
    answer: dict[str, object] = {"application_id": application_id, "exit_code": code}
    if verdict is not None:
        answer |= {
            "result": verdict.result.value,
            "state": verdict.state.value,
            "final_status": verdict.final_status.value,
            "reason": verdict.reason,
        }
    return answer


def _show_result(waiting: Waiting) -> None:
    """The metrics of a training run as a table, and where model and metrics lie."""
    terminal = waiting.services.terminal
    if not waiting.metrics_path or waiting.backend.name == LOCAL:
        return  # a driver on this host has shown its own summary already
    try:
        data = waiting.backend.read_artifact(waiting.metrics_path, _METRICS_LIMIT)
        metrics = json.loads(data) if data is not None else None
    except (BatchSubmitError, ValueError, RecursionError) as error:
        terminal.note(f"the metrics can't be shown: {error}")
        metrics = None
    if isinstance(metrics, dict):
        for line in metrics_lines(metrics):
            terminal.note(line)
    if waiting.model_path:
        terminal.note(f"model:   {waiting.model_path}")
    terminal.note(f"metrics: {waiting.metrics_path}")


def _verb(waiting: Waiting) -> str:
    """The verb that goes on where this one stopped."""
    return "monitor" if waiting.follow.style is Style.FULL else "wait"


def _interrupted(waiting: Waiting, signals: Signals) -> tuple[Verdict | None, int]:
    """A signal ended the waiting: the application goes on, or with ``--kill-on-exit`` is killed, confirmed."""
    terminal, backend = waiting.services.terminal, waiting.backend
    name = signal.Signals(signals.first).name
    code = 128 + signals.first
    hints = backend.hints(waiting.application_id)
    goes_on = backend.leave()
    if not goes_on and not waiting.kill_on_exit:
        terminal.note(f"{name}: told the driver of {waiting.application_id} to end (deploy_mode client)")
        terminal.note(f"  see its end:  batch-submit wait {waiting.application_id}")
        return None, code
    if not waiting.kill_on_exit:
        verb = _verb(waiting)
        what = {"monitor": "watching", "wait": "waiting"}[verb]
        terminal.note(f"{name}: no longer {what}; {waiting.application_id} goes on running")
        terminal.note(f"  kill it:      {hints.get('kill', '')}")
        terminal.note(f"  wait for it:  batch-submit {verb} {waiting.application_id}")
        return None, code
    terminal.note(f"{name}: killing {waiting.application_id} (--kill-on-exit)")
    try:
        verdict = kill_and_confirm(
            backend, waiting.application_id, waiting.services.clock, stop=lambda: len(signals.received) > 1
        )
    except BatchSubmitError as error:
        terminal.error(
            [f"{waiting.application_id} could not be killed: {error.message}", f"  next: {hints.get('kill')}"]
        )
        return None, code
    if verdict is None:
        terminal.error([f"{waiting.application_id} was asked to end and has not yet", f"  next: {hints.get('kill')}"])
        return None, code
    terminal.note(f"{waiting.application_id}: {verdict.result.value}")
    if waiting.recorder is not None:
        waiting.recorder.finished(verdict)
    backend.after_failure(waiting.application_id)
    return None, code
