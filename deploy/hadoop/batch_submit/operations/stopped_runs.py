"""No further try of a run that somebody has killed while it waited for one."""

from __future__ import annotations

from batch_submit.errors import RunKilled
from batch_submit.ledger import Run


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
    before = [one for one in run.tries if one.number < number]
    if not before or not before[-1].stopped_by:
        return
    one = before[-1]
    raise RunKilled(
        f"run {run.run_id} was killed by {one.stopped_by} at {one.stopped_at}, before try {number}, which is not made",
        details=[f"try {one.number} ({one.application_id}) had ended before: {one.result}"],
        next_step=f"batch-submit submit with --run-id {run.run_id} makes a new try",
    )
