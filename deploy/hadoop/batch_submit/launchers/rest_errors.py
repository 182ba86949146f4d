"""What goes wrong on the way over REST, as an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    Interrupted,
    NotFound,
    OutcomeUnknown,
    TryPassedOver,
)

if TYPE_CHECKING:
    from batch_submit.adapters.resource_manager import ResourceManager
    from batch_submit.adapters.submission import Reserved
    from batch_submit.launchers.posting import IdRecord
    from batch_submit.plan.rest.master import Size


class NeedsSparkSubmit(Exception):
    """Why a job can't go over REST; found before anything is submitted.

    Parameters
    ----------
    message
        The reason, as the end of "because …".
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def words(error: BatchSubmitError) -> str:
    """An error in one line, with the server's own words."""
    return " - ".join([error.message, *error.details[:1]])


def internal(error: Exception) -> BatchSubmitError:
    """A fault of this tool while nothing was posted: exit code 70, and not "an application may be running"."""
    return BatchSubmitError(
        f"internal error: {error!r}; nothing was submitted",
        next_step="run it again with --verbose and report it with the log file",
    )


def refuse_too_large(size: Size, most: Reserved) -> None:
    """Refuse a driver that no container of this cluster can hold.

    Raises
    ------
    ClusterRefused
        It is too large.
    """
    for what, asked, limit in (("memory", size.memory_mib, most.memory_mib), ("vCores", size.vcores, most.vcores)):
        if limit and asked > limit:
            unit = " MiB (heap and overhead)" if what == "memory" else ""
            raise ClusterRefused(
                f"the driver asks for {asked:,}{unit} of {what}, and a container of this cluster has at most {limit:,}",
                next_step="lower driver_memory or driver_cores",
            )


def unless_posted(application_id: str, error: Exception, manager: ResourceManager, record: IdRecord) -> None:
    """Look for the application before an error is told as "nothing was submitted": another host's call, which has read
    the id in the run's claim, may have posted it, or have said that it does.

    Raises
    ------
    OutcomeUnknown
        It is there, or may come, or can't be looked for.
    """
    if isinstance(error, TryPassedOver):
        return  # whoever made the call looks for it again, and for a newer one
    try:
        manager.application(application_id)
        found = "another call has posted it"
    except NotFound:
        found = _may_come(application_id, record)
    except BatchSubmitError as asked:
        found = f"whether another call has posted it can't be asked: {asked.message}"
    if not found:
        return
    raise OutcomeUnknown(
        f"{application_id} was not submitted by this call; {found}",
        details=_why(error),
        next_step="run the same command again with the same run id: it looks for this application first",
    ) from error


def _may_come(application_id: str, record: IdRecord) -> str:
    """Why an application that does not show may do so in a moment; "" when nobody else posts it."""
    try:
        return "another call may be posting it" if record.is_posted_too(application_id) else ""
    except BatchSubmitError as asked:
        return f"whether another call is posting it can't be looked at: {asked.message}"


def _why(error: Exception) -> list[str]:
    """What ended a call, without the words of an error by itself that nothing was submitted."""
    if isinstance(error, Interrupted):
        return ["a signal ended it"]
    if not isinstance(error, BatchSubmitError):
        return [f"internal error: {error!r}; report it"]
    return [": ".join(filter(None, (error.where, error.message))), *error.details]


def not_posted_again(application_id: str, error: BatchSubmitError) -> OutcomeUnknown:
    """An earlier post of the same id may still show."""
    return OutcomeUnknown(
        f"{application_id}, which an earlier call reserved, could not be posted again: {error.message}",
        details=error.lines(),
        next_step="run the same command again with the same run id once that is mended",
    )
