"""The aggregated logs of applications that have ended, from the JobHistoryServer (Hadoop >= 3.3).

It serves those of any YARN application. Sources: Hadoop 3.5.0 ``HsWebServices``, ``LogServlet``; replies of a real one
stand in ``tests/golden/logs``. Seen there: a file that is not there is 200 with a sentence, an unknown application 503
or 500, and strangers are served too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlencode

from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.log_replies import parse_log_files, parts_of
from batch_submit.adapters.log_server import LogServer
from batch_submit.container_logs import LogFile


class HistoryServer(LogServer):
    """The JobHistoryServer as a :class:`batch_submit.container_logs.LogSource`.

    It opens the file of every node for a listing: hence the longer ``timeout_s``.
    """

    daemon = "JobHistoryServer"
    base = "/ws/v1/history"

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float = 30, data_timeout_s: float = 60) -> None:
        super().__init__(url, session, timeout_s=timeout_s, data_timeout_s=data_timeout_s)
        self._parts: Counter[tuple[str, str]] = Counter()

    def files(self, application_id: str) -> list[LogFile]:
        """The aggregated log files of an application; errors as of :meth:`LogServer.listing` (Hadoop 3.3 or later)."""
        listing = self.listing(f"aggregatedlogs?{urlencode({'appid': application_id})}")
        self._parts = parts_of(listing)
        return parse_log_files(listing, complete=True)

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""

        def opened(size: int | None) -> AbstractContextManager[Iterator[bytes]]:
            # With the node's name the server opens that node's file only.
            return self.opened(file, {"nm.id": file.node, "size": "" if size is None else str(size)})

        parts = self._parts[file.container_id, file.name] or 1
        return read_framed(opened, file, start=start, length=length, parts=parts, where=self.name)
