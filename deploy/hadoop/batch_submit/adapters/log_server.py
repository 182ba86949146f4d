"""What Hadoop's daemons that serve log files have in common: an address, listings in JSON, files framed in banners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.log_replies import raise_for
from batch_submit.container_logs import LogFile

_JSON = {"Accept": "application/json"}


class LogServer:
    """One of them; ``daemon`` is its name for messages, ``base`` what its paths begin with.

    Parameters
    ----------
    url
        Its web address, ``http://host:port``.
    timeout_s, data_timeout_s
        Seconds for a listing, and without a byte of a file.
    """

    daemon = ""
    base = ""

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float, data_timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._timeout_s = timeout_s
        self._data_timeout_s = data_timeout_s

    @property
    def name(self) -> str:
        """``<daemon> host:port``."""
        return f"{self.daemon} {self._url.partition('//')[2]}"

    def listing(self, path: str) -> Any:
        """The answer to a question below ``base``.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`batch_submit.adapters.log_replies.raise_for` reads the answer; also too old a Hadoop.
        """
        reply = self._session.request("GET", f"{self._url}{self.base}/{path}", headers=_JSON, timeout_s=self._timeout_s)
        if reply.status != 200:
            raise_for(reply, self.name)
        return reply.json()

    @contextmanager
    def opened(self, file: LogFile, query: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
        """The framed answer about one file, in pieces; what is empty in ``query`` is not asked."""
        given = urlencode({name: value for name, value in query.items() if value})
        path = f"{quote(file.container_id, safe='')}/{quote(file.name, safe='')}" + (f"?{given}" if given else "")
        url = f"{self._url}{self.base}/containerlogs/{path}"
        with self._session.stream("GET", url, timeout_s=self._data_timeout_s) as reply:
            if reply.status != 200:
                raise_for(reply.response(), self.name)
            yield iter(reply)
