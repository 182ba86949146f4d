"""What can go wrong, and the exit code of each::

DevClusterError
|-- DaemonFailed     1    a daemon did not come up, or does not end
|-- UsageError       2    the call does not make sense
`-- HostNotReady     3    Java, Maven, a port, the disk; or no cluster is configured here
Interrupted          128 + signal number
"""

from __future__ import annotations


class DevClusterError(Exception):
    """Base of all errors that end in one clear message on stderr."""

    exit_code = 1


class DaemonFailed(DevClusterError):
    """A daemon ended early or did not answer before its deadline; the message holds the end of its log."""

    exit_code = 1


class UsageError(DevClusterError):
    """The arguments contradict each other or what is on disk."""

    exit_code = 2


class HostNotReady(DevClusterError):
    """Something that the host must provide is missing; the message says how to provide it."""

    exit_code = 3


class Interrupted(BaseException):
    """A signal asked us to end. Not an ``Exception``, so that no handler for errors swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.exit_code = 128 + signum
