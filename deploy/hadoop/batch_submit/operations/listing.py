"""``list``: what runs and what ran lately, the runs included that the ResourceManager has forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.adapters.rm_replies import queue_matches
from batch_submit.errors import BatchSubmitError, ExitCode, UsageError
from batch_submit.model import ApplicationReport, FinalStatus, Listed, Result, Search, State, judge
from batch_submit.operations.context import Selection, ledger_of, open_backend, open_context
from batch_submit.plan.listing import ListFilters, in_order, is_wanted
from batch_submit.plan.moments import utc_ms
from batch_submit.plan.tags import OUR_TAG, run_id_of, run_tag, try_tag
from batch_submit.render.listing import listed_json, listing_table
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.backends.base import Backend
    from batch_submit.ledger import Run, Try

_WATCH_PAUSE_S = 3.0
_FORGOTTEN = "* forgotten by the ResourceManager: shown as this host's record has it"


def list_applications(services: Services, selection: Selection, filters: ListFilters, *, as_json: bool) -> int:
    """Show the applications that the filters mean, newest first."""
    backend = open_backend(open_context(services, selection, reading=True))
    rows = find_rows(services, backend, filters)
    if as_json:
        services.terminal.answer(json.dumps([listed_json(row) for row in rows]))
        return ExitCode.SUCCEEDED
    services.terminal.answer("\n".join(listing_table(rows, services.answer_width())))
    if any(row.forgotten for row in rows):
        services.terminal.note(_FORGOTTEN)
    return ExitCode.SUCCEEDED


def watch_applications(services: Services, selection: Selection, filters: ListFilters) -> int:
    """Draw the list again every few seconds, until a signal; the exit code is the signal's.

    Raises
    ------
    UsageError
        Without a terminal: a file or a pipe can't be drawn over.
    """
    if not services.draws_on_stdout():
        raise UsageError(
            "--watch draws on a terminal, and stdout is none that can be drawn on (TERM)",
            next_step="leave --watch out, and repeat the call: watch -n 5 batch-submit list",
        )
    backend = open_backend(open_context(services, selection, reading=True))
    rows = find_rows(services, backend, filters)
    trouble = ""
    with services.clock.listening() as signals:
        while not signals.received:
            count = f"{len(rows)} application{'' if len(rows) == 1 else 's'}"
            head = f"{services.clock.today():%H:%M:%S}  {count}; Ctrl-C ends this"
            lines = [head, *([trouble] if trouble else []), "", *listing_table(rows, services.answer_width())]
            if any(row.forgotten for row in rows):
                lines.append(_FORGOTTEN)
            services.terminal.answer_screen(lines[: services.answer_height() - 1])
            services.clock.sleep(_WATCH_PAUSE_S)
            try:
                rows, trouble = find_rows(services, backend, filters), ""
            except BatchSubmitError as error:  # a restart of the ResourceManager passes
                trouble = f"as of the last answer: {error.message}"
        return 128 + signals.first


def find_rows(services: Services, backend: Backend, filters: ListFilters) -> list[Listed]:
    """The rows, filtered, in order and cut to the limit."""
    now_ms = int(services.clock.now_utc().timestamp() * 1000)
    own_only = not (filters.all_users or filters.all_apps or filters.user)
    user = filters.user or ("" if filters.all_users else backend.user)
    after_ms = None if filters.since_s is None else now_ms - int(filters.since_s * 1000)
    types = (filters.application_type,) if filters.application_type else ()
    search = Search(tag="" if filters.all_apps else OUR_TAG, user=user)
    if not own_only:
        # Our own are few and asked for whole: only so is it known which of them are forgotten.
        search = replace(search, application_types=types, states=filters.states, ended_after_ms=after_ms)
    # The records first: what is submitted between the two looks must not seem to be forgotten.
    runs = _records(services, backend, after_ms) if user in ("", backend.user) else []
    reports = backend.search(search)
    rows = with_records(services, backend, reports)
    if runs:
        ours = reports if own_only else backend.applications()
        rows += _forgotten(runs, {report.application_id for report in ours})
    wanted = [
        row
        for row in rows
        if is_wanted(row, filters, now_ms) and (not filters.queue or queue_matches(row.report.queue, filters.queue))
    ]
    return in_order(wanted, filters.sort)[: filters.limit]


def with_records(services: Services, backend: Backend, reports: Sequence[ApplicationReport]) -> list[Listed]:
    """Reports with the job types that this host has on record."""
    run_ids = {
        report.application_id: run_id
        for report in reports
        if report.user == backend.user and (run_id := run_id_of(report.tags))
    }
    job_types = ledger_of(services, backend).job_types(run_ids.values())
    rows = []
    for report in reports:
        verdict = judge(report)
        job_type = job_types.get(run_ids.get(report.application_id, ""), "")
        rows.append(Listed(report, job_type, result=verdict.result.value if verdict is not None else ""))
    return rows


def _records(services: Services, backend: Backend, after_ms: int | None) -> list[Run]:
    """The records of our runs that have changed lately; none for a backend that forgets nothing."""
    if backend.name == "local":
        return []
    return ledger_of(services, backend).changed_since((after_ms or 0) / 1000)


def _forgotten(runs: Sequence[Run], known: set[str]) -> list[Listed]:
    """The tries on record whose applications the backend does not know any more."""
    return [
        recorded(run, one)
        for run in runs
        for one in run.tries
        if one.application_id and one.application_id not in known
    ]


def recorded(run: Run, one: Try) -> Listed:
    """A try as its record has it. Its end is what was seen then, and unknown when nobody saw it; never a guess."""
    started_ms, finished_ms = utc_ms(one.planned_at), utc_ms(one.finished_at)
    report = ApplicationReport(
        one.application_id,
        name=run.name,
        user=run.user,
        queue=run.queue,
        state=State.parse(one.yarn_state),
        final_status=FinalStatus.parse(one.final_status),
        application_type="SPARK",
        tags=(OUR_TAG, run_tag(run.run_id), try_tag(run.run_id, one.number)),
        diagnostics=one.reason,
        started_ms=started_ms,
        finished_ms=finished_ms,
        elapsed_ms=max(0, finished_ms - started_ms) if finished_ms and started_ms else 0,
        memory_seconds=one.memory_seconds,
        vcore_seconds=one.vcore_seconds,
        tracking_url=one.tracking_url,
    )
    return Listed(report, run.job_type, forgotten=True, result=one.result or Result.UNKNOWN.value)
