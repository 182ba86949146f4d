"""Of which tries of a run a kill is: which applications are to end, and whether another one may still come."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from batch_submit.errors import BatchSubmitError, OutcomeUnknown
from batch_submit.ledger import Run, TryState
from batch_submit.model import ApplicationReport, judge
from batch_submit.operations.targets import Target
from batch_submit.plan.resume import seen_under, try_number_of
from batch_submit.services import Services


def to_end(target: Target, seen: Sequence[ApplicationReport]) -> list[Target]:
    """The live applications of a run in the order of their tries, and with them what it stands by, however it is."""
    by_try = sorted(seen, key=lambda one: (try_number_of(one), one.application_id))
    meant = [
        replace(target, application_id=one.application_id, report=one)
        for one in by_try
        if judge(one) is None and one.application_id != target.application_id
    ]
    number = try_of_target(target)
    newer = [one for one in meant if number and try_of_target(one) > number]
    return [*(one for one in meant if one not in newer), target, *newer]


def try_of_target(target: Target) -> int:
    """Which try an application is, by its tags or this host's record; 0 when neither tells."""
    if target.report is not None and try_number_of(target.report):
        return try_number_of(target.report)
    tries = target.run.tries if target.run is not None else ()
    return next((one.number for one in reversed(tries) if one.application_id == target.application_id), 0)


def reread(target: Target) -> Run | None:
    """The record of the run as it is now, else as it was read a moment ago."""
    recorder = target.recorder
    if recorder is None:
        return target.run
    with contextlib.suppress(BatchSubmitError):
        recorder.run = recorder.ledger.load(recorder.run.run_id) or recorder.run
    return recorder.run


def newest_number(run: Run | None) -> int:
    """The number of the newest try on record; 0 without one."""
    return run.last.number if run is not None and run.last is not None else 0


def is_settled(
    services: Services, target: Target, run: Run | None, seen: Sequence[ApplicationReport], asked: set[str]
) -> bool:
    """Whether the newest try on record is dealt with, or leads to nothing; ``False``: it went on meanwhile, look again.

    One that is planned is launched yet (it may have to wait for a slot) as long as its call holds the run's lock.

    Parameters
    ----------
    run
        Its record, read before the cluster was asked what there is to be `seen`.

    Raises
    ------
    OutcomeUnknown
        It is being launched, and does not show: it may come.
    """
    last = run.last if run is not None else None
    if run is None or last is None or last.state not in (TryState.PLANNED, TryState.LAUNCHING):
        return True
    if last.application_id in asked or seen_under(last.number, seen):
        return True  # what became of it was told
    if last.state is TryState.PLANNED and not _is_being_submitted(services, target, run):
        now = reread(target)
        return now is None or now.last == last  # else its call has let go of the lock because it was done
    raise OutcomeUnknown(
        f"try {last.number} of run {run.run_id} is being launched, or its launch was cut off: its application may still"
        " come",
        next_step=f"batch-submit kill {run.run_id}   (again, in a few seconds)",
    )


def _is_being_submitted(services: Services, target: Target, run: Run) -> bool:
    """Whether a call holds the run's lock: from before a try is planned until its application is known."""
    if target.recorder is None:
        return False
    clock = services.clock
    try:
        with target.recorder.ledger.lock(run.run_id, monotonic=clock.monotonic, sleep=clock.sleep, patience_s=0.0):
            return False
    except OutcomeUnknown:
        return True


def refuse_if_under_way(run: Run | None, application_id: str) -> None:
    """An application that the cluster does not show may still come while its try is being launched.

    Raises
    ------
    OutcomeUnknown
        That is so.
    """
    last = run.last if run is not None else None
    if run is None or last is None or last.application_id != application_id or last.state is not TryState.LAUNCHING:
        return
    raise OutcomeUnknown(
        f"{application_id} is reserved for try {last.number} of run {run.run_id}, which is being launched, or whose"
        " launch was cut off; it is not there so far",
        next_step=f"batch-submit kill {run.run_id}   (again, in a few seconds)",
    )
