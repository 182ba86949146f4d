"""Waiting for a run's end, shared by ``submit`` and ``wait``: verdict, record, clean-up, result, signals."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.model import ApplicationReport, Result, State, Verdict
from batch_submit.operations.following import FollowOptions, Style, follower_of
from batch_submit.operations.late_arrivals import Beside
from batch_submit.operations.recording import Recorder
from batch_submit.operations.run_verdicts import of_the_run
from batch_submit.operations.watch import Watcher, WatchLimits, describe, kill_and_confirm
from batch_submit.plan.backend_choice import LOCAL
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
    run_id
        The run that is waited for, whichever application it goes on as; "" waits for this application alone.
    passed_over
        Its try was given up before it was accepted; see :class:`batch_submit.operations.late_arrivals.Beside`.
    claimed
        See there.
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
    run_id: str = ""
    passed_over: bool = False
    claimed: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True)
class Waited:
    """How a wait came out.

    Parameters
    ----------
    application_id
        What was waited for in the end: a run may have gone on as another application.
    verdict
        ``None`` when a signal ended the waiting.
    code
        The exit code.
    """

    application_id: str
    verdict: Verdict | None
    code: int


def wait_for_end(waiting: Waiting, signals: Signals) -> Waited:
    """Wait, then record the verdict, clean up after a failure, and show the result."""
    services = waiting.services
    began = services.clock.monotonic()
    while True:
        beside = None
        if waiting.recorder is not None:
            beside = Beside(services, waiting.backend, waiting.recorder, waiting.passed_over, waiting.claimed)
        watcher = _watcher(waiting, signals, services.clock.monotonic() - began, beside)
        verdict = watcher.run()
        known = of_the_run(waiting, beside, verdict) if verdict is not None else None
        if isinstance(known, Verdict) and known.result is Result.FAILED:
            from batch_submit.operations.next_try import Left, after_failure

            left_s = waiting.wait_timeout_s
            left_s = left_s - (services.clock.monotonic() - began) if left_s is not None else None
            further = after_failure(waiting, known, signals, left_s)
            if isinstance(further, Left):
                return Waited(waiting.application_id, further.verdict, further.code)
            known = further
        if not isinstance(known, ApplicationReport):
            break
        waiting = _going_on_as(waiting, known)
    if waiting.lifetime is not None and _is_left(waiting, known):
        waiting.lifetime.left()
    if known is None:
        return Waited(waiting.application_id, None, _interrupted(waiting, signals, watcher.doubt))
    conclude(waiting, known)
    if waiting.save_logs_to:
        from batch_submit.operations.save_logs import save_logs

        save_logs(services, waiting.backend, known.report, waiting.save_logs_to, signals)
    return Waited(known.application_id, known, int(known.exit_code))


def _watcher(waiting: Waiting, signals: Signals, waited_s: float, beside: Beside | None) -> Watcher:
    """Who watches the application; ``waited_s`` is spent of our waiting."""
    services, left_s = waiting.services, waiting.wait_timeout_s
    if left_s is not None:
        left_s = max(0.0, left_s - waited_s)
    return Watcher(
        waiting.backend,
        waiting.application_id,
        services.clock,
        services.terminal,
        WatchLimits(waiting.timeout_s, left_s, waiting.rm_patience_s),
        signals,
        follower_of(waiting.backend, waiting.application_id, services.clock, services.terminal, waiting.follow),
        waiting.follow.interval_s,
        waiting.recorder.seen if waiting.recorder is not None else None,
        beside.look if beside is not None else lambda: None,
        waiting.lifetime,
    )


def _is_left(waiting: Waiting, verdict: Verdict | None) -> bool:
    """Whether nobody of this call ends the run at its time any more, and it may go on."""
    if verdict is None:
        return not waiting.kill_on_exit
    return verdict.result in (Result.STILL_RUNNING, Result.UNKNOWN) and not verdict.state.terminal


def _going_on_as(waiting: Waiting, report: ApplicationReport) -> Waiting:
    """The same wait for another application of the run; the run's time limit is set for it too."""
    lifetime = waiting.lifetime.passed_on(report.application_id) if waiting.lifetime is not None else None
    return replace(waiting, application_id=report.application_id, lifetime=lifetime)


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
    # Where only the application is known to have ended, the run is what to ask about.
    what = waiting.run_id if verdict.result is Result.UNKNOWN and verdict.state.terminal else ""
    lines = describe(verdict, lambda kind: hints.get(kind, ""), explanation, _verb(waiting), what)
    if final and verdict.state in (State.FAILED, State.KILLED):
        for line in backend.after_failure(waiting.application_id):
            terminal.debug(line)
    if hints.get("page"):
        lines.insert(1, f"  page: {hints['page']}")
    if explanation and backend.name == LOCAL:
        lines.insert(1, f"  driver's log: {hints.get('logs', '').removeprefix('cat ')}")
    terminal.error(lines)


def end_json(waited: Waited) -> dict[str, object]:
    """What ``wait --json`` and ``monitor --json`` answer; without a verdict when a signal ended the waiting."""
    verdict = waited.verdict
    answer: dict[str, object] = {"application_id": waited.application_id, "exit_code": waited.code}
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


def _interrupted(waiting: Waiting, signals: Signals, doubt: str) -> int:
    """A signal ended the waiting: the application goes on, or with ``--kill-on-exit`` is killed, confirmed.

    Parameters
    ----------
    doubt
        Why it is not known whether it runs; "" when it was seen a moment ago.

    Returns
    -------
    int
        The exit code.
    """
    terminal, backend = waiting.services.terminal, waiting.backend
    name = signal.Signals(signals.first).name
    code = 128 + signals.first
    hints = backend.hints(waiting.application_id)
    goes_on = backend.leave()
    if not goes_on and not waiting.kill_on_exit:
        terminal.note(f"{name}: told the driver of {waiting.application_id} to end (deploy_mode client)")
        terminal.note(f"  see its end:  batch-submit wait {waiting.application_id}")
        return code
    if not waiting.kill_on_exit:
        verb = _verb(waiting)
        what = {"monitor": "watching", "wait": "waiting"}[verb]
        how = f"{waiting.application_id} goes on running"
        if doubt:
            how = f"whether {waiting.application_id} runs is not known: {doubt}"
        terminal.note(f"{name}: no longer {what}; {how}")
        terminal.note(f"  kill it:      {hints.get('kill', '')}")
        terminal.note(f"  wait for it:  batch-submit {verb} {waiting.application_id}")
        return code
    terminal.note(f"{name}: killing {waiting.application_id} (--kill-on-exit)")
    try:
        verdict = kill_and_confirm(
            backend, waiting.application_id, waiting.services.clock, stop=lambda: len(signals.received) > 1
        )
    except BatchSubmitError as error:
        terminal.error(
            [f"{waiting.application_id} could not be killed: {error.message}", f"  next: {hints.get('kill')}"]
        )
        return code
    if verdict is None:
        terminal.error([f"{waiting.application_id} was asked to end and has not yet", f"  next: {hints.get('kill')}"])
        return code
    terminal.note(f"{waiting.application_id}: {verdict.result.value}")
    if waiting.recorder is not None:
        waiting.recorder.finished(verdict)
    backend.after_failure(waiting.application_id)
    return code
