"""The error tree of the edge package. Every class owns its exit code.

::

    BatchSubmitError                    70  an internal error of this tool
    ├── UsageError                       2  fix the call
    │   ├── ConfigError                  2    the configuration has problems (all of them are listed)
    │   ├── LimitExceeded                2    our own ``resource_limits`` are exceeded
    │   ├── MissingFile                  2    a file named by the user does not exist
    │   ├── UnsafeForContainer           2    YARN would rewrite this text, or publish this secret
    │   └── RunConflict                  2    the run id was used for something else
    ├── HostNotReady                     3  fix the host: spark-submit, Java, keytab, ticket, package
    ├── ClusterRefused                   4  fix the request: queue, ACL, size, HDFS permission or quota
    │   └── NotFound                     4    the cluster says that there is no such thing
    ├── ClusterUnreachable               5  retry safely: nothing was submitted
    ├── LockHeld                         5    another run holds the lock: nothing was submitted
    ├── RunKilled                        6  somebody ended the run before its next try
    ├── OutcomeUnknown                   8  run again with the same run id: it re-attaches
    │   ├── TryPassedOver                8    the run goes on without the try that this call was about to launch
    │   └── EndUnseen                    8    it runs no more, and nobody saw how it ended
    └── Interrupted              129/130/143  a signal came before anything was launched

A run that was accepted and has ended is not an error but a :class:`batch_submit.model.Verdict`; its exit codes
(0, 1, 4, 6, 7, 8) stand in :class:`ExitCode` too, so that this file answers "what does exit code N mean?" for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell. A scheduler branches on these; they never change their meaning."""

    SUCCEEDED = 0  #: the run succeeded (``--no-wait``: was accepted); a question was answered
    FAILED = 1  #: the application failed; only ever from a finished application
    USAGE = 2  #: usage or configuration error
    HOST_NOT_READY = 3  #: this host lacks something
    REFUSED = 4  #: the cluster refuses the request
    UNREACHABLE = 5  #: the cluster could not be reached, or a lock is held; nothing was submitted
    KILLED = 6  #: the application was killed
    TIMED_OUT = 7  #: past ``--timeout`` (killed) or past ``--wait-timeout`` (still runs)
    UNKNOWN = 8  #: an application may be running
    INTERNAL = 70  #: internal error of this tool before any launch
    HANGUP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class BatchSubmitError(Exception):
    """Base of all errors that this tool raises on purpose.

    Parameters
    ----------
    message
        What went wrong, in one sentence, with the thing's name in it.
    where
        The place: ``file:line``, a URL, a host, a key. Empty when the message names it.
    next_step
        What the user does next: a command to type or a value to change.
    details
        Further lines, shown indented below the message (a server's own words, a list of problems).
    """

    exit_code: ExitCode = ExitCode.INTERNAL

    def __init__(self, message: str, *, where: str = "", next_step: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.next_step = next_step
        self.details = tuple(details)

    def lines(self) -> list[str]:
        """The error as the lines that go to stderr: what, where, details, what to do next."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        out = [head, *(f"  {line}" for line in self.details)]
        if self.next_step:
            out.append(f"  next: {self.next_step}")
        return out

    def __str__(self) -> str:
        return "\n".join(self.lines())


class UsageError(BatchSubmitError):
    """The call or the configuration is wrong."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """The configuration has one or more problems; ``details`` lists every one with file:line, key and remedy."""


class LimitExceeded(UsageError):
    """The merged plan is larger than our own ``resource_limits`` allow."""


class MissingFile(UsageError):
    """A file that the user named (flag or configuration) does not exist or can't be read."""


class UnsafeForContainer(UsageError):
    """A text would be rewritten by YARN on its way into the container, or a secret would be published there."""


class RunConflict(UsageError):
    """The same run id was used for another job (another fingerprint)."""


class HostNotReady(BatchSubmitError):
    """This host lacks something: spark-submit, Java, a keytab, a ticket, a Python package."""

    exit_code = ExitCode.HOST_NOT_READY


class ClusterRefused(BatchSubmitError):
    """The cluster answered, and said no."""

    exit_code = ExitCode.REFUSED


class NotFound(ClusterRefused):
    """The cluster answered that there is no such application, file or queue."""


class ClusterUnreachable(BatchSubmitError):
    """No answer from the cluster, or it is in safe mode. Nothing was submitted."""

    exit_code = ExitCode.UNREACHABLE


class LockHeld(BatchSubmitError):
    """Another run holds the named lock. Nothing was submitted."""

    exit_code = ExitCode.UNREACHABLE


class RunKilled(BatchSubmitError):
    """Somebody ended the run while it waited for its next try, which is not made."""

    exit_code = ExitCode.KILLED


class OutcomeUnknown(BatchSubmitError):
    """An application may be running and this call can't tell. Never raised where we know better."""

    exit_code = ExitCode.UNKNOWN


class TryPassedOver(OutcomeUnknown):
    """This call has launched nothing of its try, and must not: the run goes on without it, or as a newer one."""


class EndUnseen(OutcomeUnknown):
    """What ran is known to run no more, and how it ended is not known and never will be."""


class Interrupted(BatchSubmitError):
    """A signal came before anything was launched; ``exit_code`` is 128 plus its number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted; nothing was submitted")
        self.exit_code = ExitCode(128 + signal_number)
