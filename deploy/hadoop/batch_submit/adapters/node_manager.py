"""The logs of containers that run, from the NodeManager that runs them.

Sources: Hadoop 3.5.0 ``NMWebServices``; replies of a real one stand in ``tests/golden/logs``. After the end of the
application it sends on to the history server, for a file to a path that is 404 there: such an answer is
:class:`NotFound`, and the caller asks the history server itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.log_replies import parse_log_files, raise_for
from batch_submit.container_logs import LogFile

_BASE = "/ws/v1/node"
_JSON = {"Accept": "application/json"}


class NodeManager:
    """One NodeManager as a :class:`batch_submit.container_logs.LogSource`.

    Parameters
    ----------
    url
        Its web address, ``http://host:8042``.
    """

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float = 10, data_timeout_s: float = 60) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._timeout_s = timeout_s
        self._data_timeout_s = data_timeout_s

    @property
    def name(self) -> str:
        """``NodeManager host:port``."""
        return f"NodeManager {self._url.partition('//')[2]}"

    def files(self, container_id: str) -> list[LogFile]:
        """The log files of a container on this node; they may still grow.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`batch_submit.adapters.log_replies.raise_for` reads the answer; also too old a Hadoop (before 2.9).
        """
        url = f"{self._url}{_BASE}/containers/{quote(container_id, safe='')}/logs"
        reply = self._session.request("GET", url, headers=_JSON, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise_for(reply, self.name)
        # What a rolling aggregation has taken away already is listed too, and sent after the local part.
        return parse_log_files(reply.json(), complete=False, only="LOCAL")

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""

        @contextmanager
        def opened(size: int | None) -> Iterator[Iterator[bytes]]:
            query = "" if size is None else f"?size={size}"
            path = f"{quote(file.container_id, safe='')}/{quote(file.name, safe='')}"
            url = f"{self._url}{_BASE}/containerlogs/{path}{query}"
            with self._session.stream("GET", url, timeout_s=self._data_timeout_s) as reply:
                if reply.status != 200:
                    raise_for(reply.response(), self.name)
                yield iter(reply)

        return read_framed(opened, file, start=start, length=length, parts=1, where=self.name)
