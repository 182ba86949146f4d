"""``diagnose``: why a run ended badly. ``submit``, ``wait`` and ``monitor`` tell the same when a run of theirs does.

Reads no more than it needs: the report, then the newest attempt's driver, then the executors that its messages name,
and of each file no more than its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.adapters.run_logging import mask_text
from batch_submit.data_classes import dataclass
from batch_submit.diagnosis.evidence import DRIVER, EXECUTOR, Evidence, LogText
from batch_submit.diagnosis.explain import UNKNOWN, Diagnosis, explain, unasserted
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode, NotFound
from batch_submit.model import ApplicationReport, FinalStatus, Result, State, Verdict, judge
from batch_submit.operations.context import Selection
from batch_submit.operations.targets import Target, resolve
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.units import format_duration
from batch_submit.render.diagnosis import diagnosis_json, diagnosis_lines
from batch_submit.render.tables import printable
from batch_submit.services import Clock, Services

if TYPE_CHECKING:
    from batch_submit.backends.base import Backend
    from batch_submit.container_logs import ApplicationLogs, ContainerLogs

#: After a failure: how long to wait for the logs before telling what is known without them.
LOG_PATIENCE_S = 15.0
#: How long the reading itself may take.
_READING_S = 30.0
#: Of a driver's file so much of its end is read, of an executor's less.
_DRIVER_BYTES, _EXECUTOR_BYTES = 1 << 20, 1 << 18
_MOST_ATTEMPTS, _MOST_EXECUTORS = 2, 4
#: In the order in which they are to be believed.
_FILES = ("stdout", "stderr", "driver.log", "prelaunch.err")
#: A driver's message that names the container of an executor that ended badly.
_NAMES_CONTAINER = re.compile(
    r"(?:bad node|killed by YARN|marked as failed|Completed container).{0,200}?(container_(?:e\d+_)?\d+_\d+_\d+_\d+)"
)
_CONTAINER = re.compile(r"container_(?:e\d+_)?\d+_\d+_(\d+)_(\d+)")


@dataclass(frozen=True)
class _Budget:
    """Until when may be read, on a clock that never jumps."""

    clock: Clock
    deadline: float

    @property
    def spent(self) -> bool:
        return self.clock.monotonic() >= self.deadline


def diagnose_run(services: Services, selection: Selection, text: str, *, as_json: bool) -> int:
    """Explain how an application or run ended; exit code 0 when there was an answer."""
    target = resolve(services, selection, text)
    end = _end_of(target)
    report, result = end.report, end.result
    reason = _recorded_reason(target)
    application_id = printable(report.application_id)
    diagnosis: Diagnosis | None = None
    next_command = ""
    head = f"{application_id}: {end.forgotten}" if end.forgotten else headline(judge(report), report)
    if result is Result.STILL_RUNNING:
        head = f"{application_id}: still {report.state.value.lower()}; there is no end to explain"
        next_command = f"batch-submit status {report.application_id}"
    elif result is Result.SUCCEEDED:
        head = f"{head if end.forgotten else f'{application_id}: succeeded'}; there is nothing to explain"
    else:
        diagnosis, no_logs = _diagnose(services, target.backend, report, reason, LOG_PATIENCE_S)
        if end.gone is not None and target.run is None and no_logs:
            raise _never_known(end.gone, report.application_id, diagnosis)
        if target.recorder is not None and result is not Result.UNKNOWN and diagnosis.rule != UNKNOWN:
            target.recorder.diagnosed(report.application_id, diagnosis.rule, diagnosis.cause)
        if result is Result.UNKNOWN:
            diagnosis = unasserted(diagnosis, "how it ended is not known")
        diagnosis = hidden(diagnosis)
    if as_json:
        answer: dict[str, object] = {
            "application_id": report.application_id,
            "result": result.value,
            "state": report.state.value,
            "final_status": report.final_status.value,
            "headline": head,
            "diagnosis": diagnosis_json(diagnosis) if diagnosis is not None else None,
        }
        services.terminal.answer(json.dumps(answer, sort_keys=True))
        return ExitCode.SUCCEEDED
    below = diagnosis_lines(diagnosis) if diagnosis is not None else []
    if diagnosis is None and next_command:
        below = [f"  next: {next_command}"]
    services.terminal.answer("\n".join([head, *below]), for_people=True)
    return ExitCode.SUCCEEDED


def hidden(diagnosis: Diagnosis) -> Diagnosis:
    """The same without the secrets that a job has written into its log: what is printed lands in cron's mail."""
    return replace(
        diagnosis,
        cause=mask_text(diagnosis.cause),
        evidence=tuple(replace(one, lines=tuple(map(mask_text, one.lines))) for one in diagnosis.evidence),
        others=tuple(replace(one, cause=mask_text(one.cause)) for one in diagnosis.others),
        note=mask_text(diagnosis.note),
    )


