"""Finding what a person means by an application id, a run id or a run name's record."""

from __future__ import annotations

from dataclasses import dataclass

from batch_submit.backends.base import Backend
from batch_submit.backends.local import PREFIX
from batch_submit.errors import NotFound, OutcomeUnknown
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import APPLICATION_ID
from batch_submit.operations.context import Context, Selection, ledger_of, local_backend, open_backend, open_context
from batch_submit.operations.recording import Recorder
from batch_submit.plan.identity import RUN_ID
from batch_submit.services import Services


@dataclass(frozen=True)
class Target:
    """An application, the backend that knows it, and its run's record if this host has one."""

    application_id: str
    backend: Backend
    run: Run | None
    recorder: Recorder | None
    context: Context | None


def resolve(services: Services, selection: Selection, text: str) -> Target:
    """Find the application that ``text`` names: an application id, a local id, or a run id.

    A run id is looked up in this host's records first, then on the cluster by its tag.

    Raises
    ------
    NotFound
        When neither knows it.
    OutcomeUnknown
        When the run's newest try may be on its way.
    """
    if text.startswith(PREFIX):
        return _target(services, local_backend(services), text, None)
    context = open_context(services, selection)
    backend = open_backend(context)
    if APPLICATION_ID.fullmatch(text):
        return _target(services, backend, text, context)
    for candidate in (backend, local_backend(services)):
        run = ledger_of(services, candidate).load(text) if RUN_ID.fullmatch(text) else None
        if run is not None and run.last is not None:
            return _newest_try(services, candidate, run, run.last, context)
    found = backend.find_run(text.lower()) if RUN_ID.fullmatch(text.lower()) else []
    if found:
        return _target(services, backend, found[0].application_id, context)
    raise NotFound(
        f"{text!r} is neither an application id nor a run id that this host or the cluster knows",
        next_step="batch-submit list",
    )


def _newest_try(services: Services, backend: Backend, run: Run, last: Try, context: Context | None) -> Target:
    """The application of a run's newest try; an earlier try's would be another answer to another question.

    Raises
    ------
    OutcomeUnknown
        When the newest try is being launched, or its launch was cut off, and the cluster shows nothing of it.
    NotFound
        When it is known that the newest try was not submitted.
    """
    recorder = Recorder(ledger_of(services, backend), services.clock, services.terminal, run)
    if last.application_id:
        return Target(last.application_id, backend, run, recorder, context)
    if last.state is TryState.NOT_SUBMITTED:
        raise NotFound(
            f"try {last.number} of run {run.run_id} was not submitted: {last.reason or 'no reason on record'}",
            next_step="repeat the submit with the same run id",
        )
    report = backend.find_try(run.run_id, last.number)
    if report is None:
        raise OutcomeUnknown(
            f"try {last.number} of run {run.run_id} is being launched, or its launch was cut off;"
            " no application shows under its tag",
            details=[f"planned at {last.planned_at} on host {run.host}, launcher's pid {last.pid or 'unknown'}"],
            next_step=f"batch-submit wait {run.run_id}   (again, in a few seconds)",
        )
    recorder.submitted(last.number, report.application_id)
    return Target(report.application_id, backend, recorder.run, recorder, context)


def _target(
    services: Services, backend: Backend, application_id: str, context: Context | None, run: Run | None = None
) -> Target:
    ledger = ledger_of(services, backend)
    run = run or ledger.find_application(application_id)
    recorder = Recorder(ledger, services.clock, services.terminal, run) if run is not None else None
    return Target(application_id, backend, run, recorder, context)
