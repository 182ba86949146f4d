"""How a run ended by this host's record, for when the cluster can't tell (any more): a seen end never changes."""

from __future__ import annotations

from batch_submit.errors import ClusterUnreachable, NotFound, OutcomeUnknown
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import FinalStatus, Result, State, Verdict
from batch_submit.operations.targets import Target
from batch_submit.services import Services


def verdict_on_record(run: Run | None, application_id: str) -> Verdict | None:
    """The end of an application as it was seen and written down; ``None`` when nobody saw it."""
    one = recorded_end(run, application_id)
    if one is None or one.result not in _RESULTS:
        return None
    state, final = State.parse(one.yarn_state), FinalStatus.parse(one.final_status)
    return Verdict(Result(one.result), application_id, state, final, one.reason)


def recorded_end(run: Run | None, application_id: str) -> Try | None:
    """The try of an application whose end is on record; of several (backend ``local`` names all tries of a run alike)
    the newest, and ``None`` when that one's is not.
    """
    of_it = [one for one in (run.tries if run is not None else ()) if one.application_id == application_id]
    return of_it[-1] if of_it and of_it[-1].state is TryState.FINISHED and of_it[-1].result else None


_RESULTS = {result.value for result in Result}


def ended_before(services: Services, target: Target) -> Verdict | None:
    """The recorded end of a target that the cluster does not tell of; ``None``: it is to be watched.

    Raises
    ------
    NotFound
        The cluster does not know it, and neither does this host: an answer, not a reason to wait.
    """
    recorded = verdict_on_record(target.run, target.application_id)
    try:
        if recorded is not None or target.run is None:
            target.backend.report(target.application_id)
    except ClusterUnreachable as error:
        if recorded is not None and recorded.result is Result.FAILED and _goes_on(services, target):
            return None  # the call that makes the next try waits for the cluster too
        return _told(services, recorded, error.message)
    except (NotFound, OutcomeUnknown) as error:
        if recorded is None:
            raise
        return _told(services, recorded, error.message)
    return None


def _goes_on(services: Services, target: Target) -> bool:
    """Whether a living call may make a further try of the run that was meant."""
    if target.run is None or target.run.last is None or not target.run.last.retried_by:
        return False
    from batch_submit.operations.retry_marks import next_try_of

    return next_try_of(services, target.run) is not None


def _told(services: Services, recorded: Verdict | None, why: str) -> Verdict | None:
    if recorded is not None:
        text = f"{recorded.application_id}: {recorded.result.value}, as this host's record has it ({why})"
        if recorded.result is Result.SUCCEEDED:
            services.terminal.note(text)
        else:
            reason = [f"  {line.strip()}" for line in recorded.reason.splitlines() if line.strip()]
            next_step = f"  next: batch-submit diagnose {recorded.application_id}"
            services.terminal.error([text, *reason[:12], next_step])
    return recorded
