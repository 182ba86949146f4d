"""What an error means to whoever retries: before a launch nothing was submitted, after one the outcome is not known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from batch_submit.errors import BatchSubmitError, ClusterUnreachable, OutcomeUnknown


@contextlib.contextmanager
def nothing_submitted() -> Iterator[None]:
    """Say of an outage before the launch what matters most to whoever retries."""
    try:
        yield
    except ClusterUnreachable as error:
        raise ClusterUnreachable(
            f"{error.message}; nothing was submitted",
            where=error.where,
            next_step=error.next_step,
            details=error.details,
        ) from error


def after_launch(error: Exception, run_id: str, application_id: str = "") -> OutcomeUnknown:
    """An error after a launch as what it means for the caller: the outcome is not known (exit code 8)."""
    if isinstance(error, OutcomeUnknown):
        return error
    words = error.lines() if isinstance(error, BatchSubmitError) else [f"internal error: {error!r}; report it"]
    what = application_id or f"run {run_id}"
    return OutcomeUnknown(
        f"{what} was launched, and then this call failed",
        details=words,
        next_step=f"batch-submit wait {application_id or run_id}",
    )
