"""``resolve``: a person decides about a run of which it can't be known whether an application comes."""

from __future__ import annotations

import json

from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode, NotFound, UsageError
from batch_submit.ledger import Run
from batch_submit.model import ApplicationReport, judge
from batch_submit.operations.claim_place import open_claims
from batch_submit.operations.claiming import CLAIM_AUTO, Claims
from batch_submit.operations.context import Context, Selection, ledger_of, open_backend, open_context
from batch_submit.operations.deciding import decision_of, live_processes, what_is_known, what_shows
from batch_submit.operations.launch_errors import nothing_submitted
from batch_submit.operations.recording import Recorder, stamp
from batch_submit.plan.identity import normalise_run_id, run_tag, try_tag
from batch_submit.plan.resume import Action, Decision, Known
from batch_submit.plan.run_states import Event
from batch_submit.plan.tags import RUN_PREFIX
from batch_submit.services import Services

_LOCK_PATIENCE_S = 5.0


@dataclass(frozen=True)
class ResolveOptions:
    """``resolve`` as typed.

    Parameters
    ----------
    application_id
        This is the run's application; "" with `not_submitted`.
    not_submitted
        No application came of it, and none will.
    force
        Although what the cluster shows does not prove it.
    """

    run: str
    application_id: str = ""
    not_submitted: bool = False
    force: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class _Case:
    """What is to be decided about."""

    context: Context
    backend: Backend
    run_id: str
    run: Run | None
    claims: Claims
    recorder: Recorder | None
    known: Known
    decision: Decision
    by: str


def resolve_run(services: Services, selection: Selection, options: ResolveOptions) -> int:
    """Record what a person decided, in the claim and in this host's record; exit code 0.

    Raises
    ------
    UsageError
        There is nothing to decide, the cluster or a live process shows otherwise, or it takes ``--force``.
    NotFound
        Neither this host nor the claims know the run, or the cluster does not know the application.
    """
    context = open_context(services, selection)
    backend = open_backend(context)
    ledger = ledger_of(services, backend)
    run_id = normalise_run_id(options.run).value
    with (
        nothing_submitted(),
        ledger.lock(
            run_id, monotonic=services.clock.monotonic, sleep=services.clock.sleep, patience_s=_LOCK_PATIENCE_S
        ),
    ):
        case = _case(context, backend, run_id)
        if options.not_submitted:
            answer = _give_up(case, force=options.force)
        else:
            answer = _accept(case, options.application_id, force=options.force)
    if options.as_json:
        services.terminal.answer(json.dumps(answer, sort_keys=True))
    else:
        what = answer["application_id"] or "not submitted"
        services.terminal.answer(f"{run_id} try {answer['try']}: {what}, decided by {answer['by']} at {answer['at']}")
    return ExitCode.SUCCEEDED


def _case(context: Context, backend: Backend, run_id: str) -> _Case:
    services = context.services
    run = ledger_of(services, backend).load(run_id)
    claims = open_claims(context, run_id, backend, CLAIM_AUTO)
    claims.look()
    claims.refuse_if_blind()
    if run is None and not claims.held.number:
        raise NotFound(
            f"neither a record of this host nor a claim knows run {run_id}",
            next_step="batch-submit list, for its run id",
        )
    ledger = ledger_of(services, backend)
    recorder = Recorder(ledger, services.clock, services.terminal, run) if run is not None else None
    known = what_is_known(services, claims, run)
    decision = decision_of(backend, known, what_shows(backend, run_id, known))
    last = run.last if run is not None else None
    if decision.action is Action.LOOK and last is not None and (left := live_processes(services, last)):
        raise UsageError(
            f"run {run_id}: nothing can be decided yet: a program that may submit it still runs on this host",
            details=[f"pid {pid}" for pid in left],
            next_step=f"wait for its end, or kill {left[0]}; then run the submit again: it finds out by itself",
        )
    name = services.os_user if services.os_user == backend.user else f"{services.os_user} as {backend.user}"
    return _Case(context, backend, run_id, run, claims, recorder, known, decision, f"{name} on {services.host}")


