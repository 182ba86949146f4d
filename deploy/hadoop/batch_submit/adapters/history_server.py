"""The aggregated logs of applications that have ended, from the JobHistoryServer (Hadoop >= 3.3).

It serves those of any YARN application. Sources: Hadoop 3.5.0 ``HsWebServices``, ``LogServlet``; replies of a real one
stand in ``tests/golden/logs``. Seen there: a file that is not there is 200 with a sentence, an unknown application 503
or 500, and strangers are served too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.log_replies import parse_log_files, parts_of, raise_for
from batch_submit.container_logs import LogFile

_BASE = "/ws/v1/history"
_JSON = {"Accept": "application/json"}


class HistoryServer:
    """The JobHistoryServer as a :class:`batch_submit.container_logs.LogSource`.

    Parameters
    ----------
    url
        Its web address, ``http://host:19888``.
    timeout_s
        Seconds for a listing: the server opens the file of every node for it.
    """

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float = 30, data_timeout_s: float = 60) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._timeout_s = timeout_s
        self._data_timeout_s = data_timeout_s
        self._parts: Counter[tuple[str, str]] = Counter()

    @property
    def name(self) -> str:
        """``JobHistoryServer host:port``."""
        return f"JobHistoryServer {self._url.partition('//')[2]}"

    def files(self, application_id: str) -> list[LogFile]:
        """The aggregated log files of an application.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`batch_submit.adapters.log_replies.raise_for` reads the answer; also too old a Hadoop (before 3.3).
        """
        url = f"{self._url}{_BASE}/aggregatedlogs?{urlencode({'appid': application_id})}"
        reply = self._session.request("GET", url, headers=_JSON, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise_for(reply, self.name)
        listing: Any = reply.json()
        self._parts = parts_of(listing)
        return parse_log_files(listing, complete=True)

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""

        @contextmanager
        def opened(size: int | None) -> Iterator[Iterator[bytes]]:
            # With the node's name the server opens that node's file only.
            query = {"nm.id": file.node, "size": "" if size is None else str(size)}
            given = urlencode({name: value for name, value in query.items() if value})
            path = f"{quote(file.container_id, safe='')}/{quote(file.name, safe='')}"
            url = f"{self._url}{_BASE}/containerlogs/{path}" + (f"?{given}" if given else "")
            with self._session.stream("GET", url, timeout_s=self._data_timeout_s) as reply:
                if reply.status != 200:
                    raise_for(reply.response(), self.name)
                yield iter(reply)

        parts = self._parts[file.container_id, file.name] or 1
        return read_framed(opened, file, start=start, length=length, parts=parts, where=self.name)
