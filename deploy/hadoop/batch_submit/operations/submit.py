"""``submit``: plan, record, launch, wait, tell the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.errors import (
    BatchSubmitError,
    ClusterUnreachable,
    ExitCode,
    Interrupted,
    OutcomeUnknown,
    RunConflict,
    UsageError,
)
from batch_submit.ledger import JsonLedger, Run, Try, TryState
from batch_submit.model import ApplicationReport, Result, Verdict, judge
from batch_submit.operations.context import Context, Selection, ledger_of, open_backend, open_context
from batch_submit.operations.dry_run import show_plan
from batch_submit.operations.launch_errors import after_launch, nothing_submitted
from batch_submit.operations.prepare import (
    Identified,
    SubmitCall,
    identify,
    jars_notice,
    make_plan,
    make_spec,
    python_needs,
    script_digest,
    with_preparation,
)
from batch_submit.operations.record_alone import attach_by_record, unless_on_record
from batch_submit.operations.recording import Recorder, TryRecord, known_of, stamp
from batch_submit.operations.save_logs import logs_folder
from batch_submit.operations.waiting import Waiting, conclude, wait_for_end
from batch_submit.plan.command import fingerprint_of, shell_command
from batch_submit.plan.resume import Action, Decision, decide, try_number_of
from batch_submit.plan.submission import JobSpec, SubmissionPlan
from batch_submit.plan.units import UnitError, format_duration, parse_duration_s
from batch_submit.services import Clock, Services

#: How long another process of this host may hold the same run before we say that we don't know.
_LOCK_PATIENCE_S = 120.0
#: Lines of what differs from the run that a run id was used for.
_MOST_SHOWN = 10


@dataclass(frozen=True)
class SubmitOptions:
    """What to do around the submission."""

    dry_run: bool = False
    as_json: bool = False
    wait: bool = True
    preflight: bool = True


@dataclass(frozen=True)
class Accepted:
    """What a submission led to: an application to follow, or a run that had succeeded before."""

    application_id: str
    recorder: Recorder | None
    attached: bool = False
    verdict: Verdict | None = None


def submit(services: Services, selection: Selection, call: SubmitCall, options: SubmitOptions) -> int:
    """Submit a job and, unless told otherwise, wait for its end.

    Returns
    -------
    int
        The exit code: of the verdict, or 0 for an accepted application with ``--no-wait``.

    Raises
    ------
    BatchSubmitError
        When nothing was submitted, or when it is not known (:class:`OutcomeUnknown`).
    """
    context = open_context(services, selection)
    identified = identify(context, call)
    if options.dry_run:
        return _dry_run(context, identified, options)
    with nothing_submitted(), unless_on_record(services, identified.run_id.value):
        backend = open_backend(context)
    ledger = ledger_of(services, backend)
    with services.clock.listening() as signals:
        with (
            nothing_submitted(),
            ledger.lock(
                identified.run_id.value,
                monotonic=services.clock.monotonic,
                sleep=lambda seconds: _sleep_or_stop(services.clock, signals, seconds),
                patience_s=_LOCK_PATIENCE_S,
            ),
        ):
            spec, accepted = _submit_once(context, identified, backend, ledger, signals, options)
        try:
            return _follow(context, spec, backend, accepted, signals, options)
        except BrokenPipeError:
            raise
        except Exception as error:
            # Whatever goes wrong from here on, an application was accepted: "retry safely" would be a lie.
            raise after_launch(error, spec.run_id, accepted.application_id) from error


def _sleep_or_stop(clock: Clock, signals: Signals, seconds: float) -> None:
    clock.sleep(seconds)
    if signals.received:
        raise Interrupted(signals.first)


def _dry_run(context: Context, identified: Identified, options: SubmitOptions) -> int:
    """Show the command. Touches neither cluster nor HDFS and needs neither Java nor Spark."""
    spec = make_spec(context, identified, day=None)
    _check_call(spec, options)
    plan = make_plan(context, spec, needed=False, try_number=None)
    _tell(context, plan)
    show_plan(context, plan, as_json=options.as_json)
    return ExitCode.SUCCEEDED


def _check_call(spec: JobSpec, options: SubmitOptions) -> None:
    if not options.wait and spec.backend == "yarn" and spec.deploy_mode == "client":
        raise UsageError(
            "--no-wait is not possible with deploy_mode client: the driver would end with this process",
            next_step="use deploy_mode: cluster, or wait",
        )


def _tell(context: Context, plan: SubmissionPlan) -> None:
    terminal = context.services.terminal
    for notice in plan.notices:
        terminal.note(notice)
    for text in (jars_notice(context, plan.spec), python_needs(plan.spec)):
        if text:
            terminal.note(text)
    attempts = plan.spec.conf.get("spark.yarn.maxAppAttempts")
    if attempts is not None and str(attempts.value) != "1":
        terminal.note(
            f"spark.yarn.maxAppAttempts={attempts.value} ({attempts.origin}): YARN may run a failed driver"
            f" {attempts.value} times inside one application"
        )


def _submit_once(
    context: Context,
    identified: Identified,
    backend: Backend,
    ledger: JsonLedger,
    signals: Signals,
    options: SubmitOptions,
) -> tuple[JobSpec, Accepted]:
    """Under the run's lock: find out what a repeated run id means, then launch at most one application."""
    earlier = ledger.load(identified.run_id.value)
    spec = make_spec(context, identified, day=earlier.day if earlier is not None else None)
    _check_call(spec, options)
    fingerprint = fingerprint_of(spec, script_digest(spec))
    if earlier is not None:
        _refuse_another_job(earlier, fingerprint.difference(earlier.fingerprint_parts))
    decision = Decision(Action.SUBMIT)
    try:
        spec = with_preparation(backend, spec)
        seen = backend.find_run(spec.run_id) if identified.explicit else []
    except ClusterUnreachable as error:
        application_id, recorder = attach_by_record(context.services, ledger, earlier, error, wait=options.wait)
        return spec, Accepted(application_id, recorder, attached=True)
    if identified.explicit:
        known = known_of(earlier)
        decision = decide(known, seen, backend.epoch() if known.has_reserved else "")
    run = earlier or _new_run(context, identified, spec, backend, fingerprint.parts, fingerprint.digest)
    recorder = Recorder(ledger, context.services.clock, context.services.terminal, run)
    if decision.action is not Action.SUBMIT:
        return spec, _resume(context, backend, recorder, decision)
    _record_ended_tries(recorder, seen)
    if options.preflight:
        from batch_submit.operations.preflight import refuse_before_launch  # `status` imports this module, and not that

        refuse_before_launch(context, backend, spec)
    plan = make_plan(context, spec, needed=True, try_number=decision.number)
    _tell(context, plan)
    context.services.terminal.debug(shell_command(plan))
    application_id = _launch(context, backend, recorder, plan, decision, signals)
    return spec, Accepted(application_id, recorder)


