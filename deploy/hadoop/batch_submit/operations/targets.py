"""Finding what a person means by an application id, a run id, or the name of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import ClusterUnreachable, HostNotReady, NotFound, OutcomeUnknown, UsageError
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import APPLICATION_ID, ApplicationReport
from batch_submit.operations.context import Context, Selection, ledger_of, local_backend, open_backend, open_context
from batch_submit.plan.tags import LOCAL_PREFIX, is_run_id, run_id_of
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.backends.base import Backend
    from batch_submit.operations.recording import Recorder

_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Target:
    """An application, the backend that knows it, and its run's record if this host has one."""

    application_id: str
    backend: Backend
    run: Run | None
    recorder: Recorder | None
    context: Context | None


def resolve(
    services: Services, selection: Selection, text: str, *, reading: bool = False, changing: bool = False
) -> Target:
    """Find the application that ``text`` names: an application id, a local id, a run id, or the name of one run.

    A run id is looked up in this host's records first, then on the cluster by its tag; a name in both, because only
    both together tell whether it is unique. A text that is a run id is never taken for a name. While the cluster can't
    be asked, a name means the only run that this host has on record under it.

    Parameters
    ----------
    reading
        For commands that only look; see :func:`batch_submit.operations.context.open_context`.
    changing
        For commands that end or change what they find: a name that the cluster did not confirm is not enough for them.

    Raises
    ------
    NotFound
        When neither knows it.
    UsageError
        When several runs of ours have this name; lists them, newest first.
    OutcomeUnknown
        When the run's newest try may be on its way.
    ClusterUnreachable
        When the cluster can't be asked, and this host's records don't tell.
    """
    if _is_local(text):
        return resolve_local(services, text)
    context = open_context(services, selection, reading=reading)
    return resolve_in(services, context, open_backend(context), text, changing=changing)


def resolve_in(services: Services, context: Context, backend: Backend, text: str, *, changing: bool = False) -> Target:
    """The same with a context and backend that are open already, for several texts in one call."""
    if _is_local(text):
        return resolve_local(services, text)
    if APPLICATION_ID.fullmatch(text):
        if backend.name == "local":
            raise HostNotReady(
                f"{text} is an application of YARN, and no cluster is named: {context.choice.reason}",
                next_step="export HADOOP_CONF_DIR=<the folder with core-site.xml and yarn-site.xml>",
            )
        return _target(services, backend, text, context)
    for candidate in _with_local(services, backend):
        run = ledger_of(services, candidate).load(text) if is_run_id(text) else None
        if run is not None and run.last is not None:
            return _newest_try(services, candidate, run, run.last, context, changing=changing)
    away: ClusterUnreachable | None = None
    try:
        found = backend.find_run(text.lower()) if is_run_id(text.lower()) else []
        seen = [] if found else backend.applications()
    except ClusterUnreachable as error:
        if changing:
            raise
        found, seen, away = [], [], error
    if found:
        return _target(services, backend, found[0].application_id, context)
    return _by_name(services, context, backend, text, seen, away)


def resolve_local(services: Services, text: str) -> Target:
    """What an id of backend ``local`` means; needs no configuration."""
    return _target(services, local_backend(services), text, None)


def _is_local(text: str) -> bool:
    return text.startswith(LOCAL_PREFIX) and is_run_id(text.removeprefix(LOCAL_PREFIX))


def _with_local(services: Services, backend: Backend) -> list[Backend]:
    """The backend and this host's own, whose runs are shown whatever is configured."""
    return [backend] if backend.name == "local" else [backend, local_backend(services)]


@dataclass(frozen=True)
class _Named:
    """One run of a name, in a record, on the backend, or both."""

    run_id: str
    backend: Backend
    run: Run | None
    report: ApplicationReport | None

    @property
    def when(self) -> str:
        """When it started, in a form that sorts; the record's own time comes before the server's."""
        from batch_submit.plan.moments import utc_text

        if self.run is not None:
            return self.run.created_at
        return utc_text(self.report.started_ms) if self.report is not None else ""

    def line(self) -> str:
        """For a list of candidates."""
        last = self.run.last if self.run is not None else None
        application_id = self.report.application_id if self.report is not None else last.application_id if last else ""
        state = self.report.state.value if self.report is not None else (last.result if last is not None else "")
        return "  ".join(
            word for word in (application_id or "(no application)", self.when, state, f"run {self.run_id}") if word
        )


