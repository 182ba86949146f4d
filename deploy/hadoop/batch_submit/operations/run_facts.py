"""What the ResourceManager and this host's record know of a run, for its report."""

from __future__ import annotations

from dataclasses import replace

from batch_submit.errors import BatchSubmitError, ClusterUnreachable, NotFound, OutcomeUnknown
from batch_submit.ledger import Run, Try
from batch_submit.model import ApplicationReport, Result, judge
from batch_submit.operations.targets import Target
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.moments import utc_ms
from batch_submit.plan.tags import run_id_of
from batch_submit.render.report import RunFacts
from batch_submit.services import Services


def facts_of(services: Services, target: Target) -> RunFacts:
    """Ask the backend; where it does not know (any more) or can't be asked, the record tells.

    Raises
    ------
    NotFound
        Neither knows the application.
    ClusterUnreachable
        The cluster can't be asked, and there is no record.
    """
    known = _on_record(target)
    try:
        report = target.backend.report(target.application_id)
    except (NotFound, ClusterUnreachable, OutcomeUnknown) as error:
        if target.run is None:
            raise
        services.terminal.note(f"taken from this host's record: {error.message}")
        return known
    return _reported(known, report, target)


def _on_record(target: Target) -> RunFacts:
    facts = RunFacts(
        application_id=target.application_id,
        backend=target.backend.name,
        cluster=target.backend.cluster,
        result=Result.UNKNOWN.value,
    )
    run = target.run
    if run is None:
        return facts
    one = next((one for one in run.tries if one.application_id == target.application_id), None)
    return _of_try(_of_run(facts, run), one) if one is not None else _of_run(facts, run)


def _of_run(facts: RunFacts, run: Run) -> RunFacts:
    return replace(
        facts,
        run_id=run.run_id,
        name=run.name,
        job_type=run.job_type,
        user=run.user,
        host=run.host,
        queue=run.queue,
        tries=len(run.tries),
        submitted_ms=utc_ms(run.created_at),
    )


def _of_try(facts: RunFacts, one: Try) -> RunFacts:
    submitted, finished = utc_ms(one.planned_at), utc_ms(one.finished_at)
    known = one.result in {result.value for result in Result} and one.result != Result.STILL_RUNNING.value
    return replace(
        facts,
        result=one.result if known else Result.UNKNOWN.value,
        reason=one.reason,
        source="this host's record" if known else "",
        submitted_ms=submitted or facts.submitted_ms,
        finished_ms=finished,
        elapsed_ms=max(0, finished - submitted) if finished and submitted else 0,
        memory_mib_seconds=one.memory_seconds,
        vcore_seconds=one.vcore_seconds,
    )


def _reported(known: RunFacts, report: ApplicationReport, target: Target) -> RunFacts:
    verdict = judge(report)
    local = target.backend.name == LOCAL
    return replace(
        known,
        run_id=known.run_id or run_id_of(report.tags) or "",
        name=known.name or report.name,
        user=report.user or known.user,
        queue=report.queue or known.queue,
        result=verdict.result.value if verdict is not None else Result.STILL_RUNNING.value,
        reason=verdict.reason if verdict is not None else "",
        source="this host" if local else "ResourceManager",
        submitted_ms=report.started_ms or known.submitted_ms,
        started_ms=0 if local else report.launched_ms,
        finished_ms=report.finished_ms or known.finished_ms,
        elapsed_ms=report.elapsed_ms or known.elapsed_ms,
        memory_mib_seconds=report.memory_seconds or known.memory_mib_seconds,
        vcore_seconds=report.vcore_seconds or known.vcore_seconds,
        preempted_containers=report.preempted_containers,
        page_url=_page(target),
    )


def _page(target: Target) -> str:
    """The application's page; "" when nobody tells it now."""
    try:
        return target.backend.hints(target.application_id).get("page", "")
    except BatchSubmitError:
        return ""