def _record_ended_tries(recorder: Recorder, seen: list[ApplicationReport]) -> None:
    """Write down how earlier tries ended that nobody was watching, before there is a newer one."""
    for report in seen:
        verdict, number = judge(report), try_number_of(report)
        known = next((one for one in recorder.run.tries if one.number == number), None)
        if verdict is not None and known is not None and known.state is not TryState.FINISHED:
            recorder.finished(verdict, number)


def _refuse_another_job(earlier: Run, difference: list[str]) -> None:
    if difference:
        more = [f"and {len(difference) - _MOST_SHOWN} more"] if len(difference) > _MOST_SHOWN else []
        raise RunConflict(
            f"run id {earlier.run_id} was used on {earlier.created_at} for another job",
            details=[*difference[:_MOST_SHOWN], *more],
            next_step="choose another --run-id, or repeat the call exactly",
        )


def _new_run(context: Context, identified: Identified, spec: JobSpec, backend: Backend, parts: Any, digest: str) -> Run:
    return Run(
        run_id=spec.run_id,
        original_run_id=identified.run_id.original,
        name=spec.name,
        job_type=spec.job_type.value,
        backend=backend.name,
        cluster=backend.cluster,
        user=backend.user,
        host=context.services.host,
        created_at=stamp(context.services.clock.now_utc()),
        day=spec.day.isoformat(),
        fingerprint=digest,
        fingerprint_parts=dict(parts),
        queue=spec.queue,
        params=json.loads(spec.params.to_json()) if spec.params is not None else {},
        timeout_s=spec.timeout_s,
    )


def _resume(context: Context, backend: Backend, recorder: Recorder, decision: Decision) -> Accepted:
    """A run id that was used before and is live, done, or uncertain."""
    run, terminal = recorder.run, context.services.terminal
    if decision.action is Action.UNCERTAIN:
        raise OutcomeUnknown(
            f"run {run.run_id}: {decision.reason}; an application may be running",
            details=[f"record: {recorder.ledger.folder / (run.run_id + '.json')}, written on host {run.host}"],
            next_step=f"look for the tag run:{run.run_id} on the cluster, or use another --run-id",
        )
    recorded = next((one for one in run.tries if one.application_id == decision.application_id), None)
    if recorded is None:
        recorder.submitted(decision.number, decision.application_id)
    if decision.action is Action.ATTACH:
        terminal.note(
            f"run {run.run_id}: attached to {decision.application_id} ({decision.reason}); nothing was submitted"
        )
        return Accepted(decision.application_id, recorder, attached=True)
    verdict = judge(decision.report) if decision.report is not None else None
    if verdict is not None and (recorded is None or recorded.state is not TryState.FINISHED):
        recorder.finished(verdict)  # it ended while nobody was watching
    when = _when(recorded, decision.report)
    terminal.note(f"run {run.run_id} already succeeded{when} as {decision.application_id}; nothing was run")
    verdict = verdict or Verdict(Result.SUCCEEDED, decision.application_id)
    return Accepted(decision.application_id, recorder, attached=True, verdict=verdict)


def _when(recorded: Try | None, report: ApplicationReport | None) -> str:
    """When a run ended: by the cluster, else by this host's record; UTC."""
    if report is not None and report.finished_ms > 0:
        return f" at {stamp(datetime.fromtimestamp(report.finished_ms / 1000, timezone.utc))}"
    return f" at {recorded.finished_at}" if recorded is not None and recorded.finished_at else ""


