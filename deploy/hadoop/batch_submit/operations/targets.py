"""Finding what a person means by an application id, a run id, or the name of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import (
    BatchSubmitError,
    ClusterUnreachable,
    HostNotReady,
    NotFound,
    OutcomeUnknown,
    UsageError,
)
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import APPLICATION_ID, ApplicationReport, Result, judge
from batch_submit.operations.context import Context, Selection, ledger_of, local_backend, open_backend, open_context
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.tags import LOCAL_PREFIX, as_run_id, is_run_id, run_id_of
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.backends.base import Backend
    from batch_submit.operations.recording import Recorder

_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Target:
    """An application, the backend that knows it, and its run's record if this host has one.

    Parameters
    ----------
    run_id
        The run that was meant, of which this application is what counts now; "" when the application itself was named.
    report
        What was seen of it a moment ago, where that had to be looked at to find it.
    """

    application_id: str
    backend: Backend
    run: Run | None
    recorder: Recorder | None
    context: Context | None
    run_id: str = ""
    report: ApplicationReport | None = None


def resolve(
    services: Services, selection: Selection, text: str, *, reading: bool = False, changing: bool = False
) -> Target:
    """Find the application that ``text`` names: an application id, a local id, a run id, or the name of one run.

    A run id is looked up in this host's records first, then on the cluster by its tag; a name in both, because only
    both together tell whether it is unique. A text that is a run id is never taken for a name. While the cluster can't
    be asked, a name means the only run that this host has on record under it.

    Another host may have repeated a run since: unless its newest try on record has succeeded, or lives, the cluster is
    asked for a live or newer one.

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
        if backend.name == LOCAL:
            raise HostNotReady(
                f"{text} is an application of YARN, and no cluster is named: {context.choice.reason}",
                next_step="export HADOOP_CONF_DIR=<the folder with core-site.xml and yarn-site.xml>",
            )
        return _target(services, backend, text, context)
    run_id = as_run_id(text)
    for candidate in _with_local(services, backend):
        run = ledger_of(services, candidate).load(run_id) if run_id else None
        if run is not None and run.last is not None:
            return _newest_try(services, candidate, run, run.last, context, changing=changing)
    away: ClusterUnreachable | None = None
    try:
        found = backend.find_run(run_id) if run_id == text else []
        seen = [] if found else backend.applications()
        found = found or [one for one in seen if run_id and run_id_of(one.tags) == run_id]
    except ClusterUnreachable as error:
        if changing:
            raise
        found, seen, away = [], [], error
    if found:
        return _of_run(services, context, backend, run_id, found)
    return _by_name(services, context, backend, text, seen, away, changing=changing)


def _of_run(
    services: Services, context: Context, backend: Backend, run_id: str, found: list[ApplicationReport]
) -> Target:
    """The application that counts of a run that this host has no record of."""
    from batch_submit.plan.resume import standing_for  # status has to start fast

    report = standing_for(found) or found[0]
    return replace(_target(services, backend, report.application_id, context), run_id=run_id, report=report)


def resolve_local(services: Services, text: str) -> Target:
    """What an id of backend ``local`` means; needs no configuration."""
    return _target(services, local_backend(services), text, None)


def _is_local(text: str) -> bool:
    return text.startswith(LOCAL_PREFIX) and is_run_id(text.removeprefix(LOCAL_PREFIX))


