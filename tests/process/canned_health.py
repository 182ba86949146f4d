"""Canned servers that also answer what ``doctor`` and the look before a submit ask; replies as recorded from 3.5.0."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.process.canned_replies import Asked, Reply, json_reply, remote_exception
from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs, Node, Remote

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "doctor"


def recorded(name: str) -> Any:
    """A recorded reply."""
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


class TellingResourceManager(CannedResourceManager):
    """Tells its queues, nodes and configuration, and stands in for the history server too.

    Attributes
    ----------
    conf
        Answers of ``/conf?name=``.
    mute
        Paths that are answered with 503.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scheduler: Any = recorded("scheduler.json")
        self.nodes: Any = recorded("nodes.json")
        self.conf = {
            "yarn.acl.enable": "false",
            "yarn.webapp.enable-rest-app-submissions": "true",
            "yarn.log-aggregation-enable": "true",
        }
        self.mute: set[str] = set()

    def _route(self, asked: Asked) -> Reply:
        if asked.path in self.mute:
            return remote_exception(503, "WebApplicationException", "not now")
        if asked.path == "/conf":
            name = asked.query.get("name", "")
            if name not in self.conf:
                return Reply(404, b"", "text/html")
            return json_reply(200, {"property": {"key": name, "value": self.conf[name], "isFinal": False}})
        if asked.path == "/ws/v1/history/info":
            return json_reply(200, recorded("jhs-info.json"))
        if asked.path.startswith("/ws/v1/history/containers/"):
            listed = {"containerLogInfo": [{"fileName": "stdout", "fileSize": "1"}]}
            return json_reply(200, {"containerLogsInfoes": {"containerLogsInfo": listed}})
        if asked.path == "/ws/v1/cluster/scheduler":
            return json_reply(200, self.scheduler)
        if asked.path == "/ws/v1/cluster/nodes":
            return json_reply(200, self.nodes)
        if asked.path.startswith("/ws/v1/cluster/queues/"):
            text = f"User={asked.user} doesn't haven access to queue=x so it cannot check ACLs for other users."
            return remote_exception(403, "ForbiddenException", text)
        return super()._route(asked)


class TellingWebHdfs(CannedWebHdfs):
    """Judges access, tells quotas and sizes, and serves the NameNode's beans.

    Attributes
    ----------
    refused
        Paths into which nobody may write.
    safe_mode
        Whether HDFS is in safe mode.
    deep_answer
        What the tiny application of ``doctor --deep`` has written, wherever it was told to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused = {"/", "/user"}
        self.safe_mode = False
        self.deep_answer: bytes | None = None

    def perform(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/jmx":
            return 200, self._bean(query), {}
        if "/.batch-submit/doctor/" in path and self.deep_answer is not None:
            self.nodes[path] = Node(self.deep_answer)
            self.deep_answer = None
        return super().perform(method, path, query, body)

    def _bean(self, query: Mapping[str, str]) -> Any:
        if "FSNamesystemState" in query.get("qry", ""):
            return recorded("jmx-state-safe.json" if self.safe_mode else "jmx-state.json")
        attribute = query.get("get", "").rpartition("::")[2]
        values = {"SoftwareVersion": "3.5.0", "MissingBlocks": 0, "Safemode": "Safe mode is ON."}
        return {"beans": [{attribute: values[attribute]}]} if attribute in values else {"beans": []}

    def _checkaccess(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path not in self.nodes:
            raise Remote(404, "FileNotFoundException", f"Path not found: {path}")
        if path in self.refused:
            user = query.get("user.name", "dr.who")
            text = f'Permission denied: user={user}, access=WRITE_EXECUTE, inode="{path}":root:supergroup:drwxr-xr-x'
            raise Remote(403, "AccessControlException", text)
        return 200, None, {}

    def _getquotausage(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        self._node(path)
        usage = {"fileAndDirectoryCount": 2, "quota": -1, "spaceConsumed": 0, "spaceQuota": -1, "typeQuota": {}}
        return 200, {"QuotaUsage": usage}, {}

    def _getcontentsummary(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        size = sum(
            len(node.data or b"") for name, node in self.nodes.items() if name.startswith(posixpath.join(path, ""))
        )
        return 200, {"ContentSummary": {"length": size, "fileCount": 1, "directoryCount": 1}}, {}
