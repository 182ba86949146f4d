"""Which containers of a running application stand where: the ResourceManager's word, and Spark's for its executors.

Spark's REST service behind the ResourceManager's proxy also names executors that are gone; their logs stay on the node
until the application ends. What it says is its own word: of its addresses only those of the ResourceManager's
nodes are taken, for whoever is asked gets our proof of who we are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from batch_submit.adapters.http_session import HttpSession, server_of
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.model import ApplicationReport

#: Container ids gain an epoch after a restart of the ResourceManager: never derived, always taken from a reply.
CONTAINER_ID = re.compile(r"container_(?:e\d+_)?\d+_\d+_(\d+)_\d+")
_PROXY_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class RunningContainer:
    """A container and the web address of the NodeManager that runs it."""

    container_id: str
    node_url: str
    is_master: bool = False
    executor: str = ""


class RunningContainers:
    """Asks for the containers of one application.

    Parameters
    ----------
    scheme
        ``http`` or ``https``, for addresses that come without one.

    Attributes
    ----------
    notices
        What could not be asked, and why.
    """

    def __init__(self, manager: ResourceManager, session: HttpSession, scheme: str) -> None:
        self._manager = manager
        self._session = session
        self._scheme = scheme
        self.notices: list[str] = []
        self._nodes: set[tuple[str, int] | None] = set()
        self._asked_for_nodes = False

    def find(self, report: ApplicationReport, *, masters_only: bool) -> list[RunningContainer]:
        """Application masters, newest attempt first, then the other containers by id."""
        masters, attempts = self._masters(report)
        if masters_only:
            return masters
        found = {one.container_id: one for one in masters}
        for one in self._of_attempt(report.application_id, attempts[0]) if attempts else ():
            found.setdefault(one.container_id, one)
        for one in self._executors(report.application_id):
            known = found.get(one.container_id)
            if known is None or not known.is_master:
                found[one.container_id] = one
        others = sorted((one for one in found.values() if not one.is_master), key=lambda one: one.container_id)
        return [*masters, *others]

    def _masters(self, report: ApplicationReport) -> tuple[list[RunningContainer], list[str]]:
        """The application masters, and the attempts' ids; newest first."""
        try:
            known = self._manager.attempts(report.application_id)
        except BatchSubmitError as error:
            self.notices.append(f"attempts: {error.message}")
            known = []
        found: list[RunningContainer] = []
        attempts: list[str] = []
        for one in reversed(known):
            # Old servers leave the id out, and it follows from the number.
            named = f"{report.application_id.replace('application', 'appattempt')}_{one.number:06d}"
            attempts.append(one.attempt_id or named)
            found += self._container(one.container_id, one.node_http, master=True)
        if not found and report.am_container_logs:
            found += self._of_link(report.am_container_logs, master=True)
        return found, attempts

    def _of_attempt(self, application_id: str, attempt: str) -> Iterator[RunningContainer]:
        try:
            reply = self._manager.get(f"/ws/v1/cluster/apps/{application_id}/appattempts/{attempt}/containers")
        except BatchSubmitError as error:  # Hadoop 3.5.0 can fail to write this as JSON (YARN-11961)
            self.notices.append(f"containers of {attempt}: {error.message}")
            return
        inner = as_mapping(reply.get("containers")) or reply
        for one in as_list(inner.get("container")):
            entry = as_mapping(one)
            yield from self._container(str(entry.get("containerId") or ""), str(entry.get("nodeHttpAddress") or ""))

    def _executors(self, application_id: str) -> Iterator[RunningContainer]:
        try:
            base = self._manager.active_url()
            url = f"{base}/proxy/{application_id}/api/v1/applications/{application_id}/allexecutors"
            answer = self._session.request("GET", url, timeout_s=_PROXY_TIMEOUT_S)
            if answer.status != 200:
                self.notices.append(f"Spark's executors: the proxy answers {answer.status}")
                return
            reply = answer.json()
        except BatchSubmitError as error:
            self.notices.append(f"Spark's executors: {error.message}")
            return
        for one in as_list(reply):
            entry = as_mapping(one)
            link = next((str(url) for url in as_mapping(entry.get("executorLogs")).values() if url), "")
            executor = str(entry.get("id") or "")
            if link and executor != "driver":
                yield from self._of_executor(link, executor)

    def _of_executor(self, link: str, executor: str) -> Iterator[RunningContainer]:
        """From an address that the application gives: taken where the ResourceManager knows that node."""
        server = server_of(link)
        if server is None or not (server in self._nodes or server in self._all_nodes()):
            self.notices.append(f"executor {executor}: {link} is at no node of this cluster: not asked")
            return
        for one in self._of_link(link, executor=executor):
            if (self._scheme, urlsplit(one.node_url).scheme) == ("https", "http"):
                yield replace(one, node_url=f"https://{urlsplit(one.node_url).netloc}")
            else:
                yield one

    def _all_nodes(self) -> set[tuple[str, int] | None]:
        """The web servers of the cluster's nodes; asked for once, and only for an executor on one not seen so far."""
        if not self._asked_for_nodes:
            self._asked_for_nodes = True
            try:
                nodes = as_mapping(self._manager.get("/ws/v1/cluster/nodes").get("nodes"))
            except BatchSubmitError as error:
                self.notices.append(f"the cluster's nodes: {error.message}")
                nodes = {}
            addresses = (str(as_mapping(one).get("nodeHTTPAddress") or "") for one in as_list(nodes.get("node")))
            self._nodes |= {server_of(self._url(address)) for address in addresses if address}
        return self._nodes

    def _container(self, container_id: str, address: str, *, master: bool = False) -> Iterator[RunningContainer]:
        if CONTAINER_ID.fullmatch(container_id) and address:
            self._nodes.add(server_of(self._url(address)))
            yield RunningContainer(container_id, self._url(address), master)

    def _of_link(self, link: str, *, master: bool = False, executor: str = "") -> Iterator[RunningContainer]:
        """From a page's address: ``http://node:8042/node/containerlogs/container_…/user/stdout?start=-4096``."""
        parts = urlsplit(link)
        match = CONTAINER_ID.search(parts.path)
        if match is not None and parts.scheme in ("http", "https") and parts.netloc:
            yield RunningContainer(match.group(0), f"{parts.scheme}://{parts.netloc}", master, executor)

    def _url(self, address: str) -> str:
        return address.rstrip("/") if "://" in address else f"{self._scheme}://{address}"