def _with_local(services: Services, backend: Backend) -> list[Backend]:
    """The backend and this host's own, whose runs are shown whatever is configured."""
    return [backend] if backend.name == LOCAL else [backend, local_backend(services)]


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
    *,
    changing: bool,
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
        return _newest_try(services, one.backend, one.run, one.run.last, context, changing=changing)
    assert one.report is not None
    if run_id_of(one.report.tags):
        tries = [report for report in seen if run_id_of(report.tags) == one.run_id]
        return _of_run(services, context, one.backend, one.run_id, tries or [one.report])
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
    """The application by which a run stands: its newest try's, or an earlier one's that lives or has succeeded.

    That another one has ended badly would be another answer to another question.

    Raises
    ------
    OutcomeUnknown
        When the newest try is being launched, or its launch was cut off, and the cluster shows nothing of it or (for
        commands that wait for it) can't be asked.
    NotFound
        When it is known that the newest try was not submitted.
    ClusterUnreachable
        For commands that change what they find: whether there is a newer try can't be asked.
    """
    if last.application_id and (backend.name == LOCAL or last.result == Result.SUCCEEDED.value):
        target = _target(services, backend, last.application_id, context, run)
        return target if backend.name == LOCAL else replace(target, run_id=run.run_id)
    if last.state is TryState.NOT_SUBMITTED and backend.name == LOCAL:
        raise _not_submitted(run, last)
    if last.application_id or last.state is TryState.NOT_SUBMITTED:
        return _counting_try(services, backend, run, last, context, changing=changing)
    from batch_submit.plan.resume import standing_for

    try:
        if backend.name == LOCAL:
            report = backend.find_try(run.run_id, last.number)
        else:
            report = standing_for(backend.find_run(run.run_id), last.number)
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
            next_step="the same command again, in a few seconds"
            if changing
            else f"batch-submit wait {run.run_id}   (again, in a few seconds)",
        )
    return _of_report(services, backend, run, report, context)


def _counting_try(
    services: Services, backend: Backend, run: Run, last: Try, context: Context, *, changing: bool
) -> Target:
    """The application by which a run stands, whose newest try on record has an application or is known to have none.

    Another host may have repeated it, and a try that was given up may show after all. Who changes something asks for
    these even while the newest try on record lives: of two that live it is the newest that stays.
    """
    one = last.application_id
    by_record = replace(_target(services, backend, one, context, run), run_id=run.run_id) if one else None
    other: ApplicationReport | None = None
    why = ""
    try:
        if one and last.state is not TryState.FINISHED and not changing:
            report = _seen(backend, one)
            verdict = judge(report) if report is not None else None
            if report is not None and (verdict is None or verdict.result is Result.SUCCEEDED):
                assert by_record is not None
                return replace(by_record, report=report)
        from batch_submit.plan.resume import standing_for  # most runs succeed, and status has to start fast

        other = standing_for(backend.find_run(run.run_id), last.number)
    except BatchSubmitError as error:
        if changing or (by_record is None and not isinstance(error, ClusterUnreachable)):
            raise
        why = error.message
    if other is not None and other.application_id != one:
        return _of_report(services, backend, run, other, context)
    if by_record is None:
        raise _not_submitted(run, last, why)
    if why and last.state is TryState.FINISHED:
        services.terminal.note(
            f"run {run.run_id}: {one} ({last.result}) is its last try by this host's record; whether another host has"
            f" repeated it can't be asked ({why})"
        )
    return replace(by_record, report=other)


def _seen(backend: Backend, application_id: str) -> ApplicationReport | None:
    """What the cluster shows of it; ``None`` when it does not know it (any more)."""
    try:
        return backend.report(application_id)
    except NotFound:
        return None


def _not_submitted(run: Run, last: Try, away: str = "") -> NotFound:
    doubt = f"; by this host's record: whether another host has submitted it can't be asked ({away})" if away else ""
    return NotFound(
        f"try {last.number} of run {run.run_id} was not submitted: {last.reason or 'no reason on record'}{doubt}",
        next_step="repeat the submit with the same run id",
    )


def _of_report(services: Services, backend: Backend, run: Run, report: ApplicationReport, context: Context) -> Target:
    """The application that the cluster shows of a run, which goes on record unless a command only looks."""
    from batch_submit.plan.resume import Action, Decision, try_number_of

    number = try_number_of(report)
    if run.try_of(number) is None:
        services.terminal.note(
            f"run {run.run_id}: its newest try is {report.application_id} (try {number}), which another host submitted"
        )
    if context.reading or not number:
        return Target(report.application_id, backend, run, None, context, run.run_id, report)
    from batch_submit.operations.deciding import adopted

    recorder = _recorder(services, backend, run)
    decision = Decision(Action.ATTACH, number, report.application_id)
    recorder.submitted(number, report.application_id, adopted(recorder, decision))
    return Target(report.application_id, backend, recorder.run, recorder, context, run.run_id, report)


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
