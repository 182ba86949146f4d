"""What goes wrong on the way over REST, as an error of ours."""

from __future__ import annotations

from batch_submit.errors import BatchSubmitError, OutcomeUnknown


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


def not_posted_again(application_id: str, error: BatchSubmitError) -> OutcomeUnknown:
    """An earlier post of the same id may still show."""
    return OutcomeUnknown(
        f"{application_id}, which an earlier call reserved, could not be posted again: {error.message}",
        details=error.lines(),
        next_step="run the same command again with the same run id once that is mended",
    )
