"""``status``: everything known of one application, by whoever still knows it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.errors import BatchSubmitError, ExitCode, NotFound
from batch_submit.model import (
    ApplicationFacts,
    ApplicationReport,
    AttemptReport,
    Listed,
    Result,
    SparkHistoryReport,
    judge,
)
from batch_submit.operations.context import Selection
from batch_submit.operations.targets import Target, resolve
from batch_submit.plan.tags import run_id_of
from batch_submit.render.status import status_json, status_lines
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.adapters.spark_history import SparkHistory

_RESOURCE_MANAGER, _THIS_HOST = "ResourceManager", "this host"
_RECORD, _HISTORY = "this host's record", "Spark History Server"


def show_status(services: Services, selection: Selection, text: str, *, as_json: bool) -> int:
    """Show all that is known; 0 when somebody knows something.

    Raises
    ------
    NotFound
        Nobody knows it: neither the cluster, nor a history server, nor this host's records.
    """
    target = resolve(services, selection, text, reading=True)
    facts = gather(services, target)
    if as_json:
        services.terminal.answer(json.dumps(status_json(facts)))
    else:
        services.terminal.answer("\n".join(status_lines(facts)))
    return ExitCode.SUCCEEDED


def gather(services: Services, target: Target) -> ApplicationFacts:
    """Ask the backend, and where it has forgotten the application, the history server and the record."""
    try:
        report = target.report or target.backend.report(target.application_id)
    except NotFound as gone:
        return _remembered(services, target, gone)
    verdict = judge(report)
    job_type = target.run.job_type if target.run is not None else ""
    result = verdict.result.value if verdict is not None else ""
    run_id = target.run.run_id if target.run is not None else run_id_of(report.tags)
    source = _THIS_HOST if target.backend.name == "local" else _RESOURCE_MANAGER
    limit_s = target.run.limit_s(target.application_id) if target.run is not None else None
    listed = Listed(report, job_type, result=result)
    facts = ApplicationFacts(listed, source, _attempts(services, target), run_id, limit_s=limit_s)
    return _with_next_try(services, target, facts) if verdict is not None else facts


def _with_next_try(services: Services, target: Target, facts: ApplicationFacts) -> ApplicationFacts:
    """With the further try that a living call may make after this application, if it is the newest one of its run."""
    last = target.run.last if target.run is not None else None
    if last is None or not last.retried_by or last.application_id != target.application_id:
        return facts
    from batch_submit.operations.retry_marks import next_try_of

    coming = next_try_of(services, target.run)
    return replace(facts, next_try=coming.told, next_try_at=coming.due_at) if coming is not None else facts


def _attempts(services: Services, target: Target) -> tuple[AttemptReport, ...]:
    try:
        return tuple(target.backend.attempts(target.application_id))
    except BatchSubmitError as error:
        services.terminal.note(f"its attempts are not known: {error.message}")
        return ()


def _remembered(services: Services, target: Target, gone: NotFound) -> ApplicationFacts:
    """What is left of an application that the backend does not know. How it ended is what was seen then, or unknown."""
    history = _from_history(services, target)
    run = target.run
    one = next((one for one in run.tries if one.application_id == target.application_id), None) if run else None
    if run is not None and one is not None:
        from batch_submit.operations.listing import recorded

        row = recorded(run, one)
        return ApplicationFacts(row, _RECORD, run_id=run.run_id, history=history)
    if history is None:
        gone.next_step = gone.next_step or "batch-submit list   (what is known)"
        raise gone
    report = ApplicationReport(
        target.application_id,
        name=history.name,
        user=history.user,
        application_type="SPARK",
        started_ms=history.started_ms,
        finished_ms=history.ended_ms,
        elapsed_ms=max(0, history.ended_ms - history.started_ms) if history.ended_ms else 0,
        tracking_url=history.page,
    )
    return ApplicationFacts(Listed(report, "", True, Result.UNKNOWN.value), _HISTORY, history=history)


def _from_history(services: Services, target: Target) -> SparkHistoryReport | None:
    server = spark_history_of(target)
    if server is None:
        return None
    try:
        return server.application(target.application_id)
    except NotFound:
        return None
    except BatchSubmitError as error:
        services.terminal.note(f"the Spark History Server was asked too: {error.message} ({error.where})")
        return None


def spark_history_of(target: Target) -> SparkHistory | None:
    """The history server that ``spark.yarn.historyServer.address`` names; ``None`` without one, and for local runs."""
    from batch_submit.backends.yarn import YarnBackend

    if target.context is None or not isinstance(target.backend, YarnBackend):
        return None
    address = target.context.config.text("spark.yarn.historyServer.address")
    if not address:
        return None
    from batch_submit.adapters.spark_history import SparkHistory, history_url

    servers = target.backend.servers
    url = history_url(address, servers.conf)
    return SparkHistory(url, servers.session) if url and servers.session is not None else None
