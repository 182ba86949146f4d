"""No further try of a run that somebody has killed while it waited for one."""

from __future__ import annotations

from batch_submit.errors import RunKilled
from batch_submit.ledger import Run, Try, TryState


def newest_made(run: Run, before: int = 0) -> Try | None:
    """The newest try that may have an application: one that is known to have none neither ends a run nor hides its end.

    Parameters
    ----------
    before
        Only tries before this number; 0 for all.
    """
    made = (one for one in reversed(run.tries) if one.state is not TryState.NOT_SUBMITTED)
    return next((one for one in made if not before or one.number < before), None)


def refuse_stopped(run: Run, number: int) -> None:
    """No further try of a run that somebody has ended (``kill``) while it waited for one.

    Parameters
    ----------
    number
        Of the try that would be made.

    Raises
    ------
    RunKilled
        Its newest try before that one says so.
    """
    one = newest_made(run, before=number)
    if one is None or not one.stopped_by:
        return
    raise RunKilled(
        f"run {run.run_id} was killed by {one.stopped_by} at {one.stopped_at}, before try {number}, which is not made",
        details=[f"try {one.number} ({one.application_id}) had ended before: {one.result}"],
        next_step=f"batch-submit submit with --run-id {run.run_id} makes a new try",
    )
