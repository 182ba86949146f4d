"""The Spark History Server: what it still knows of an application that the ResourceManager has forgotten.

Source: Spark's ``status/api/v1/ApplicationListResource`` and ``api.scala`` (``ApplicationInfo``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http_reply import masked
from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.errors import ClusterUnreachable, NotFound
from batch_submit.model import SparkHistoryReport

if TYPE_CHECKING:
    from batch_submit.adapters.http_session import HttpSession

_DEFAULT_PORT = 18080
#: What ``spark.yarn.historyServer.address`` may hold (source: "Running Spark on YARN").
_HADOOP_VARIABLE = re.compile(r"\$\{hadoopconf-([^}]+)\}")


def history_url(address: str, conf: HadoopConf) -> str:
    """The web address behind ``spark.yarn.historyServer.address``, without a slash at its end; "" for none."""
    text = _HADOOP_VARIABLE.sub(lambda match: conf.get(match.group(1)) or match.group(0), address.strip()).rstrip("/")
    if not text or "${" in text:
        return ""
    scheme, separator, rest = text.rpartition("://")
    if ":" not in rest.partition("/")[0] and not separator:
        rest = f"{rest}:{_DEFAULT_PORT}"
    return f"{scheme or 'http'}://{rest}"


class SparkHistory:
    """One server.

    Parameters
    ----------
    url
        Its web address, as :func:`history_url` gives it.
    timeout_s
        Seconds for one request.
    """

    def __init__(self, url: str, session: HttpSession, *, timeout_s: float = 10) -> None:
        self.url = url
        self._session = session
        self._timeout_s = timeout_s

    def page(self, application_id: str) -> str:
        """The address for a browser."""
        return f"{self.url}/history/{application_id}/"

    def application(self, application_id: str) -> SparkHistoryReport:
        """What it knows of an application.

        Raises
        ------
        NotFound
            It has no event log of it.
        ClusterUnreachable
            It does not answer, or not as a Spark History Server.
        """
        url = f"{self.url}/api/v1/applications/{quote(application_id)}"
        reply = self._session.request("GET", url, headers={"Accept": "application/json"}, timeout_s=self._timeout_s)
        if reply.status == 404:
            raise NotFound("the Spark History Server does not know it", where=masked(url))
        if reply.status != 200:
            message = f"the Spark History Server answers with an error ({reply.status})"
            raise ClusterUnreachable(message, where=masked(url), details=reply.words())
        found = parse_history(reply.json(), self.page(application_id))
        if found.application_id != application_id:
            raise ClusterUnreachable("the answer is not about the application that was asked for", where=masked(url))
        return found


def parse_history(reply: Any, page: str) -> SparkHistoryReport:
    """``ApplicationInfo`` as a report; the latest attempt counts, the first gives the start."""
    app = as_mapping(reply)
    attempts = [as_mapping(one) for one in as_list(app.get("attempts"))]
    attempts.sort(key=lambda one: _number(one, "startTimeEpoch"))
    last: Mapping[str, Any] = attempts[-1] if attempts else {}
    completed = last.get("completed") is True
    return SparkHistoryReport(
        application_id=str(app.get("id") or ""),
        name=str(app.get("name") or ""),
        user=str(last.get("sparkUser") or ""),
        spark_version=str(last.get("appSparkVersion") or ""),
        attempts=len(attempts),
        started_ms=_first(attempts),
        ended_ms=_number(last, "endTimeEpoch") if completed else 0,
        completed=completed,
        page=page,
    )


def _first(attempts: Sequence[Mapping[str, Any]]) -> int:
    return next((number for one in attempts if (number := _number(one, "startTimeEpoch"))), 0)


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
