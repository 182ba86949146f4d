"""What a lost ledger is built again from: its exports, the claims in the cluster, the applications that it shows.

Pure: each function gives the record as it is with what one source adds, by the transitions of `plan.run_states`. A seen
end never changes, and nothing is made up: what no source tells stays empty.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from batch_submit.adapters.run_logging import mask_text
from batch_submit.ledger.records import Run, StateSeen, Try
from batch_submit.model import ApplicationReport, judge
from batch_submit.plan.claims import Claim, Held, Step
from batch_submit.plan.identity import Fingerprint
from batch_submit.plan.moments import utc_ms, utc_text
from batch_submit.plan.resume import try_number_of
from batch_submit.plan.run_states import Event, TryState, after

#: How far a state is; of two sources that tell nothing else the farther one is believed. That an application was
#: accepted is never taken back because somebody else saw nothing of it.
_FAR = (TryState.PLANNED, TryState.LAUNCHING, TryState.NOT_SUBMITTED, TryState.SUBMITTED, TryState.FINISHED)


def newer_of(one: Run, other: Run) -> Run:
    """Of two records of a run the one that knows more: of a newer try, or more of the same."""
    first, second = one.last, other.last
    if second is None or first is None:
        return other if first is None and second is not None else one
    if first.number != second.number:
        return one if first.number > second.number else other
    return one if _knows_as_much(first, second) else other


def _knows_as_much(one: Try, other: Try) -> bool:
    """Whether one record of a try tells as much as another.

    A history that goes on from where the other one ends is the same record at a later time, whatever it says then: a
    person may have taken an application away. Where they differ (one was built again), an application that somebody
    has seen counts more than any number of states.
    """
    shorter, longer = sorted((one.history, other.history), key=len)
    if shorter and len(shorter) < len(longer) and longer[: len(shorter)] == shorter:
        return one.history == longer

    def knows(each: Try) -> tuple[bool, bool, int, int]:
        ended = each.state is TryState.FINISHED
        return ended, bool(each.application_id), len(each.history), _FAR.index(each.state)

    return knows(one) >= knows(other)


def with_claim(run: Run | None, held: Held, place: str, *, backend: str, cluster: str) -> Run | None:
    """What a run's claims tell of its newest try, and of the run itself where nothing else does.

    Parameters
    ----------
    place
        The folder of the claims.
    """
    claim = held.claim
    if claim is None:
        return run
    run = run or _of_claim(claim, backend, cluster)
    if not run.fingerprint_parts:
        digest = Fingerprint(claim.fingerprint).digest
        run = replace(run, fingerprint=digest, fingerprint_parts=dict(claim.fingerprint), day=claim.day)
    event, there = _event_of(held), run.try_of(held.number)
    told = after(TryState.PLANNED, event) if event is not None else TryState.PLANNED
    application_id = claim.application_id if told is not TryState.NOT_SUBMITTED else ""
    if there is not None and (there.application_id or there.state is TryState.FINISHED):
        return run
    if there is not None and not application_id and _FAR.index(there.state) >= _FAR.index(told):
        return run
    one = there or Try(held.number, TryState.PLANNED, claim.at, claim=place)
    state = after(one.state, event) if event is not None else one.state
    is_new = there is None or state is not there.state
    one = replace(one, state=state, application_id=application_id, reason=claim.reason)
    return run.with_try(one.passed(state.value, claim.at) if is_new else one)


def _event_of(held: Held) -> Event | None:
    """What the claims tell of a try that was planned; ``None``: nothing more."""
    if Step.SUBMITTED in held.steps:
        return Event.ACCEPT
    if Step.NOT_SUBMITTED in held.steps:
        return Event.GIVE_UP
    if Step.GIVEN_UP in held.steps:
        return Event.DISMISS
    return Event.LAUNCH if Step.RESERVED in held.steps else None


def _of_claim(claim: Claim, backend: str, cluster: str) -> Run:
    return Run(
        run_id=claim.run_id,
        name=claim.run_id,
        job_type=claim.fingerprint.get("job_type", ""),
        backend=backend,
        cluster=cluster,
        user=claim.user,
        host=claim.host,
        created_at=claim.at,
        day=claim.day,
        fingerprint=Fingerprint(claim.fingerprint).digest,
        fingerprint_parts=dict(claim.fingerprint),
    )


def with_report(run: Run | None, run_id: str, report: ApplicationReport, *, backend: str, cluster: str) -> Run:
    """What the cluster shows of an application: that it was submitted, and how it ended."""
    started = utc_text(report.started_ms)
    number = try_number_of(report) or 1
    run = run or Run(
        run_id=run_id,
        name=report.name,
        job_type="",
        backend=backend,
        cluster=cluster,
        user=report.user,
        host="",
        created_at=started,
        day=_local_day(report.started_ms),
        fingerprint="",
        fingerprint_parts={},
        queue=report.queue,
    )
    if not run.argv:  # known from a claim alone, which tells neither
        run = replace(run, name=report.name or run.name, queue=report.queue or run.queue)
    one = run.try_of(number) or Try(number, TryState.PLANNED, started)
    if one.state is TryState.FINISHED:
        return run
    state = after(one.state, Event.ACCEPT)
    one = replace(
        one,
        state=state,
        application_id=report.application_id,
        tracking_url=report.tracking_url or one.tracking_url,
        logs_url=report.am_container_logs or one.logs_url,
    ).passed(state.value, started)
    return run.with_try(_ended(one, report))


def _ended(one: Try, report: ApplicationReport) -> Try:
    verdict = judge(report)
    if verdict is None:
        return one
    state, finished = after(one.state, Event.END), utc_text(report.finished_ms)
    return replace(
        one,
        state=state,
        result=verdict.result.value,
        exit_code=int(verdict.exit_code),
        yarn_state=report.state.value,
        final_status=report.final_status.value,
        reason=mask_text(verdict.reason[:2000]),
        finished_at=finished,
        memory_seconds=report.memory_seconds,
        vcore_seconds=report.vcore_seconds,
        history=(*one.history, StateSeen(state.value, finished, verdict.result.value)),
    )


def latest_ms(run: Run) -> int:
    """The last moment that a record tells of; milliseconds since the epoch."""
    times = [run.created_at]
    for one in run.tries:
        times += [one.planned_at, one.finished_at, *(seen.at for seen in one.history)]
    return max(map(utc_ms, times))


def _local_day(milliseconds: int) -> str:
    """The day on which a run began, as ``--date`` takes it by default."""
    return datetime.fromtimestamp(milliseconds / 1000).date().isoformat() if milliseconds > 0 else ""
