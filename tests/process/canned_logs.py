"""A NodeManager and a JobHistoryServer of paper, on one port: they serve log files as Hadoop 3.5.0 frames them.

What each endpoint answers in which state was recorded (``tests/golden/logs``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.process.canned_replies import Reply, html_reply, json_reply, remote_exception
from tests.process.quiet_server import QuietHandler, QuietServer

TIME = "Sat Nov 21 11:48:52 +0000 2020"
TIME_MS = 1_605_959_332_000
NODE = "localhost_8041"
STARS = "*" * 71


@dataclass
class CannedLogs:
    """The two servers, as a context manager.

    Attributes
    ----------
    containers
        Container id -> file name -> content.
    at_node
        Whether the NodeManager still has them; else it sends on to the history server.
    aggregated
        Whether the history server has them.
    too_old
        No such endpoints (Hadoop 2.10, 3.2): 404 in HTML.
    refuse
        Users whom both refuse.
    """

    containers: dict[str, dict[str, bytes]] = field(default_factory=dict)
    at_node: bool = False
    aggregated: bool = True
    too_old: bool = False
    refuse: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """The web address of both."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> CannedLogs:
        self._server = QuietServer(self.port, _Handler, self)
        self.port = self._server.server_port
        self._server.start("canned-logs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        """The reply to one request."""
        self.asked.append(path)
        parts = path.removeprefix("/ws/v1/").split("/")
        if self.too_old or not path.startswith("/ws/v1/"):
            return html_reply(404, "Not Found")
        if query.get("user.name") in self.refuse:
            text = f"User [{query['user.name']}] is not authorized to view the logs"
            return Reply(500, text.encode(), "text/plain")
        if parts[0] == "node":
            return self._node(parts[1:], query)
        return self._history(parts[1:], query)

    def _node(self, parts: list[str], query: dict[str, str]) -> Reply:
        container_id = parts[1]
        if parts[0] == "containers" and parts[2:] == ["logs"]:
            if not self.at_node:
                return self._moved(container_id, "logs")
            entry = self._entry(container_id, "LOCAL", NODE.replace("_", ":"))
            for one in entry["containerLogInfo"]:
                one["fileSize"] = str(one["fileSize"])
            return json_reply(200, {"containerLogsInfo": entry})
        if not self.at_node or parts[2] not in self.containers.get(container_id, {}):
            return self._moved(container_id, f"logs/{parts[2]}")
        ending = f"End of LogType:{parts[2]}.This log file belongs to a running container ({container_id}) and so may"
        return self._file(container_id, parts[2], query, "LOCAL", f"{ending} not be complete.\n")

    def _history(self, parts: list[str], query: dict[str, str]) -> Reply:
        if parts[0] == "aggregatedlogs":
            application_id = query["appid"]
            mine = [one for one in self.containers if one.split("_")[-4:-2] == application_id.split("_")[1:]]
            if not self.aggregated or not mine:
                text = f"Can not find remote application directory for the application:{application_id}\n"
                return remote_exception(503, "WebApplicationException", text)
            entries = [self._entry(one, "AGGREGATED", NODE) for one in mine]
            return json_reply(
                200, {"containerLogsInfoes": {"containerLogsInfo": entries if len(entries) > 1 else entries[0]}}
            )
        if parts[0] != "containerlogs":
            return html_reply(404, "Not Found")
        container_id, name = parts[1:]
        if not self.aggregated or name not in self.containers.get(container_id, {}):
            return Reply(200, f"Can not find logs for container:{container_id}".encode(), "text/plain")
        return self._file(container_id, name, query, "AGGREGATED", f"\nEnd of LogType:{name}\n")

    def _entry(self, container_id: str, kind: str, node: str) -> dict[str, Any]:
        files = [
            {"fileName": name, "fileSize": len(content), "lastModifiedTime": TIME}
            for name, content in self.containers.get(container_id, {}).items()
        ]
        return {
            "containerLogInfo": files,
            "logAggregationType": kind,
            "containerId": container_id,
            "nodeId": node,
        }

    def _file(self, container_id: str, name: str, query: dict[str, str], kind: str, ending: str) -> Reply:
        content = self.containers[container_id][name]
        size = int(query.get("size", len(content)))
        part = content[:size] if size >= 0 else content[size:]
        head = (
            f"Container: {container_id} on {NODE}\nLogAggregationType: {kind}\n{'=' * 67}\nLogType:{name}\n"
            f"LogLastModifiedTime:{TIME}\nLogLength:{len(content)}\nLogContents:\n"
        )
        return Reply(200, head.encode() + part + f"{ending}{STARS}\n\n".encode(), "text/plain")

    def _moved(self, container_id: str, rest: str) -> Reply:
        # To a path that is 404 for a file, as the real one does.
        target = f"{self.url}/ws/v1/history/containers/{container_id}/{rest}?redirected_from_node=true"
        return Reply(307, b"", "text/plain", {"Location": target})


class _Handler(QuietHandler):
    def answer(self) -> None:
        self.send(self.server.canned.answer(*self.asked()))


def site(rm_url: str, logs_url: str) -> str:
    """A yarn-site.xml that names both."""
    values = {
        "yarn.resourcemanager.webapp.address": rm_url.removeprefix("http://"),
        "yarn.log.server.web-service.url": f"{logs_url}/ws/v1/history",
        "yarn.log-aggregation-enable": "true",
    }
    inside = [f"<property><name>{key}</name><value>{value}</value></property>" for key, value in values.items()]
    return f"<configuration>{''.join(inside)}</configuration>\n"
