"""What a run's record alone tells while the cluster can't be asked: that something may run, and under which id."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from batch_submit.errors import ClusterUnreachable, OutcomeUnknown
from batch_submit.ledger import Ledger, Run, TryState
from batch_submit.operations.recording import Recorder

if TYPE_CHECKING:
    from batch_submit.services import Services


def may_run(run: Run | None) -> bool:
    """Whether an application of the run's newest try may be running, as far as its record goes."""
    last = run.last if run is not None else None
    return last is not None and last.state in (TryState.LAUNCHING, TryState.SUBMITTED)


def outcome_unknown(run: Run, folder: Path, because: ClusterUnreachable) -> OutcomeUnknown:
    """The error for a run that may be running while nobody can be asked; not "nothing was submitted"."""
    last = run.last
    assert last is not None
    what = f"{last.application_id} was submitted" if last.application_id else "an earlier call began to launch it"
    return OutcomeUnknown(
        f"run {run.run_id}: {what}, and the cluster can't be asked what became of it; an application may be running",
        details=[
            f"record: {folder / (run.run_id + '.json')}, try {last.number}, planned at {last.planned_at} on {run.host}",
            ": ".join(filter(None, (because.where, because.message))),
            *because.details,
        ],
        next_step=f"batch-submit wait {run.run_id}"
        + ("" if last.application_id else "   (when a ResourceManager answers again)"),
    )


def attach_by_record(
    services: Services, ledger: Ledger, run: Run | None, because: ClusterUnreachable, *, wait: bool
) -> tuple[str, Recorder]:
    """The application to attach to without having asked the cluster: the waiting has the patience for that.

    Raises
    ------
    ClusterUnreachable
        By the record nothing of this run can be running: a repeat is safe.
    OutcomeUnknown
        Something may run, and there is no id to wait for, or nobody who waits.
    """
    if run is None or run.last is None or not may_run(run):
        raise because
    application_id = run.last.application_id
    if not wait or not application_id:
        raise outcome_unknown(run, ledger.folder, because) from because
    services.terminal.note(
        f"run {run.run_id}: attached to {application_id} by this host's record, for the cluster can't be asked;"
        " nothing was submitted"
    )
    return application_id, Recorder(ledger, services.clock, services.terminal, run)


@contextlib.contextmanager
def unless_on_record(services: Services, run_id: str) -> Iterator[None]:
    """Where not even our user is known without the cluster (Kerberos), look for the run in all records of this host.

    Raises
    ------
    OutcomeUnknown
        In place of :class:`ClusterUnreachable`, when by one of them the run may be running.
    """
    try:
        yield
    except ClusterUnreachable as error:
        for _cluster, _user, ledger in services.ledgers():
            run = ledger.load(run_id)
            if run is not None and may_run(run):
                raise outcome_unknown(run, ledger.folder, error) from error
        raise
