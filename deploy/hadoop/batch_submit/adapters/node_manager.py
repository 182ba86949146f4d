"""The logs of containers that run, from the NodeManager that runs them.

Sources: Hadoop 3.5.0 ``NMWebServices``; replies of a real one stand in ``tests/golden/logs``. After the end of the
application it sends on to the history server, for a file to a path that is 404 there: such an answer is
:class:`NotFound`, and the caller asks the history server itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.log_replies import parse_log_files
from batch_submit.adapters.log_server import LogServer
from batch_submit.container_logs import LogFile


class NodeManager(LogServer):
    """One NodeManager as a :class:`batch_submit.container_logs.LogSource`."""

    daemon = "NodeManager"
    base = "/ws/v1/node"

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float = 10, data_timeout_s: float = 60) -> None:
        super().__init__(url, session, timeout_s=timeout_s, data_timeout_s=data_timeout_s)

    def files(self, container_id: str) -> list[LogFile]:
        """The log files of a container on this node, which may still grow; errors as of :meth:`LogServer.listing`."""
        listing = self.listing(f"containers/{quote(container_id, safe='')}/logs")
        # What a rolling aggregation has taken away already is listed too, and sent after the local part.
        return parse_log_files(listing, complete=False, only="LOCAL")

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""

        def opened(size: int | None) -> AbstractContextManager[Iterator[bytes]]:
            return self.opened(file, {} if size is None else {"size": str(size)})

        return read_framed(opened, file, start=start, length=length, parts=1, where=self.name)
