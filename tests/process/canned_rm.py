"""A ResourceManager of paper: a real HTTP server on 127.0.0.1 that knows scripted applications.

Replies have the shape of Hadoop 3.5.0 (recorded in ``tests/golden/rm``). Each question for one application takes the
next step of its script; a listing takes none. Another process may add an application: POST ``/_test/submit`` with
``{"name": …, "user": …, "tags": [...], "steps": [[state, final status, {more fields}], …], "appear_after": n}`` answers
``{"application_id": …}``; GET ``/requests`` answers all that was asked.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable
from enum import Enum
from types import TracebackType
from typing import Any

from tests.process.canned_replies import Asked, Reply, html_reply, json_reply, mistyped_path, remote_exception
from tests.process.quiet_server import QuietHandler, QuietServer
from tests.process.scripted_application import (
    CLUSTER_TIMESTAMP,
    LIFETIME_DIAGNOSTICS,
    SUCCESS,
    TERMINAL,
    Application,
    Step,
)


class Mode(str, Enum):
    """How the server answers everything (but ``/_test`` and ``/requests``)."""

    ACTIVE = "active"
    STANDBY = "standby"  #: 307 with Location to ``peer_url``; /info itself says STANDBY
    NONE_ACTIVE = "none active"  #: 307 without Location; /info itself says STANDBY
    PLAIN_TEXT = "plain text"  #: 200 and no JSON, as after 300 s without an active one
    ERROR = "error"  #: 500 HTML
    HTML_404 = "html 404"
    NEGOTIATE = "negotiate"  #: 401 without a ticket
    SLOW = "slow"  #: no answer until the mode changes or the server stops
    BROKEN = "broken"  #: half an answer, then the connection closes


class CannedResourceManager:
    """The server, as a context manager; :meth:`stop` and :meth:`start` keep the port.

    Parameters
    ----------
    mode
        See :class:`Mode`; may be changed at any time.
    peer_url
        Where a standby redirects to.
    delay_s
        Waited before every answer.
    """

    def __init__(self, mode: Mode = Mode.ACTIVE, *, peer_url: str = "", delay_s: float = 0.0) -> None:
        self.mode = mode
        self.peer_url = peer_url
        self.delay_s = delay_s
        self.applications: dict[str, Application] = {}
        self.asked: list[Asked] = []
        self.refuse_kill_by: set[str] = set()
        self.refuse_lifetime = False
        self.fail_lifetimes = 0  #: so many PUTs of a LIFETIME are answered as by a ResourceManager in trouble
        self.writes_need_ticket = False  #: 401 with an empty body for every PUT, as without a ticket
        self.maximum_priority = 10
        #: What ``POST /apps/new-application`` answers.
        self.new_application = Reply(403, b"App submission via REST is disabled.", "application/json")
        #: Applications that were submitted besides those that it knows.
        self.submitted = 0
        self.epoch = CLUSTER_TIMESTAMP
        self.kills: list[tuple[str, str]] = []
        self.empty_apps: Any = {}
        self.ignore_filters = False
        #: What ``/scheduler``, ``/nodes`` and the app-activities answer; ``None``: a small capacity scheduler.
        self.scheduler_reply: Any = None
        self.nodes_reply: Any = {"nodes": None}
        self.activities_reply: Any = {"appActivities": {"diagnostic": "waiting for display"}}
        #: By the path below ``…/api/v1/applications/<id>/``: JSON, or a whole reply. Nothing: as with the UI off.
        self.spark: dict[str, Any] = {}
        self.port = 0
        self._lock = threading.RLock()
        self._server: QuietServer | None = None

    @property
    def url(self) -> str:
        """The web address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> CannedResourceManager:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = QuietServer(self.port, _Handler, self)
        self.port = self._server.server_port
        self._server.start("canned-rm")

    def stop(self) -> None:
        """Refuse connections from now on and drop those that are open."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()

    @property
    def connections_made(self) -> int:
        """Connections accepted since the last start."""
        return self._server.connections_made if self._server else 0

    def drop_connections(self) -> None:
        """Close what is open, as a server does with idle connections; go on listening."""
        if self._server is not None:
            self._server.drop_connections()

    def add(
        self,
        name: str = "job",
        *,
        user: str = "alice",
        tags: Iterable[str] = (),
        steps: Iterable[Step] = SUCCESS,
        queue: str = "root.default",
        appear_after: int = 0,
        **fields: Any,
    ) -> str:
        """Add an application and answer its id.

        Parameters
        ----------
        tags
            Stored in lower case, as YARN does.
        appear_after
            Invisible to so many listings.
        fields
            More of the app object, or other values for it.
        """
        with self._lock:
            number = len(self.applications) + 1
            application_id = str(fields.pop("id", f"application_{CLUSTER_TIMESTAMP}_{number:04d}"))
            base = {
                "id": application_id,
                "user": user,
                "name": name,
                "queue": queue,
                "diagnostics": "",
                "clusterId": CLUSTER_TIMESTAMP,
                "applicationType": "SPARK",
                "applicationTags": ",".join(tag.lower() for tag in tags),
                "priority": 0,
                "startedTime": CLUSTER_TIMESTAMP + number * 1000,
                "reservedMB": -1,
                "reservedVCores": -1,
                "memorySeconds": 12_345,
                "vcoreSeconds": 12,
                "unmanagedApplication": False,
            }
            plain = [(str(step[0]), str(step[1]), dict(step[2]) if len(step) > 2 else {}) for step in steps]
            application = Application({**base, **fields}, plain, hidden_searches=appear_after)
            application.tracking_url = f"{self.url}/proxy/{application_id}/"
            self.applications[application_id] = application
            return application_id

    def expire_lifetime(self, application_id: str) -> None:
        """Let the LIFETIME that was set run out."""
        with self._lock:
            application = self.applications[application_id]
            if application.expiry == "UNLIMITED":
                raise AssertionError(f"no LIFETIME was set for {application_id}")
            application.end("KILLED", "KILLED", LIFETIME_DIAGNOSTICS)

    def paths(self, method: str | None = None) -> list[str]:
        """The paths asked for so far."""
        return [asked.path for asked in self.asked if method in (None, asked.method)]

    def answer(self, asked: Asked) -> Reply:
        """The reply to one request."""
        with self._lock:
            if asked.path == "/_test/submit":
                return json_reply(200, {"application_id": self.add(**_submitted(asked.body))})
            if asked.path == "/requests":
                return json_reply(200, [vars(item) for item in self.asked])
            self.asked.append(asked)
            odd = self._odd_mode(asked)
            return odd if odd is not None else self._route(asked)

    def _odd_mode(self, asked: Asked) -> Reply | None:
        if self.mode in (Mode.STANDBY, Mode.NONE_ACTIVE) and asked.path != "/ws/v1/cluster/info":
            if self.mode is Mode.STANDBY and self.peer_url:
                query = "&".join(f"{name}={value}" for name, value in asked.query.items())
                target = f"{self.peer_url}{asked.path}" + (f"?{query}" if query else "")
                text = f"This is standby RM. The redirect url is: {target}\n"
                return Reply(307, text.encode(), "text/plain;charset=utf-8", {"Location": target})
            text = "Can not find any active RM. Will retry in next 4 seconds.\nHA Zookeeper Connection State: \n"
            refresh = {"Refresh": f"4;url={asked.path}?next.refresh.interval=1"}
            return Reply(307, text.encode(), "text/plain;charset=utf-8", refresh)
        if self.mode is Mode.PLAIN_TEXT:
            return Reply(200, b"There is no active RM right now.\n", "text/plain;charset=utf-8")
        if self.mode is Mode.ERROR:
            return html_reply(500, "Server Error: java.lang.NullPointerException")
        if self.mode is Mode.HTML_404:
            return html_reply(404, "Not Found")
        if self.mode is Mode.NEGOTIATE:
            body = b"" if asked.method == "PUT" else html_reply(401, "Authentication required").body
            return Reply(401, body, "text/html;charset=iso-8859-1", {"WWW-Authenticate": "Negotiate"})
        return None

    def _route(self, asked: Asked) -> Reply:
        parts = asked.path.removeprefix("/ws/v1/cluster/").split("/")
        if asked.path.startswith("/proxy/"):
            return self._proxied(asked)
        if not asked.path.startswith("/ws/v1/cluster/"):
            return mistyped_path(asked)
        if parts == ["info"]:
            return json_reply(200, {"clusterInfo": self._info()})
        if parts == ["metrics"]:
            return json_reply(200, {"clusterMetrics": {"appsSubmitted": self.submitted + len(self.applications)}})
        if parts == ["userinfo"]:
            return json_reply(200, {"rmLoginUser": "yarn", "requestedUser": asked.user})
        if parts == ["scheduler"] and self.scheduler_reply is not None:
            return json_reply(200, self.scheduler_reply)
        if parts == ["nodes"]:
            return json_reply(200, self.nodes_reply)
        if parts[:2] == ["scheduler", "app-activities"]:
            return json_reply(200, self.activities_reply)
        if parts == ["scheduler"]:
            return json_reply(200, {"scheduler": {"schedulerInfo": {"type": "capacityScheduler", "queueName": "root"}}})
        if parts == ["apps"]:
            return self._listing(asked)
        if parts == ["apps", "new-application"] and asked.method == "POST":
            return self.new_application
        if parts[0] != "apps":
            return mistyped_path(asked)
        application = self.applications.get(parts[1])
        if not re.fullmatch(r"application_\d+_\d{4,}", parts[1]):
            return remote_exception(400, "BadRequestException", f"Invalid ApplicationId: {parts[1]}")
        if application is None:
            return remote_exception(404, "NotFoundException", f"app with id: {parts[1]} not found")
        return self._one(asked, application, parts[2:])

    def _proxied(self, asked: Asked) -> Reply:
        """Spark's own REST; what it does not serve is, as with a UI that is off, the proxy's page."""
        found = re.fullmatch(r"/proxy/(application_\d+_\d+)/api/v1/applications/\1/(\w+)", asked.path)
        answer = self.spark.get(found.group(2)) if found else None
        if answer is None:
            return html_reply(404, "Application could not be found in RM or history server")
        return answer if isinstance(answer, Reply) else json_reply(200, answer)

    def _one(self, asked: Asked, application: Application, rest: list[str]) -> Reply:
        if asked.method == "GET" and not rest:
            return json_reply(200, {"app": application.advance()})
        if asked.method == "GET" and rest == ["state"]:
            return json_reply(200, {"state": application.state})
        if asked.method == "PUT" and self.writes_need_ticket:
            return Reply(401, b"", "text/html", {"WWW-Authenticate": "Negotiate"})
        if asked.method == "PUT" and rest == ["state"]:
            return self._kill(asked, application)
        if asked.method == "GET" and rest == ["appattempts"]:
            return json_reply(200, {"appAttempts": {"appAttempt": _attempts(application)}})
        if rest in (["queue"], ["priority"]):
            return self._standing(asked, application, rest[0])
        if asked.method == "PUT" and rest == ["timeout"]:
            if self.fail_lifetimes:
                self.fail_lifetimes -= 1
                return remote_exception(500, "RuntimeException", "in trouble")
            if self.refuse_lifetime:
                return remote_exception(
                    403, "AuthorizationException", f"User {asked.user} cannot perform operation UPDATE"
                )
            if application.state not in TERMINAL:  # an ended one answers 200 and keeps what it had
                application.expiry = asked.body["timeout"]["expiryTime"]
            return json_reply(200, {"timeout": _timeout(application)})
        if asked.method == "GET" and rest[:1] == ["timeouts"]:
            return json_reply(200, {"timeout": _timeout(application)})
        return mistyped_path(asked)

    def _standing(self, asked: Asked, application: Application, what: str) -> Reply:
        """Queue and priority, read and set, as recorded from 3.5.0 (``queue_*``, ``priority_*`` in golden/rm)."""
        if asked.method == "PUT" and what == "queue":
            if asked.body["queue"] == application.fields["queue"]:
                return json_reply(200, {what: application.fields[what]})  # also of an ended one
            if application.state in TERMINAL:
                # Plain text under a JSON content type.
                text = f"App in {application.state} state cannot be moved."
                return Reply(400, text.encode(), "application/json;charset=utf-8")
            if asked.body["queue"] not in ("default", "etl"):
                words = f"The specified Queue: {asked.body['queue']} doesn't exist"
                return remote_exception(503, "UndeclaredThrowableException", words)
            application.fields["queue"] = f"root.{asked.body['queue']}"
        elif asked.method == "PUT" and application.state not in TERMINAL:
            application.fields["priority"] = min(asked.body["priority"], self.maximum_priority)
        return json_reply(200, {what: application.fields[what]})

    def _kill(self, asked: Asked, application: Application) -> Reply:
        application_id = application.fields["id"]
        self.kills.append((application_id, asked.user))
        if (asked.body or {}).get("state") != "KILLED":
            return remote_exception(400, "BadRequestException", "Only 'KILLED' is allowed as a target state.")
        if application.state in TERMINAL:
            return json_reply(200, {"state": application.state})
        if asked.user in self.refuse_kill_by:
            # Plain text under a JSON content type, as seen with ACLs on.
            text = f"Unauthorized attempt to kill appid {application_id} by remote user {asked.user}"
            return Reply(403, text.encode(), "application/json")
        text = f"Application {application_id} was killed by user {asked.user}"
        application.end("KILLED", "KILLED", text)
        return json_reply(202, {"state": "KILLING"}, {"Location": f"{self.url}{asked.path}"})

    def _listing(self, asked: Asked) -> Reply:
        query = asked.query
        unknown = set(query) - _FILTERS
        if unknown:
            raise AssertionError(f"no filter of a ResourceManager: {sorted(unknown)}")
        tags = {tag for tag in query.get("applicationTags", "").split(",") if tag}
        found = []
        for application in self.applications.values():
            now = application.now()
            if application.hidden_searches > 0:
                application.hidden_searches -= 1
                continue
            if self.ignore_filters or (
                (not tags or tags & set(now["applicationTags"].split(",")))
                and query.get("user") in (None, now["user"])
                and ("states" not in query or now["state"] in query["states"].split(","))
                and int(query.get("startedTimeBegin", 0)) <= now["startedTime"]
                and int(query.get("finishedTimeBegin", 0)) <= now["finishedTime"]
                and query.get("applicationTypes", now["applicationType"]).lower() == now["applicationType"].lower()
            ):
                found.append(now)
        return json_reply(200, {"apps": {"app": found}} if found else {"apps": self.empty_apps})

    def _info(self) -> dict[str, Any]:
        return {
            "id": self.epoch,
            "startedOn": CLUSTER_TIMESTAMP,
            "state": "STARTED",
            "haState": "STANDBY" if self.mode in (Mode.STANDBY, Mode.NONE_ACTIVE) else "ACTIVE",
            "rmStateStoreName": "org.apache.hadoop.yarn.server.resourcemanager.recovery.NullRMStateStore",
            "resourceManagerVersion": "3.5.0",
            "hadoopVersion": "3.5.0",
            "haZooKeeperConnectionState": "Could not find leader elector.",
        }


_FILTERS = {
    "states", "finalStatus", "user", "queue", "limit", "startedTimeBegin", "startedTimeEnd", "finishedTimeBegin",
    "finishedTimeEnd", "applicationTypes", "applicationTags", "name", "deSelects", "user.name",
}  # fmt: skip


def _attempts(application: Application) -> list[dict[str, Any]]:
    """One attempt, once the application was launched; shaped as ``attempts_running_3.5.json``."""
    now = application.now()
    if "amContainerLogs" not in now:
        return []
    container = now["id"].replace("application", "container") + "_01_000001"
    return [
        {
            "id": 1,
            "startTime": now["launchTime"],
            "finishedTime": now["finishedTime"],
            "containerId": container,
            "nodeHttpAddress": now.get("amHostHttpAddress", "localhost:8042"),
            "nodeId": "localhost:8041",
            "logsLink": now["amContainerLogs"],
            "appAttemptId": now["id"].replace("application", "appattempt") + "_000001",
            "appAttemptState": now["state"],
        }
    ]


def _timeout(application: Application) -> dict[str, Any]:
    remaining = -1 if application.expiry == "UNLIMITED" else 0 if application.state in TERMINAL else 60
    return {"type": "LIFETIME", "expiryTime": application.expiry, "remainingTimeInSeconds": remaining}


def _submitted(body: Any) -> dict[str, Any]:
    given = dict(body or {})
    if "steps" in given:
        given["steps"] = [(step[0], step[1], step[2] if len(step) > 2 else {}) for step in given["steps"]]
    return given


class _Handler(QuietHandler):
    def answer(self) -> None:
        path, query = self.asked()
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, path, query, json.loads(raw) if raw else None, dict(self.headers))
        canned: CannedResourceManager = self.server.canned
        if canned.delay_s:
            self.server.stopping.wait(canned.delay_s)
        deadline = time.monotonic() + 30
        while canned.mode is Mode.SLOW and time.monotonic() < deadline and not self.server.stopping.wait(0.02):
            pass
        if canned.mode is Mode.BROKEN:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
            self.close_connection = True
            return
        self.send(canned.answer(asked))
