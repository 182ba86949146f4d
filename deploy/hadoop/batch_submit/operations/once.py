"""One run id, one application: what a repeated run id means, and at most one launch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, Interrupted, OutcomeUnknown, TryPassedOver
from batch_submit.ledger import Ledger, Run, Try, TryState
from batch_submit.model import ApplicationReport, Result, Verdict, judge
from batch_submit.operations.claim_place import open_claims
from batch_submit.operations.claiming import CLAIM_AUTO, Claims
from batch_submit.operations.context import Context
from batch_submit.operations.deciding import (
    Deciding,
    adopted,
    knows_as_much,
    limits_of,
    record_ended_tries,
    uncertain,
    what_is_known,
    what_shows,
)
from batch_submit.operations.launch_errors import after_launch
from batch_submit.operations.prepare import (
    Identified,
    check_call,
    make_plan,
    make_spec,
    script_digest,
    tell_of,
    with_preparation,
)
from batch_submit.operations.record_alone import attach_by_record
from batch_submit.operations.recording import Recorder, refuse_without_record, stamp
from batch_submit.operations.try_record import TryRecord
from batch_submit.plan.claims import Step
from batch_submit.plan.command import fingerprint_of, shell_command
from batch_submit.plan.identity import refuse_another_job
from batch_submit.plan.resume import Action, Decision, counting
from batch_submit.plan.submission import JobSpec, SubmissionPlan

if TYPE_CHECKING:
    from batch_submit.plan.retries import Again
    from batch_submit.services import Services


@dataclass(frozen=True)
class SubmitOptions:
    """What to do around the submission.

    Parameters
    ----------
    retries
        This call makes a further try if the one that it submits fails so that it is worth it.
    """

    dry_run: bool = False
    as_json: bool = False
    wait: bool = True
    preflight: bool = True
    claim: str = CLAIM_AUTO
    retries: bool = False


@dataclass(frozen=True)
class Accepted:
    """What a submission led to: an application to follow, or a run that had succeeded before.

    Parameters
    ----------
    passed_over
        Its try was given up before it was accepted, or that can't be known: another one may come beside it.
    claimed
        Asks for the applications that claims of other users name beside it.
    """

    application_id: str
    recorder: Recorder | None
    attached: bool = False
    verdict: Verdict | None = None
    passed_over: bool = False
    claimed: Callable[[], Sequence[str]] = tuple


def submit_once(
    context: Context,
    identified: Identified,
    backend: Backend,
    ledger: Ledger,
    signals: Signals,
    options: SubmitOptions,
    again: Again | None = None,
) -> tuple[JobSpec, Accepted]:
    """Under the run's lock: find out what a repeated run id means, then launch at most one application.

    With `again` this call has seen an earlier try fail, and makes another one.
    """
    try:
        return _submitted(context, identified, backend, ledger, signals, options, again)
    except TryPassedOver as passed:
        context.services.terminal.note(f"{passed.message}; nothing was submitted, looking what the run is now")
        return _submitted(context, identified, backend, ledger, signals, options, again)


def _submitted(
    context: Context,
    identified: Identified,
    backend: Backend,
    ledger: Ledger,
    signals: Signals,
    options: SubmitOptions,
    again: Again | None,
) -> tuple[JobSpec, Accepted]:
    """One look at the run, and one launch at most.

    Raises
    ------
    TryPassedOver
        It was not launched, for the run goes on without it: another look will tell.
    """
    earlier = ledger.load(identified.run_id.value)
    claims = open_claims(context, identified.run_id.value, backend, options.claim, explicit=identified.explicit)
    claims.look()
    needs_record = identified.explicit and claims.folder is None
    refuse_without_record(ledger, identified.run_id.value, needs_record=needs_record)
    day = claims.day or (earlier.day if earlier is not None else None)
    spec = _checked_spec(context, identified, day, again, wait=options.wait)
    fingerprint = fingerprint_of(spec, script_digest(spec))
    claims.refuse_another_job(fingerprint, spec.day.isoformat())
    if earlier is not None and earlier.fingerprint_parts:  # a record that was built again may not know its job
        refuse_another_job(earlier.run_id, f"on {earlier.created_at}", fingerprint, earlier.fingerprint_parts)
    run = earlier or _new_run(context, identified, spec, backend, fingerprint.parts, fingerprint.digest)
    recorder = _recorder(context, ledger, run, needs_record=needs_record, retries=options.retries)
    decision, seen = Decision(Action.SUBMIT), list[ApplicationReport]()
    deciding = Deciding(context.services, backend, claims, recorder, signals, limits_of(context))
    try:
        spec = with_preparation(backend, spec)
        if identified.explicit or again is not None:
            decision, seen = deciding.decide()
    except ClusterUnreachable as error:
        if again is not None:
            raise  # the record's last application has ended: whoever tries again waits and asks once more
        claims.refuse_if_going_on(error, recorded=knows_as_much(earlier, claims.held))
        application_id, recorder = attach_by_record(context.services, ledger, earlier, error, wait=options.wait)
        return spec, Accepted(application_id, recorder, attached=True)
    if decision.action is not Action.SUBMIT:
        return spec, _resume(context, recorder, decision, claims)
    record_ended_tries(recorder, seen)
    spec = _looked_at(context, backend, spec, claims, options)
    plan = make_plan(context, spec, needed=True, try_number=decision.number)
    tell_of(context, plan)
    context.services.terminal.debug(shell_command(plan))
    application_id = _launch(context, backend, recorder, plan, decision, signals, claims, again)
    return spec, _beside(context, deciding, decision.number, application_id, wait=options.wait)


def _recorder(context: Context, ledger: Ledger, run: Run, *, needs_record: bool, retries: bool) -> Recorder:
    """The record of this call; with ``retries`` each of its tries says from its beginning who may make another."""
    recorder = Recorder(ledger, context.services.clock, context.services.terminal, run, needs_record=needs_record)
    if retries:
        from batch_submit.operations.retry_marks import this_call

        recorder.retried_by = [this_call(context.services)]
    return recorder


def _checked_spec(
    context: Context, identified: Identified, day: str | None, again: Again | None, *, wait: bool
) -> JobSpec:
    """The job; of a retry with what it has more than is configured."""
    spec = make_spec(context, identified, day=day)
    check_call(spec, wait=wait)
    return spec if again is None else replace(spec, conf={**spec.conf, **again.conf})


def _looked_at(context: Context, backend: Backend, spec: JobSpec, claims: Claims, options: SubmitOptions) -> JobSpec:
    """The job once nothing speaks against launching it: neither the cluster, nor claims that can't be read."""
    if options.preflight:
        from batch_submit.operations.preflight import look_before_launch  # `status` imports this module, and not that

        spec = look_before_launch(context, backend, spec)
    claims.refuse_if_blind()
    if options.wait:
        from batch_submit.operations.ticket_life import warn_of_short_ticket

        warn_of_short_ticket(context, backend, spec)
    return spec


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