def _refuse_certain(case: _Case, *, posting_too: bool = False) -> None:
    """Only what can't be known is for a person to decide.

    Parameters
    ----------
    posting_too
        A reserved id that would be posted again may be given up all the same.
    """
    decision = case.decision
    if decision.action in (Action.UNCERTAIN, Action.LOOK):
        return
    if decision.action is Action.SUBMIT:
        if decision.application_id and posting_too:
            return
        what, then = f"a submit makes {decision.reason}", "repeat the submit with the same run id"
        if decision.application_id:
            then += "; --not-submitted --force gives this id up"
    else:
        state = decision.report.state.value if decision.report is not None else "on record"
        what = f"it has {decision.application_id} ({state}; {decision.reason})"
        then = f"batch-submit wait {case.run_id}"
    raise UsageError(f"run {case.run_id}: there is nothing to decide: {what}", next_step=then)


def _give_up(case: _Case, *, force: bool) -> dict[str, object]:
    _refuse_certain(case, posting_too=force)
    known = case.known
    accepted = known.application_id and not known.may_have_launched
    if accepted and not force:
        raise UsageError(
            f"run {case.run_id}: {known.application_id} was accepted, and the cluster has forgotten how it ended:"
            " it was submitted",
            next_step="look for it in the history server; to make room for a new try all the same, add --force",
        )
    then = f" ({known.application_id} is not looked for any more)" if known.application_id else ""
    reason = f"decided by {case.by}: not submitted{then}"
    case.claims.give_up(known.number, reason)
    if case.recorder is not None:
        case.recorder.decided(known.number, Event.DISMISS, case.by, reason)
    return _answer(case, "not-submitted", "")


def _accept(case: _Case, application_id: str, *, force: bool) -> dict[str, object]:
    _refuse_certain(case)
    report = case.backend.report(application_id)
    _refuse_foreign(case, report, force=force)
    reason = f"decided by {case.by}: {application_id} is its application"
    case.claims.accept(case.known.number, application_id, reason)
    if case.recorder is not None:
        case.recorder.decided(case.known.number, Event.ACCEPT, case.by, reason, application_id)
        if verdict := judge(report):
            case.recorder.finished(verdict, case.known.number, reason)
    return _answer(case, "application", application_id)


def _refuse_foreign(case: _Case, report: ApplicationReport, *, force: bool) -> None:
    """An application that is another run's is never taken; one that does not say whose it is, only by force."""
    tag = run_tag(case.run_id)
    others = [one for one in report.tags if one.startswith(RUN_PREFIX) and one != tag]
    about = [
        f"{report.application_id}: {report.name!r} of user {report.user}, {report.state.value}",
        f"its tags: {', '.join(report.tags) or 'none'}",
    ]
    if others:
        raise UsageError(
            f"{report.application_id} is an application of another run, {others[0].removeprefix(RUN_PREFIX)}",
            details=about,
        )
    doubts = [] if report.user == case.backend.user else [f"it is not {case.backend.user}'s"]
    if tag not in report.tags or try_tag(case.run_id, case.known.number) not in report.tags:
        doubts.append(f"it does not carry the tag {try_tag(case.run_id, case.known.number)}")
    if doubts and not force:
        raise UsageError(
            f"{report.application_id} does not look like run {case.run_id}'s application: {', and '.join(doubts)}",
            details=about,
            next_step="if it is all the same, repeat this with --force",
        )


def _answer(case: _Case, decision: str, application_id: str) -> dict[str, object]:
    services = case.context.services
    if case.recorder is None:
        services.terminal.note(f"this host has no record of run {case.run_id}: the decision stands in its claim alone")
    return {
        "run_id": case.run_id,
        "try": case.known.number,
        "decision": decision,
        "application_id": application_id,
        "by": case.by,
        "at": stamp(services.clock.now_utc()),
        "claim": case.claims.told,
    }