def _never_known(gone: NotFound, application_id: str, diagnosis: Diagnosis) -> NotFound:
    """Nobody has a trace of it: most likely the id is wrong."""
    return NotFound(
        f"nothing is known of {application_id}: the ResourceManager does not know it, this host has no record of it,"
        " and no log of it was found",
        where=gone.where,
        details=[diagnosis.note] if diagnosis.note else [],
        next_step="batch-submit list --all-users --states all   (shows the ids that exist)",
    )


def headline(verdict: Verdict | None, report: ApplicationReport) -> str:
    """What became of it, in one line."""
    result = verdict.result.value if verdict is not None else "unknown"
    took = f" after {format_duration(report.elapsed_ms // 1000)}" if report.elapsed_ms else ""
    states = f"state {report.state.value}, final status {report.final_status.value}"
    return f"{report.application_id}: {result}{took} ({states})"


def explain_end(
    services: Services, backend: Backend, verdict: Verdict, *, patience_s: float = LOG_PATIENCE_S
) -> tuple[Diagnosis, list[str]]:
    """The diagnosis of a bad end that was just seen, and its lines; never raises and never waits long."""
    report = verdict.report or ApplicationReport(
        verdict.application_id, state=verdict.state, final_status=verdict.final_status, diagnostics=verdict.reason
    )
    reason = verdict.reason if verdict.reason != report.diagnostics.strip() else ""
    found = hidden(diagnose(services, backend, report, reason=reason, patience_s=patience_s))
    # A driver on this host has just shown all that it wrote.
    return found, diagnosis_lines(found, seen="driver.log" if backend.name == LOCAL else "")


def diagnose(
    services: Services, backend: Backend, report: ApplicationReport, *, reason: str = "", patience_s: float = 0.0
) -> Diagnosis:
    """Collect the evidence and explain it. Never raises: what could not be read is told in the diagnosis' note."""
    return _diagnose(services, backend, report, reason, patience_s)[0]


def _diagnose(
    services: Services, backend: Backend, report: ApplicationReport, reason: str, patience_s: float
) -> tuple[Diagnosis, bool]:
    """The diagnosis, and whether everybody who keeps logs said that there are none of this application."""
    evidence = Evidence(report, reason=reason)
    first = explain(evidence)
    if first.decisive or (report.state is State.FAILED and not report.was_launched):
        return first, False
    terminal = services.terminal
    try:
        logs = backend.open_logs(
            report,
            patience_s=patience_s,
            waiting=lambda what: terminal.progress(what, f"looking for the cause: {what}"),
        )
    except BatchSubmitError as error:
        gap = f"no logs could be read: {_in_a_line(error)}"
        return explain(replace(evidence, gap=gap)), isinstance(error, NotFound)
    except Exception as error:
        return explain(replace(evidence, gap=f"no logs could be read: {type(error).__name__}: {error}")), False
    for notice in logs.notices:
        terminal.debug(notice)
    budget = _Budget(services.clock, services.clock.monotonic() + _READING_S)
    evidence = replace(evidence, gap=f"partial logs: {logs.partial}" if logs.partial else "")
    return explain(_read_needed(evidence, logs, budget)), False


def _read_needed(evidence: Evidence, logs: ApplicationLogs, budget: _Budget) -> Evidence:
    """The driver's logs, and those of executors where the driver's do not tell enough."""
    gaps = [evidence.gap] if evidence.gap else []
    texts: list[LogText] = []
    for container_id in logs.drivers[:_MOST_ATTEMPTS]:
        texts += _texts_of(logs.files, container_id, DRIVER, _DRIVER_BYTES, budget, gaps)
        if texts:
            break  # the newest attempt that has any log
    evidence = replace(evidence, logs=tuple(texts), gap="; ".join(gaps))
    diagnosis = explain(evidence)
    named = _executors_named(texts, logs)
    if diagnosis.rule not in (UNKNOWN, "max_executor_failures", "executor_killed", "fetch_failed") or not logs.files:
        return evidence
    if not named and diagnosis.rule in (UNKNOWN, "max_executor_failures"):
        named = [one for one in dict.fromkeys(file.file.container_id for file in logs.files) if one not in logs.drivers]
    for container_id in named[:_MOST_EXECUTORS]:
        texts += _texts_of(logs.files, container_id, EXECUTOR, _EXECUTOR_BYTES, budget, gaps)
    return replace(evidence, logs=tuple(texts), gap="; ".join(gaps))


