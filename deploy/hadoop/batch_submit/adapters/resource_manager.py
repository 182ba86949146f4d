"""The ResourceManager over REST: finds the active one, asks, kills, sets lifetimes. Decides nothing about runs.

Sources: Hadoop 3.5.0 ``ResourceManagerRest.md``, ``RMWebAppFilter`` (what a standby answers),
``GenericExceptionHandler`` (errors), ``RMWSConsts`` (filters); replies of real servers stand in ``tests/golden/rm``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from batch_submit.adapters.http_reply import HttpResponse, NotJson, TlsFailed
from batch_submit.adapters.rm_errors import TICKET_HINT, NotActive, raise_for
from batch_submit.adapters.rm_replies import (
    Lifetime,
    as_mapping,
    lifetime_text,
    parse_application,
    parse_applications,
    parse_attempts,
    parse_lifetime,
    parse_priority,
    queue_matches,
)
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady, UsageError
from batch_submit.model import APPLICATION_ID, ApplicationReport, AttemptReport, State

if TYPE_CHECKING:
    from batch_submit.adapters.http_session import Clock, HttpSession

_BASE = "/ws/v1/cluster"
_INFO = f"{_BASE}/info"  # the one path that a standby answers itself
_JSON = {"Accept": "application/json"}


class _LookAgain(Exception):
    """The server that we took for the active one is not; ``peer`` is the one that it names, if any."""

    def __init__(self, error: BatchSubmitError, peer: str = "") -> None:
        super().__init__(str(error))
        self.error = error
        self.peer = peer


class ResourceManager:
    """One cluster's ResourceManagers behind one face.

    Parameters
    ----------
    urls
        Web addresses without ``/ws/v1/cluster``; with high availability all of them.
    session
        HTTP; in simple authentication it must send the same ``user``.
    user
        In whose name writes are made; ``None`` or empty: unknown, and writes are refused (seen on 3.5.0: a kill without
        ``user.name`` is carried out "by user dr.who").
    clock
        Monotonic seconds.
    timeout_s
        Seconds for one request. One call makes at most two requests, and before each a look at every address.
    """

    def __init__(
        self,
        urls: Sequence[str],
        session: HttpSession,
        *,
        user: str | None,
        clock: Clock = time.monotonic,
        timeout_s: float = 10,
    ) -> None:
        if not urls:
            raise HostNotReady(
                "the configuration names no ResourceManager",
                next_step="set HADOOP_CONF_DIR or environment_config.resourcemanager_webapp_url",
            )
        self.urls = tuple(url.rstrip("/") for url in urls)
        self._session = session
        self._clock = clock
        self._timeout_s = timeout_s
        self._active = self.urls[0] if len(self.urls) == 1 else ""
        self.user = user or None

    def active_url(self) -> str:
        """The web address of the active ResourceManager, looked up when it is not known yet."""
        return self._active or self._look(self._deadline(), ())

    def info(self) -> Mapping[str, Any]:
        """``clusterInfo`` of the active one: ``resourceManagerVersion``, ``haState``, ``startedOn`` …"""
        return as_mapping(self.get(_INFO).get("clusterInfo"))

    def submitted_so_far(self) -> int:
        """How many applications this ResourceManager took since its start; -1 when it does not say."""
        taken = as_mapping(self.get(f"{_BASE}/metrics").get("clusterMetrics")).get("appsSubmitted")
        return taken if isinstance(taken, int) else -1

    def scheduler(self) -> Mapping[str, Any]:
        """The queues, as the server tells them (``scheduler.schedulerInfo``)."""
        return as_mapping(as_mapping(self.get(f"{_BASE}/scheduler").get("scheduler")).get("schedulerInfo"))

    def identify(self) -> str:
        """The short name under which the server knows us; becomes our user when none was given (Kerberos).

        Raises
        ------
        HostNotReady
            The server names nobody.
        """
        reply = self.get(f"{_BASE}/userinfo")
        name = (as_mapping(reply.get("clusterUserInfo")) or reply).get("requestedUser")
        if not isinstance(name, str) or not name:
            raise HostNotReady("the ResourceManager does not say who we are", next_step=TICKET_HINT)
        self.user = self.user or name
        return name

    def application(self, application_id: str) -> ApplicationReport:
        """One application.

        Raises
        ------
        NotFound
            The server says so in its own words (``NotFoundException``). It forgets old applications, so this is not
            "failed". Any other 404 is :class:`ClusterUnreachable`.
        """
        report = parse_application(self.get(self._path(application_id), {"deSelects": "resourceRequests"}))
        if report.application_id != application_id:
            raise ClusterUnreachable("the answer is not about the application that was asked for", where=application_id)
        return report

    def applications(
        self,
        *,
        states: Iterable[State] | None = None,
        tags: Sequence[str] = (),
        user: str | None = None,
        queue: str | None = None,
        application_types: Sequence[str] = (),
        limit: int | None = None,
        started_after_ms: int | None = None,
        finished_after_ms: int | None = None,
    ) -> list[ApplicationReport]:
        """Applications, latest start first.

        Parameters
        ----------
        states, user, application_types
            Filters of the server; ``None`` or empty takes all.
        tags
            Any of these (that is the server's rule), compared in lower case, as they are stored.
        queue
            Short name or full path. Compared here, as servers differ in which of the two they take and report.
        limit
            The latest so many. Cut here: the server's ``limit`` cuts an unordered set.
        started_after_ms, finished_after_ms
            Milliseconds since the epoch by the server's clock. The second leaves out what has not ended.
        """
        wanted = [tag.lower() for tag in tags]
        query = {
            "deSelects": "resourceRequests",
            "states": ",".join(state.value for state in states or ()),
            "applicationTags": ",".join(wanted),
            "applicationTypes": ",".join(application_types),
            "user": user or "",
            "startedTimeBegin": str(started_after_ms) if started_after_ms is not None else "",
            "finishedTimeBegin": str(finished_after_ms) if finished_after_ms is not None else "",
        }
        reports = [
            report
            for report in parse_applications(self.get(f"{_BASE}/apps", query))
            if (not wanted or any(tag in report.tags for tag in wanted))
            and (not queue or queue_matches(report.queue, queue))
        ]
        reports.sort(key=lambda report: (report.started_ms, report.application_id), reverse=True)
        return reports[:limit]

    def attempts(self, application_id: str) -> list[AttemptReport]:
        """The attempts of an application, first to last.

        Raises
        ------
        NotFound
            As for :meth:`application`.
        """
        return parse_attempts(self.get(f"{self._path(application_id)}/appattempts"))

    def find_by_tag(self, tag: str) -> list[ApplicationReport]:
        """Our applications that carry this tag, latest first: anybody may set our tag, so the user counts too."""
        user = self._known_user("look for our application")
        found = self.applications(tags=(tag,), user=user)
        return [report for report in found if _owned(report, user, tag)]

    def kill(self, application_id: str) -> bool:
        """Ask for the end of an application; safe to repeat.

        Returns
        -------
        bool
            Whether it has ended already (killed or otherwise); ``False`` while YARN is at it.

        Raises
        ------
        UsageError
            Nobody is known in whose name to kill.
        ClusterRefused
            Not ours to kill; with the server's words. NotFound when there is no such application.
        HostNotReady
            No valid ticket.
        """
        self._known_user("kill an application")
        state = self.put(f"{self._path(application_id)}/state", {"state": "KILLED"}).get("state")
        return isinstance(state, str) and State.parse(state).terminal

    def set_lifetime(self, application_id: str, expiry: datetime | int) -> Lifetime | None:
        """Let YARN kill the application at ``expiry`` even when nobody watches; read back what it then holds.

        Parameters
        ----------
        expiry
            A datetime with a zone, or milliseconds since the epoch, by the ResourceManager's clock.
        """
        self._known_user("set the lifetime of an application")
        timeout = {"type": "LIFETIME", "expiryTime": lifetime_text(expiry)}
        self.put(f"{self._path(application_id)}/timeout", {"timeout": timeout})
        return self.lifetime(application_id)

    def lifetime(self, application_id: str) -> Lifetime | None:
        """Until when YARN lets it live; ``None`` without a bound."""
        return parse_lifetime(self.get(f"{self._path(application_id)}/timeouts/LIFETIME"))

    def move(self, application_id: str, queue: str) -> str:
        """Move an application to another queue; the queue that the server then reports.

        Raises
        ------
        ClusterRefused
            With the server's words: no such queue, not allowed, or it has ended.
        """
        self._known_user("move an application")
        self.put(f"{self._path(application_id)}/queue", {"queue": queue})
        return str(self.get(f"{self._path(application_id)}/queue").get("queue") or "")

    def set_priority(self, application_id: str, priority: int) -> int:
        """Set an application's priority; the one that the server then holds (an ended one keeps its own: 3.5.0).

        Raises
        ------
        ClusterRefused
            With the server's words.
        """
        self._known_user("set the priority of an application")
        self.put(f"{self._path(application_id)}/priority", {"priority": priority})
        held = parse_priority(self.get(f"{self._path(application_id)}/priority"))
        if held is None:
            raise ClusterUnreachable("the ResourceManager's answer names no priority", where=self.active_url())
        return held

    def _known_user(self, purpose: str) -> str:
        if not self.user:
            raise UsageError(
                f"can't {purpose}: it is not known in whose name",
                next_step="set HADOOP_USER_NAME, or with Kerberos get a ticket by kinit",
            )
        return self.user

    def _path(self, application_id: str) -> str:
        if not APPLICATION_ID.fullmatch(application_id):
            raise UsageError(f"{application_id!r} is not an application id", next_step="application_<time>_<number>")
        return f"{_BASE}/apps/{quote(application_id)}"

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Ask the active one; ``path`` begins with ``/ws/v1/cluster``. Empty values of ``query`` are left out."""
        given = {name: value for name, value in (query or {}).items() if value}
        return as_mapping(self._call("GET", f"{path}?{urlencode(given)}" if given else path))

    def put(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write to the active one. Only for writes that may be repeated: a lost reply is a reason to ask again."""
        return as_mapping(self._call("PUT", path, json.dumps(body).encode()))

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write to the active one, where a good answer may be empty. Only for writes that may be repeated."""
        return as_mapping(self._call("POST", path, json.dumps(body).encode(), may_be_empty=True))

    def post_once(self, path: str, body: Mapping[str, Any]) -> None:
        """Write to the active one, never twice: the caller knows if it may be. `NotActive`: nothing was done."""
        deadline = self._deadline()
        base = self._active or self._look(deadline, ())
        try:
            self._send(base, "POST", path, json.dumps(body).encode(), deadline, may_be_empty=True)
        except _LookAgain as again:
            self._forget()
            raise again.error from again.error.__cause__

    def _deadline(self) -> float:
        return self._clock() + self._timeout_s * 2 * (len(self.urls) + 2)

    def _call(self, method: str, target: str, body: bytes | None = None, *, may_be_empty: bool = False) -> Any:
        """Ask the active one and return its JSON; when it proves not to be, look for it once more and ask again.

        What is written this way may be repeated, so a lost reply is a reason to look again as well.
        """
        deadline = self._deadline()
        base = self._active or self._look(deadline, ())
        try:
            return self._send(base, method, target, body, deadline, may_be_empty=may_be_empty)
        except _LookAgain as again:
            base = self._look(deadline, (again.peer,) if again.peer else (), again.error)
        try:
            return self._send(base, method, target, body, deadline, may_be_empty=may_be_empty)
        except _LookAgain as again:
            self._forget()
            raise again.error from again.error.__cause__

    def _look(self, deadline: float, peers: Sequence[str], because: BatchSubmitError | None = None) -> str:
        """Ask every address for its ``haState`` and remember the active one."""
        self._forget()
        said: list[str] = []
        steps: list[str] = []
        cause: BaseException | None = because
        one, answered = len(self.urls) == 1, False
        for base in dict.fromkeys((*self.urls, *peers)):
            try:
                reply = self._request(base, "GET", _INFO, None, deadline)
                if reply.status != 200:
                    raise_for(reply)
                info = as_mapping(as_mapping(reply.json()).get("clusterInfo"))
            except ClusterUnreachable as error:
                said.append(": ".join((base, error.message, *error.details[:1])))
                cause = error.__cause__ or error
                if one or isinstance(error, TlsFailed):  # that no other address helps with
                    steps.append(error.next_step)
                continue
            answered = True
            state = str(info.get("haState") or "")
            if state == "ACTIVE" or (info and not state):
                self._active = base
                return base
            said.append(f"{base}: {state or 'no clusterInfo in its answer'}")
        alone = "the ResourceManager does not answer" + (" as the active one" if answered else "")
        raise ClusterUnreachable(
            alone if one else "none of the ResourceManagers is active",
            details=said,
            next_step=next(filter(None, steps), "")
            or (
                "try again; if it stays so: batch-submit doctor"
                if one
                else "try again; if it stays so: yarn rmadmin -getAllServiceState"
            ),
        ) from cause

    def _forget(self) -> None:
        self._active = ""

    def _send(
        self, base: str, method: str, target: str, body: bytes | None, deadline: float, *, may_be_empty: bool = False
    ) -> Any:
        try:
            reply = self._request(base, method, target, body, deadline)
        except ClusterUnreachable as error:
            raise _LookAgain(error) from error
        if 300 <= reply.status < 400:
            standby = NotActive("this ResourceManager is not active", where=base, details=reply.words())
            raise _LookAgain(standby, _peer(base, target, reply.headers.get("location", "")))
        if reply.status in (200, 202):
            if may_be_empty and not reply.body:
                return {}
            try:
                return reply.json()
            except NotJson as not_json:
                raise _LookAgain(not_json) from not_json
        return raise_for(reply)

    def _request(self, base: str, method: str, target: str, body: bytes | None, deadline: float) -> HttpResponse:
        left_s = deadline - self._clock()
        if left_s <= 0:
            raise ClusterUnreachable("gave up looking for the active ResourceManager in time", where=base)
        headers = {**_JSON, "Content-Type": "application/json"} if body is not None else _JSON
        timeout_s = min(self._timeout_s, left_s)
        return self._session.request(method, base + target, body=body, headers=headers, timeout_s=timeout_s)


def _owned(report: ApplicationReport, user: str, tag: str) -> bool:
    return report.user == user and tag.lower() in report.tags


def _peer(base: str, target: str, location: str) -> str:
    """The base URL of the server that a standby redirects to; empty if the path changes or TLS would be given up."""
    try:
        there, here = urlsplit(location), urlsplit(base)
        gives_up_tls = (here.scheme, there.scheme) == ("https", "http")
        if there.scheme not in ("http", "https") or not there.hostname or gives_up_tls:
            return ""
    except ValueError:
        return ""
    return f"{there.scheme}://{there.netloc}" if there.path == urlsplit(target).path else ""