def _resume(context: Context, recorder: Recorder, decision: Decision, claims: Claims, launched: str = "") -> Accepted:
    """A run id that was used before and is live, done, or uncertain.

    Parameters
    ----------
    launched
        The application that this call has submitted, which is not the run's; "" for none.
    """
    run, terminal = recorder.run, context.services.terminal
    if decision.action is Action.UNCERTAIN:
        raise uncertain(recorder, claims, decision.reason)
    recorded = next((one for one in run.tries if one.application_id == decision.application_id), None)
    if recorded is None:
        recorder.submitted(decision.number, decision.application_id, adopted(recorder, decision))
    if claims.held.of(decision.number) - {Step.AGAIN} == {Step.PLANNED, Step.RESERVED}:
        claims.submitted(decision.number, decision.application_id)  # who reserved it did not come to say so
    ours = f"{launched}, which this call submitted, is not the run's any more" if launched else ""
    if decision.action is Action.ATTACH:
        then = ours or "nothing was submitted"
        terminal.note(f"run {run.run_id}: attached to {decision.application_id} ({decision.reason}); {then}")
        return Accepted(decision.application_id, recorder, attached=True)
    verdict = judge(decision.report) if decision.report is not None else None
    if verdict is not None and (recorded is None or recorded.state is not TryState.FINISHED):
        recorder.finished(verdict)  # it ended while nobody was watching
    when = _when(recorded, decision.report)
    then = ours or "nothing was run"
    terminal.note(f"run {run.run_id} already succeeded{when} as {decision.application_id}; {then}")
    verdict = verdict or Verdict(Result.SUCCEEDED, decision.application_id)
    return Accepted(decision.application_id, recorder, attached=True, verdict=verdict)


def _when(recorded: Try | None, report: ApplicationReport | None) -> str:
    """When a run ended: by the cluster, else by this host's record; UTC."""
    if report is not None and report.finished_ms > 0:
        return f" at {stamp(datetime.fromtimestamp(report.finished_ms / 1000, timezone.utc))}"
    return f" at {recorded.finished_at}" if recorded is not None and recorded.finished_at else ""


def _try_record(
    services: Services, backend: Backend, recorder: Recorder, decision: Decision, claims: Claims
) -> TryRecord:
    """What the launch notes about itself; an id that an earlier call reserved is claimed for us too."""
    record = TryRecord(recorder, decision.number, claims, services.processes, backend.marks, decision.application_id)
    if not decision.application_id:
        return record
    return replace(record, reserved_id=record.reserved(decision.application_id))  # perhaps made without a claim


def _name_way_on(error: OutcomeUnknown, run_id: str, reserved_id: str) -> None:
    """A try whose id an earlier call reserved is in the way until a person decides."""
    if reserved_id and "resolve" not in error.next_step:
        way_on = f"batch-submit resolve {run_id} --not-submitted --force"
        error.next_step += f"; once you know that nothing came of {reserved_id}: {way_on}"


