"""What goes wrong on the way over REST, as an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_submit.errors import BatchSubmitError, Interrupted, NotFound, OutcomeUnknown

if TYPE_CHECKING:
    from batch_submit.adapters.resource_manager import ResourceManager


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


def unless_posted(application_id: str, error: Exception, manager: ResourceManager) -> None:
    """Look for the application before an error is told as "nothing was submitted": another host's call, which has read
    the id in the run's claim, may have posted it.

    Raises
    ------
    OutcomeUnknown
        It is there, or can't be looked for.
    """
    try:
        manager.application(application_id)
    except NotFound:
        return
    except BatchSubmitError as asked:
        found = f"whether another call has posted it can't be asked: {asked.message}"
    else:
        found = "another call has posted it"
    raise OutcomeUnknown(
        f"{application_id} was not posted by this call, which ended too soon; {found}",
        details=_why(error),
        next_step="run the same command again with the same run id: it looks for this application first",
    ) from error


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
