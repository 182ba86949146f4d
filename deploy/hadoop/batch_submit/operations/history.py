"""``history`` and ``show``: what this host has on record. Asks no server and needs no configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode, NotFound, UsageError
from batch_submit.ledger import Run, SqliteLedger
from batch_submit.plan.history import HistoryFilters
from batch_submit.plan.tags import as_run_id
from batch_submit.render.history import HistoryRow, history_json, history_table, record_lines
from batch_submit.services import Services

_MOST_CANDIDATES = 10


def show_history(services: Services, filters: HistoryFilters, *, as_json: bool) -> int:
    """Show the runs that filters mean, newest first."""
    limit = filters.limit
    more = replace(filters, limit=limit + 1 if limit is not None else None)
    runs = [run for ledger in _ledgers(services, filters.cluster, filters.user) for run in ledger.search(more)]
    runs.sort(key=lambda run: (run.created_at, run.run_id), reverse=True)
    rows = [_row(services, run) for run in runs[:limit]]
    if as_json:
        services.terminal.answer(json.dumps([history_json(row) for row in rows]))
        return ExitCode.SUCCEEDED
    services.terminal.answer("\n".join(history_table(rows, services.answer_width())))
    if limit is not None and len(runs) > limit:
        services.terminal.note(f"these are the newest {limit}; --limit N shows more")
    return ExitCode.SUCCEEDED


def _ledgers(services: Services, cluster: str, user: str) -> list[SqliteLedger]:
    return [
        ledger
        for its_cluster, its_user, ledger in services.ledgers()
        if (not cluster or its_cluster == cluster) and (not user or its_user == user)
    ]


def _row(services: Services, run: Run) -> HistoryRow:
    last = run.last
    coming = None
    if last is not None and last.retried_by and last.again_at:
        from batch_submit.operations.retry_marks import next_try_of

        coming = next_try_of(services, run)
    return HistoryRow(
        run_id=run.run_id,
        name=run.name,
        job_type=run.job_type,
        state=last.state.value if last is not None else "",
        result=last.result if last is not None else "",
        exit_code=last.exit_code if last is not None else None,
        created_at=run.created_at,
        planned_at=last.planned_at if last is not None else "",
        finished_at=last.finished_at if last is not None else "",
        tries=len(run.tries),
        queue=run.queue,
        application_id=last.application_id if last is not None else "",
        memory_seconds=sum(one.memory_seconds for one in run.tries),
        vcore_seconds=sum(one.vcore_seconds for one in run.tries),
        rule=last.rule if last is not None else "",
        cause=last.cause if last is not None else "",
        user=run.user,
        cluster=run.cluster,
        host=run.host,
        tracking_url=last.tracking_url if last is not None else "",
        next_try_at=coming.due_at if coming is not None else "",
    )


@dataclass(frozen=True)
class ShowOptions:
    """``show`` as typed: which of several ledgers is meant, and how to answer."""

    cluster: str = ""
    user: str = ""
    as_json: bool = False


def show_record(services: Services, text: str, options: ShowOptions) -> int:
    """Show everything on record of one run.

    Raises
    ------
    NotFound
        Nothing is on record under this text.
    UsageError
        Several runs are; lists them.
    """
    ledger, run = _found(services, text, options)
    record: dict[str, Any] = json.loads(run.to_json())
    export = ledger.folder / f"{run.run_id}.json"
    if options.as_json:
        services.terminal.answer(json.dumps({**record, "ledger": str(ledger.path), "export": str(export)}))
        return ExitCode.SUCCEEDED
    places = {"ledger": str(ledger.path), "export": str(export)}
    services.terminal.answer("\n".join(record_lines(record, places)))
    return ExitCode.SUCCEEDED


def _found(services: Services, text: str, options: ShowOptions) -> tuple[SqliteLedger, Run]:
    ledgers = _ledgers(services, options.cluster, options.user)
    run_id = as_run_id(text)
    found = [(one, run) for one in ledgers if run_id and (run := one.load(run_id)) is not None]
    found = found or [(one, run) for one in ledgers if (run := one.find_application(text)) is not None]
    found = found or [(one, run) for one in ledgers for run in one.named(text)]
    if not found:
        raise NotFound(
            f"nothing is on record of {text!r}: neither a run id, nor an application id, nor a name",
            where=str(services.state_folder / "runs"),
            next_step="batch-submit history",
        )
    if len(found) > 1:
        lines = [
            f"{run.run_id}  {run.created_at}  cluster {run.cluster}, user {run.user}"
            for _, run in found[:_MOST_CANDIDATES]
        ]
        more = len(found) - len(lines)
        raise UsageError(
            f"{len(found)} runs on record are meant by {text!r}",
            details=[*lines, *([f"and {more} older ones"] if more else [])],
            next_step="name one by its run id, and where that is not enough by --cluster and --user",
        )
    return found[0]