def _plan_try(
    services: Services,
    recorder: Recorder,
    plan: SubmissionPlan,
    decision: Decision,
    claims: Claims,
    again: Again | None,
) -> None:
    """Put the try on record; one that an earlier call has planned, and reserved an id for, is there already."""
    number = decision.number
    if not decision.application_id or all(one.number != number for one in recorder.run.tries):
        recorder.plan_try(plan, number, claims.told, claims.nonce, again.why if again is not None else "")
    elif recorder.retried_by:
        from batch_submit.operations.retry_marks import announce

        announce(services, recorder, decision.application_id)


def _launch(
    context: Context,
    backend: Backend,
    recorder: Recorder,
    plan: SubmissionPlan,
    decision: Decision,
    signals: Signals,
    claims: Claims,
    again: Again | None = None,
) -> str:
    """Claim, record, launch, record: a crash between any two of these leaves a trace that a repeat can act on.

    The record says PLANNED until the launcher is about to do what can lead to an application (`TryRecord`).
    """
    services, number = context.services, decision.number
    claims.plan(number)
    _plan_try(services, recorder, plan, decision, claims, again)
    if signals.received:
        raise Interrupted(signals.first)
    began = services.clock.monotonic()
    services.terminal.note(
        f"submitting {plan.spec.name} (run {plan.spec.run_id})" + (f", try {number}" if number > 1 else "")
    )
    try:
        record = _try_record(services, backend, recorder, decision, claims)
        application_id = backend.submit(plan, number, signals, record)
    except TryPassedOver as passed:
        recorder.not_submitted(number, passed.message)
        raise
    except OutcomeUnknown as error:
        _name_way_on(error, plan.spec.run_id, decision.application_id)
        raise
    except BatchSubmitError as error:
        recorder.not_submitted(number, error.message)
        if not decision.application_id:  # else an earlier call may have posted it, and knows nothing of this no
            claims.not_submitted(number, error.message)
        raise
    except Exception as error:
        raise after_launch(error, plan.spec.run_id) from error
    try:
        recorder.submitted(number, application_id)
        claims.submitted(number, application_id)
    except Exception as error:
        raise after_launch(error, plan.spec.run_id, application_id) from error
    took = services.clock.monotonic() - began
    services.terminal.note(f"submitted as {application_id} ({took:.1f} s)")
    return application_id


def _beside(context: Context, deciding: Deciding, number: int, application_id: str, *, wait: bool) -> Accepted:
    """What the run is, once an application of this call was accepted: mostly that one.

    A launch can take long. Meanwhile a person may have given its try up, and a call on another host may have made a
    newer one. Who made the first try looks whether that happened, and who made a later one what lives beside it, both
    after their own acceptance: whatever happens at once, at least one of two sees the other. Where users share the
    claims, the later one looks at these, too: an application of another user no lookup by the tag shows.

    Raises
    ------
    OutcomeUnknown
        It lives beside another one, and that can't be ended; or without `wait`, where nobody looks again, this call
        knows that its try was given up and not what lives beside it.
    """
    claims, recorder, why = deciding.claims, deciding.recorder, ""
    ours, claimed = Accepted(application_id, recorder), tuple[str, ...]()
    if claims.folder is None:
        return ours
    if claims.shared:
        ours = replace(ours, claimed=lambda: claims.beside(number)[1])
    try:
        if number == 1:
            why = claims.why_passed_over(number)
            if not why:
                return ours
        elif claims.shared:
            why, claimed = claims.beside(number)
        if why:
            recorder.submitted(number, application_id, f"{application_id} was accepted although {why}")
        shown = counting(_shown_beside(deciding, number, claimed), number)
    except OutcomeUnknown:
        raise
    except BatchSubmitError as error:
        doubt = f"whether another application of the run lives beside {application_id} can't be asked: {error.message}"
        if why and not wait:
            raise OutcomeUnknown(
                f"run {recorder.run.run_id}: {why} before {application_id} was accepted, and {doubt}",
                next_step="run the same command again with the same run id: it leaves one",
            ) from error
        context.services.terminal.warn(f"run {recorder.run.run_id}: {doubt}")
        return replace(ours, passed_over=True)
    if shown is None or shown.application_id == application_id:
        return replace(ours, passed_over=bool(why))
    return _resume(context, recorder, shown, claims, application_id)


def _shown_beside(deciding: Deciding, number: int, claimed: Sequence[str]) -> list[ApplicationReport]:
    """The applications of the run now, of which at most one is left alive.

    Of a first try the claims told that there is something to see, and are read: a newer one may be of another user.
    """
    if number > 1:
        from batch_submit.operations.late_arrivals import shown_beside

        return deciding.leave_one(lambda: shown_beside(deciding.backend, deciding.run_id, claimed))
    deciding.claims.look()
    known = what_is_known(deciding.services, deciding.claims, deciding.recorder.run)
    return deciding.leave_one(lambda: what_shows(deciding.backend, deciding.run_id, known))