def _by_name(
    services: Services,
    context: Context,
    backend: Backend,
    text: str,
    seen: list[ApplicationReport],
    away: ClusterUnreachable | None,
) -> Target:
    """The only run of a name among what the backend has ``seen`` and this host's records, or these alone: ``away``."""
    found = _runs_named(services, backend, text, seen)
    for local in _with_local(services, backend)[1:]:
        found += _runs_named(services, local, text, local.applications())
    if away is not None and not found:
        raise away
    if not found:
        raise NotFound(
            f"{text!r} is no application id, and neither the run id nor the name of a run that this host or the"
            " cluster knows",
            next_step="batch-submit list",
        )
    if len(found) > 1:
        raise _ambiguous(text, found)
    (one,) = found
    if one.run is not None and one.run.last is not None:
        if away is not None:
            services.terminal.note(
                f"{text} is taken for run {one.run_id} by this host's records, for the cluster can't be asked"
            )
        return _newest_try(services, one.backend, one.run, one.run.last, context)
    assert one.report is not None
    return _target(services, one.backend, one.report.application_id, context)


def _ambiguous(text: str, found: list[_Named]) -> UsageError:
    found = sorted(found, key=lambda one: one.when, reverse=True)
    lines = [one.line() for one in found[:_MOST_CANDIDATES]]
    more = len(found) - len(lines)
    return UsageError(
        f"{len(found)} runs are named {text!r}: which one is meant can't be told",
        details=[*lines, *([f"and {more} older ones"] if more else [])],
        next_step="name one of them by its application id or run id",
    )


def _runs_named(services: Services, backend: Backend, name: str, seen: list[ApplicationReport]) -> list[_Named]:
    """The runs of a name that this host has on record or a backend has seen, each once however many tries it has."""
    runs = {run.run_id: run for run in ledger_of(services, backend).named(name) if run.last is not None}
    reports: dict[str, ApplicationReport] = {}
    for report in seen:  # newest first
        if report.name == name:
            reports.setdefault(run_id_of(report.tags) or report.application_id, report)
    return [_Named(key, backend, runs.get(key), reports.get(key)) for key in {**runs, **reports}]


def _newest_try(
    services: Services, backend: Backend, run: Run, last: Try, context: Context, *, changing: bool = False
) -> Target:
    """The application of a run's newest try; an earlier try's would be another answer to another question.

    Raises
    ------
    OutcomeUnknown
        When the newest try is being launched, or its launch was cut off, and the cluster shows nothing of it or (for
        commands that wait for it) can't be asked.
    NotFound
        When it is known that the newest try was not submitted.
    """
    if last.application_id:
        return _target(services, backend, last.application_id, context, run)
    if last.state is TryState.NOT_SUBMITTED:
        raise NotFound(
            f"try {last.number} of run {run.run_id} was not submitted: {last.reason or 'no reason on record'}",
            next_step="repeat the submit with the same run id",
        )
    try:
        report = backend.find_try(run.run_id, last.number)
    except ClusterUnreachable as error:
        from batch_submit.operations.record_alone import may_run, outcome_unknown  # status has to start fast

        if not may_run(run) or context.reading or changing:
            raise
        raise outcome_unknown(run, ledger_of(services, backend).folder, error) from error
    if report is None:
        raise OutcomeUnknown(
            f"try {last.number} of run {run.run_id} is being launched, or its launch was cut off;"
            " no application shows under its tag",
            details=[f"planned at {last.planned_at} on host {run.host}, launcher's pid {last.pid or 'unknown'}"],
            next_step=f"batch-submit wait {run.run_id}   (again, in a few seconds)",
        )
    recorder = _recorder(services, backend, run)
    recorder.submitted(last.number, report.application_id)
    return Target(report.application_id, backend, recorder.run, recorder, context)


def _recorder(services: Services, backend: Backend, run: Run) -> Recorder:
    from batch_submit.operations.recording import Recorder

    return Recorder(ledger_of(services, backend), services.clock, services.terminal, run)


def _target(
    services: Services, backend: Backend, application_id: str, context: Context | None, run: Run | None = None
) -> Target:
    run = run or ledger_of(services, backend).find_application(application_id)
    reading = context is not None and context.reading
    recorder = _recorder(services, backend, run) if run is not None and not reading else None
    return Target(application_id, backend, run, recorder, context)
