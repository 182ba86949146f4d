"""What the logs of an application are, whoever serves them: files of containers, and a source that reads them.

Adapters implement :class:`LogSource` (NodeManager, JobHistoryServer, aggregated files in HDFS, the ``yarn`` program, a
driver on this host); ``logs``, ``diagnose`` and the saving of logs use nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Protocol

from batch_submit.data_classes import dataclass


@dataclass(frozen=True)
class LogFile:
    """One log file of one container.

    Parameters
    ----------
    size
        Bytes; ``None`` when the source does not say.
    node
        ``host:port`` of the NodeManager; "" when unknown.
    modified_ms
        Milliseconds since the epoch; 0 when unknown.
    complete
        ``False`` while more may be written, or when a part is known to be missing.
    """

    container_id: str
    name: str
    size: int | None
    node: str = ""
    modified_ms: int = 0
    complete: bool = True


class LogSource(Protocol):
    """Serves log files. Holds no more than one piece of a file in memory, however long the file is."""

    @property
    def name(self) -> str:
        """Who serves: ``NodeManager localhost:8042``, ``JobHistoryServer``, ``HDFS /app-logs/…``, ``yarn logs``."""

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of a file in pieces.

        Parameters
        ----------
        start
            Byte to begin with; negative counts from the end.
        length
            At most so many bytes; ``None``: to the end.

        Raises
        ------
        NotFound
            The source does not have the file (any more).
        ClusterRefused
            It is not ours to read.
        ClusterUnreachable
            The source does not answer, or the answer broke off.
        """


@dataclass(frozen=True)
class ContainerLogs:
    """A log file together with who serves it."""

    file: LogFile
    source: LogSource


@dataclass(frozen=True)
class ApplicationLogs:
    """The logs of one application, as far as they can be had now.

    Parameters
    ----------
    files
        By container, then by name.
    drivers
        Container ids of the application masters (in cluster mode: of the drivers), newest attempt first.
    partial
        Why something may be missing ("" when everything is there): containers still run, a node has not uploaded.
    notices
        What was tried and why it did not serve, for ``--verbose``.
    executors
        Spark's executor id by container id, as far as it is known (while the application runs).
    """

    application_id: str
    files: tuple[ContainerLogs, ...]
    drivers: tuple[str, ...] = ()
    partial: str = ""
    notices: tuple[str, ...] = ()
    executors: Mapping[str, str] = field(default_factory=dict)
