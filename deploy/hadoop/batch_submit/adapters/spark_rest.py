"""A running application's own REST (Spark's UI), through the ResourceManager's proxy.

Seen on Hadoop 3.5.0: a ResourceManager that is not active answers ``/proxy/…`` with 404 or 500 HTML; after the end the
proxy redirects to the history or to a page of the ResourceManager; with ``spark.ui.enabled=false`` there is no address
to redirect to. All of these are one answer: no progress from Spark now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from batch_submit.adapters.http_session import HttpSession, server_of
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.spark_replies import parse_executors, parse_jobs, parse_stages
from batch_submit.errors import BatchSubmitError, ClusterUnreachable
from batch_submit.plan.spark_progress import SparkProgress

#: A look at Spark must not hold up the watching: a driver that hangs in garbage collection answers late or never.
_TIMEOUT_S = 4.0
_MAX_REDIRECTS = 3


class SparkRest:
    """Spark's REST of one application.

    Parameters
    ----------
    manager
        Knows the active ResourceManager.
    session
        The same HTTP as the manager's: its proxy wants the user or the ticket too.
    proxies
        Addresses of the servers that a redirect may lead to: the ResourceManagers and the web proxy that the
        configuration names. A redirect passes the proxy as the application wrote it, and any other server would get our
        proof of who we are.
    proves
        Whether the session has such a proof (Kerberos): then a tracking URL leads to these servers only, too. That of
        an unmanaged application is its own word (source: ``RMAppAttemptImpl.getTrackingUrl``).
    """

    def __init__(
        self,
        manager: ResourceManager,
        session: HttpSession,
        application_id: str,
        *,
        proxies: Iterable[str] = (),
        proves: bool = False,
    ) -> None:
        self._manager = manager
        self._session = session
        self._id = application_id
        self._proxies = {server_of(url) for url in proxies if url}
        self._proves = proves
        self._base = ""

    def progress(self, tracking_url: str = "") -> SparkProgress:
        """One look at jobs, active stages and executors.

        Parameters
        ----------
        tracking_url
            The application's; leads to a proxy of its own (``yarn.web-proxy.address``) where there is one.

        Raises
        ------
        BatchSubmitError
            No progress is to be had now: the UI is off, the application has ended, or the proxy does not answer.
        """
        error: BatchSubmitError | None = None
        for base in [self._base] if self._base else self._bases(tracking_url):
            try:
                jobs = parse_jobs(self._get(base, "jobs"))
                stages = parse_stages(self._get(base, "stages?status=active"))
                executors = parse_executors(self._get(base, "allexecutors"))
            except BatchSubmitError as again:
                error = error or again
                continue
            self._base = base
            return SparkProgress(jobs, stages, executors)
        self._base = ""
        raise error or ClusterUnreachable("no proxy is known for this application", where=self._id)

    def _bases(self, tracking_url: str) -> list[str]:
        prefix = f"/proxy/{self._id}"
        active = self._manager.active_url()
        bases = [active + prefix]
        head, found, _ = tracking_url.partition(prefix)
        there = found and head.startswith(("http://", "https://")) and head + prefix not in bases
        if there and not (self._proves and self._leads_away(active, head)):
            bases.append(head + prefix)
        return bases

    def _get(self, base: str, what: str) -> Any:
        url = f"{base}/api/v1/applications/{self._id}/{what}"
        for _ in range(_MAX_REDIRECTS):
            reply = self._session.request("GET", url, headers={"Accept": "application/json"}, timeout_s=_TIMEOUT_S)
            if not 300 <= reply.status < 400:
                break
            url = self._inside(url, reply.headers.get("location", ""))
        if reply.status != 200:
            raise ClusterUnreachable(f"Spark's REST answers {reply.status}", where=base, details=reply.words())
        return reply.json()

    def _inside(self, url: str, location: str) -> str:
        """Where a redirect leads, if that is the same application's REST at a proxy again."""
        try:
            there = urljoin(url, location)
            inside = urlsplit(there).path.startswith(f"/proxy/{self._id}/api/")
        except ValueError:  # no address at all
            there, inside = "", False
        if not location or not inside or self._leads_away(url, there):
            raise ClusterUnreachable("the proxy leads away from Spark's REST", where=url)
        return there

    def _leads_away(self, here: str, there: str) -> bool:
        """Whether that is a server that nobody has named to us, or one without the encryption of this one."""
        server = server_of(there)
        known = server is not None and server in {server_of(here), *self._proxies}
        return not known or (urlsplit(here).scheme, urlsplit(there).scheme) == ("https", "http")