def _launch(
    context: Context, backend: Backend, recorder: Recorder, plan: SubmissionPlan, decision: Decision, signals: Signals
) -> str:
    """Record, launch, record: a crash between any two of these leaves a trace that a repeat can act on."""
    services, number = context.services, decision.number
    if not decision.application_id:  # else the try is there already, with its reserved id
        recorder.plan_try(plan, number)
    if signals.received:
        raise Interrupted(signals.first)
    began = services.clock.monotonic()
    recorder.launching(number)
    services.terminal.note(
        f"submitting {plan.spec.name} (run {plan.spec.run_id})" + (f", try {number}" if number > 1 else "")
    )
    try:
        record = TryRecord(recorder, number, decision.application_id)
        application_id = backend.submit(plan, number, signals, record)
    except OutcomeUnknown:
        raise
    except BatchSubmitError as error:
        recorder.not_submitted(number, error.message)
        raise
    except Exception as error:
        raise after_launch(error, plan.spec.run_id) from error
    try:
        recorder.submitted(number, application_id)
    except Exception as error:
        raise after_launch(error, plan.spec.run_id, application_id) from error
    took = services.clock.monotonic() - began
    services.terminal.note(f"submitted as {application_id} ({took:.1f} s)")
    return application_id


def _follow(
    context: Context, spec: JobSpec, backend: Backend, accepted: Accepted, signals: Signals, options: SubmitOptions
) -> int:
    services, terminal = context.services, context.services.terminal
    refused = _refused(context, backend, accepted)
    if refused is not None:
        return int(refused.exit_code)  # nothing was accepted, so nothing stands on stdout
    if not options.as_json:
        terminal.answer(accepted.application_id)
    lifetime_set = False
    if spec.timeout_s is not None and accepted.verdict is None:
        lifetime_set = _limit_lifetime(context, backend, accepted.application_id, spec.timeout_s, options)
    verdict, code = accepted.verdict, int(ExitCode.SUCCEEDED)
    if verdict is None and (options.wait or signals.received):
        waiting = Waiting(
            services,
            backend,
            accepted.application_id,
            accepted.recorder,
            rm_patience_s=rm_patience(context),
            timeout_s=spec.timeout_s,
            lifetime_set=lifetime_set,
            wait_timeout_s=spec.wait_timeout_s,
            kill_on_exit=context.config.value("execution.kill_on_exit") is True,
            metrics_path=str(getattr(spec.params, "metrics_path", "") or ""),
            model_path=str(getattr(spec.params, "model_path", "") or ""),
            save_logs_to=logs_folder(context, backend),
        )
        verdict, code = wait_for_end(waiting, signals)
    if options.as_json:
        terminal.answer(json.dumps(_answer(spec, accepted, verdict, code), sort_keys=True))
    return code


def _refused(context: Context, backend: Backend, accepted: Accepted) -> Verdict | None:
    """The verdict on an application that YARN refused (FAILED without an attempt) in the moment of its submission."""
    if accepted.attached:
        return None
    try:
        verdict = judge(backend.report(accepted.application_id))
    except BatchSubmitError:
        return None  # the waiting has the patience for this
    if verdict is None or verdict.result is not Result.REFUSED:
        return None
    conclude(
        Waiting(context.services, backend, accepted.application_id, accepted.recorder, rm_patience(context)), verdict
    )
    return verdict


def _limit_lifetime(
    context: Context, backend: Backend, application_id: str, timeout_s: float, options: SubmitOptions
) -> bool:
    terminal = context.services.terminal
    try:
        done = backend.limit_lifetime(application_id, timeout_s)
        reason = "the cluster did not confirm it"
    except BatchSubmitError as error:
        done, reason = False, error.message
    if not done:
        instead = "it is killed by this process at that time" if options.wait else "NOTHING ends it at that time"
        terminal.warn(f"YARN's own time limit ({format_duration(timeout_s)}) could not be set: {reason}; {instead}")
    return done


def rm_patience(context: Context) -> float:
    """``execution.rm_patience`` in seconds."""
    named = context.config.get("execution.rm_patience")
    if named is None or named.value is None:
        return 15 * 60.0
    try:
        return float(parse_duration_s(str(named.value)))
    except UnitError as error:
        raise UsageError(str(error), where=f"{named.origin}: execution.rm_patience") from error


def _answer(spec: JobSpec, accepted: Accepted, verdict: Verdict | None, code: int) -> dict[str, object]:
    """The one JSON line of ``submit --json``."""
    answer: dict[str, object] = {
        "application_id": accepted.application_id,
        "run_id": spec.run_id,
        "name": spec.name,
        "job_type": spec.job_type.value,
        "backend": spec.backend,
        "attached": accepted.attached,
        "exit_code": int(code),
    }
    if verdict is not None:
        answer |= {
            "result": verdict.result.value,
            "state": verdict.state.value,
            "final_status": verdict.final_status.value,
            "reason": verdict.reason,
        }
    return answer