def _executors_named(drivers: Iterable[LogText], logs: ApplicationLogs) -> list[str]:
    """The containers whose end the driver told of, the last first, as far as there are logs of them."""
    known = {one.file.container_id for one in logs.files}
    named = [match for log in drivers for match in _NAMES_CONTAINER.findall(log.searched)]
    return [one for one in dict.fromkeys(reversed(named)) if one in known and one not in logs.drivers]


def _texts_of(
    files: Sequence[ContainerLogs], container_id: str, role: str, most: int, budget: _Budget, gaps: list[str]
) -> list[LogText]:
    """The ends of one container's files; what can't be read is added to ``gaps``."""
    texts = []
    for one in sorted(files, key=lambda each: each.file.name):
        if one.file.container_id != container_id or one.file.name not in _FILES or one.file.size == 0:
            continue
        if budget.spent:
            gaps.append("the logs were not read to the end: it took too long")
            break
        try:
            texts.append(_read_end(one, role, most, budget))
        except BatchSubmitError as error:
            gaps.append(f"{one.file.name} of {container_id} can't be read: {_in_a_line(error)}")
    return sorted(texts, key=lambda text: _FILES.index(text.file))


def _read_end(one: ContainerLogs, role: str, most: int, budget: _Budget) -> LogText:
    """At most ``most`` bytes of the end of a file, from the first whole line on."""
    whole = one.file.size is not None and one.file.size <= most
    data = b""
    for piece in one.source.read(one.file, start=0 if whole else -most):
        data += piece
        if len(data) > 2 * most:
            data = data[-most:]  # a source that can't start near the end
            whole = False
        if budget.spent:
            break
    if not whole:
        whole = one.file.size is None and len(data) < most
    if not whole:
        data = data.partition(b"\n")[2] or data
    match = _CONTAINER.fullmatch(one.file.container_id)
    attempt = int(match[1]) if match is not None else 1
    text = data.decode("utf-8", errors="replace")
    return LogText(one.file.container_id, role, attempt, one.file.name, text, 1 if whole else 0, whole)


@dataclass(frozen=True)
class _End:
    """What is known of an application's end, and from whom.

    Parameters
    ----------
    forgotten
        Why it is not the ResourceManager's word ("" when it is); its logs can outlive its memory.
    gone
        Its answer, when it said that there is no such application.
    """

    report: ApplicationReport
    result: Result
    forgotten: str = ""
    gone: NotFound | None = None


def _end_of(target: Target) -> _End:
    """How it ended: the cluster's word, else that of this host's record, else unknown.

    Raises
    ------
    NotFound
        Of a local run that never was: nobody else could know it.
    """
    gone: NotFound | None = None
    try:
        report = target.backend.report(target.application_id)
        verdict = judge(report)
        return _End(report, verdict.result if verdict is not None else Result.STILL_RUNNING)
    except NotFound as error:
        if target.backend.name == LOCAL:
            raise
        forgotten, gone = "the ResourceManager has forgotten it", error
    except ClusterUnreachable as error:
        if target.run is None:
            raise
        forgotten = f"the ResourceManager can't be asked ({error.message})"
    tries = target.run.tries if target.run is not None else ()
    last = next((one for one in tries if one.application_id == target.application_id), None)
    if last is None:
        return _End(ApplicationReport(target.application_id, user=target.backend.user), Result.UNKNOWN, forgotten, gone)
    result = Result(last.result) if last.result in {one.value for one in Result} else Result.UNKNOWN
    report = ApplicationReport(
        target.application_id,
        name=target.run.name if target.run else "",
        user=target.backend.user,
        state=State.parse(last.yarn_state),
        final_status=FinalStatus.parse(last.final_status),
        diagnostics=last.reason,
        launched_ms=0 if result is Result.REFUSED else 1,
    )
    if result is Result.STILL_RUNNING:  # that was so when somebody last looked
        result = Result.UNKNOWN
    said = f"{forgotten}; this host's record says {last.result or 'nothing of its end'}"
    return _End(report, result, said, gone)


def _recorded_reason(target: Target) -> str:
    """Our own words about the end, from the record: that we killed it for ``--timeout``, the cluster can't know."""
    tries = target.run.tries if target.run is not None else ()
    return next((one.reason for one in reversed(tries) if one.application_id == target.application_id), "")


def _in_a_line(error: BatchSubmitError) -> str:
    words = "; ".join(line.strip() for line in error.details[:3])
    return f"{error.message}" + (f" ({words})" if words else "")
