"""A NameNode and a DataNode of paper: WebHDFS over a dictionary, with the redirects and the errors of Hadoop 3.5.0."""

from __future__ import annotations

import json
import posixpath
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote

from tests.process.quiet_server import QuietHandler, QuietServer

TOKEN = "SECRETtoken123"
_PREFIX = "/webhdfs/v1"


@dataclass
class Remote(Exception):
    """An answer that is a RemoteException."""

    status: int
    exception: str
    message: str


@dataclass
class Node:
    """One file (``data``) or folder (``data`` is ``None``)."""

    data: bytes | None = None
    owner: str = "alice"
    permission: str = "755"
    group: str = "etl"
    modified_ms: int = 1795251676610
    accessed_ms: int = 0


@dataclass
class Plain(Exception):
    """An answer that is no WebHDFS reply at all."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class CannedWebHdfs:
    """The server, as a context manager.

    Attributes
    ----------
    fail
        Operation -> what it answers instead (:class:`Remote`, :class:`Plain`); ``"*"`` stands for every operation.
    swallow_data
        The DataNode says 201 and keeps nothing, as after a retry with a spent generator.
    lose_reply_of
        These operations are carried out and then the connection closes.
    hold_reply_of
        Operations of a DataNode that are carried out and then answered only when the event is set.
    superuser
        Who may give files away.
    keeps_access_times
        Whether ``dfs.namenode.accesstime.precision`` is not 0.
    page
        Entries of one answer to LISTSTATUS_BATCH; 0: it does not know the operation, as Hadoop before 2.8.
    noredirect
        ``False``: CREATE redirects whatever it is asked, as before Hadoop 3.
    redirect
        ``False``: reading is answered with the data, as by HttpFS.
    datanodes
        ``host:port`` that readers are sent to before ourselves, until they exclude them.
    cut_data_after
        The DataNode hangs up after so many bytes.
    """

    #: Its address as clients know it, when something stands before it.
    seen_as = ""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"/": Node(owner="root"), "/user": Node(), "/user/alice": Node()}
        self.asked: list[tuple[str, str, str, Mapping[str, str]]] = []
        self.fail: dict[str, Remote | Plain] = {}
        self.swallow_data = False
        self.lose_reply_of: set[str] = set()
        self.hold_reply_of: dict[str, threading.Event] = {}
        self.superuser = "hdfs"
        self.keeps_access_times = True
        self.page = 2
        self.noredirect = True
        self.redirect = True
        self.datanodes: list[str] = []
        self.cut_data_after: int | None = None
        self.port = 0
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The NameNode's web address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> CannedWebHdfs:
        self._server = QuietServer(self.port, _Handler, self)
        self.port = self._server.server_port
        self._server.start("canned-webhdfs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def operations(self) -> list[str]:
        """The names of the operations asked for."""
        return [operation for _, _, operation, _ in self.asked]

    def perform(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Carry one operation out; status, JSON or bytes or ``None``, headers."""
        operation = query.get("op", "").upper()
        with self._lock:
            self.asked.append((method, path, operation, query))
            failure = self.fail.get(operation) or self.fail.get("*")
            if failure is not None:
                raise failure
            answer: tuple[int, Any, dict[str, str]] = getattr(self, f"_{operation.lower()}")(path, query, body)
            return answer

    def _getfilestatus(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, {"FileStatus": self._status(path, "")}, {}

    def _liststatus(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        node = self._node(path)
        if node.data is not None:
            return 200, {"FileStatuses": {"FileStatus": [self._status(path, "")]}}, {}
        inside = [name for name in self.nodes if posixpath.dirname(name) == path and name != path]
        found = [self._status(name, posixpath.basename(name)) for name in inside]
        return 200, {"FileStatuses": {"FileStatus": found}}, {}

    def _liststatus_batch(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if not self.page:
            message = 'Invalid value for webhdfs parameter "op": No enum constant HttpOpParam.Op.LISTSTATUS_BATCH'
            raise Remote(400, "IllegalArgumentException", message)
        _, everything, _ = self._liststatus(path, query, body)
        found = sorted(everything["FileStatuses"]["FileStatus"], key=lambda fields: str(fields["pathSuffix"]))
        left = [fields for fields in found if not fields["pathSuffix"] <= query.get("startafter", "")]
        page = {"FileStatuses": {"FileStatus": left[: self.page]}}
        return 200, {"DirectoryListing": {"partialListing": page, "remainingEntries": len(left[self.page :])}}, {}

    def _setowner(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        node, user = self._node(path), query.get("user.name", "dr.who")
        if user != self.superuser and query.get("owner", node.owner) != node.owner:
            message = f"User {user} is not a super user (non-super user cannot change owner)."
            raise Remote(403, "AccessControlException", message)
        node.owner, node.group = query.get("owner", node.owner), query.get("group", node.group)
        return 200, None, {}

    def _getfilechecksum(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Of something else than the content, as in an encryption zone."""
        if "datanode" not in query:
            return 307, None, {"Location": self._datanode(path, query)}
        text = "00000200" + 24 * "0" + 24 * "7"
        return 200, {"FileChecksum": {"algorithm": "MD5-of-0MD5-of-512CRC32C", "bytes": text, "length": 28}}, {}

    def _gethomedirectory(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, {"Path": f"/user/{query.get('user.name', 'dr.who')}"}, {}

    def _mkdirs(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        while path not in self.nodes:
            self.nodes[path] = Node(permission=query.get("permission", "755"))
            path = posixpath.dirname(path)
        return 200, {"boolean": True}, {}

    def _setpermission(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        self._node(path).permission = query["permission"]
        return 200, None, {}

    def _delete(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        inside = [name for name in self.nodes if name.startswith(path + "/")]
        if inside and query.get("recursive", "").lower() != "true":
            message = f"`{path} is non empty': Directory is not empty"
            raise Remote(403, "PathIsNotEmptyDirectoryException", message)
        existed = self.nodes.pop(path, None) is not None
        for name in inside:
            del self.nodes[name]
        return 200, {"boolean": existed}, {}

    def _settimes(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        node, user = self._node(path), query.get("user.name", "dr.who")
        if user not in (self.superuser, node.owner):
            raise Remote(403, "AccessControlException", f"Permission denied: user={user}, access=WRITE")
        if not self.keeps_access_times and query["accesstime"] != "-1":
            message = "Access time for hdfs is not configured.  Please set dfs.namenode.accesstime.precision"
            raise Remote(403, "IOException", message)
        for name, value in (("modified_ms", query["modificationtime"]), ("accessed_ms", query["accesstime"])):
            if value != "-1":
                setattr(node, name, int(value))
        return 200, None, {}

    def _create(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if "datanode" not in query:
            if query.get("noredirect") == "true" and self.noredirect:
                return 200, {"Location": self._datanode(path, query)}, {}
            return 307, None, {"Location": self._datanode(path, query)}
        there = self.nodes.get(path)
        if there is not None and (there.data is None or query.get("overwrite", "").lower() != "true"):
            message = f"{path} for client 127.0.0.1 already exists\n\tat org.apache.hadoop.hdfs.X(X.java:1)"
            raise Remote(403, "FileAlreadyExistsException", message)
        owner, permission = query.get("user.name", "dr.who"), query.get("permission", "644")
        self.nodes[path] = Node(b"" if self.swallow_data else body, owner=owner, permission=permission)
        return 201, None, {"Location": f"hdfs://127.0.0.1:9000{path}"}

    def _open(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        data = self._node(path).data
        if data is None:
            raise Remote(404, "FileNotFoundException", f"Path is not a file: {path}\n\tat org.apache.X(X.java:1)")
        if query.get("noredirect") == "true" and "datanode" not in query:
            return 200, {"Location": self._datanode(path, query)}, {}
        if "datanode" not in query and self.redirect:
            excluded = query.get("excludedatanodes", "").split(",")
            others = [f"http://{name}" for name in self.datanodes if name not in excluded]
            return 307, None, {"Location": self._datanode(path, query, *others)}
        start = int(query.get("offset", 0))
        return 200, data[start : start + int(query.get("length", len(data)))], {}

    def _rename(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        dest, options = query["destination"], query.get("renameoptions")
        there = self.nodes.get(dest)
        if options is None:
            if there is not None and there.data is None:
                dest = posixpath.join(dest, posixpath.basename(path))  # HDFS moves into a folder
                there = self.nodes.get(dest)
            if path not in self.nodes or there is not None or posixpath.dirname(dest) not in self.nodes:
                return 200, {"boolean": False}, {}
            self.nodes[dest] = self.nodes.pop(path)
            return 200, {"boolean": True}, {}
        node = self._node(path)
        if there is not None and there.data is None:
            raise Remote(403, "IOException", f"Source {path} and destination {dest} must both be directories")
        if there is not None and options.upper() != "OVERWRITE":
            raise Remote(403, "FileAlreadyExistsException", f"rename destination {dest} already exists")
        self.nodes[dest] = node
        del self.nodes[path]
        for name in [name for name in self.nodes if name.startswith(f"{path}/")]:
            self.nodes[dest + name.removeprefix(path)] = self.nodes.pop(name)
        return 200, None, {}

    def _node(self, path: str) -> Node:
        if path not in self.nodes:
            raise Remote(404, "FileNotFoundException", f"File does not exist: {path}")
        return self.nodes[path]

    def _status(self, path: str, suffix: str) -> dict[str, Any]:
        node = self._node(path)
        return {
            "accessTime": node.accessed_ms,
            "blockSize": 0 if node.data is None else 134217728,
            "childrenNum": 0,
            "fileId": 16400,
            "group": node.group,
            "length": len(node.data or b""),
            "modificationTime": node.modified_ms,
            "owner": node.owner,
            "pathSuffix": suffix,
            "permission": node.permission,
            "replication": 0 if node.data is None else 1,
            "storagePolicy": 0,
            "type": "DIRECTORY" if node.data is None else "FILE",
        }

    def _datanode(self, path: str, query: Mapping[str, str], *others: str) -> str:
        passed = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        return f"{(*others, self.seen_as or self.url)[0]}{_PREFIX}{quote(path)}?{passed}&datanode=1&delegation={TOKEN}"


class _Handler(QuietHandler):
    def answer(self) -> None:
        place, query = self.asked()
        body = self._body()
        canned: CannedWebHdfs = self.server.canned
        headers: dict[str, str] = {}
        kind = "application/json"
        try:
            path = place.removeprefix(_PREFIX) or "/"
            status, value, headers = canned.perform(self.command, path, query, body)
        except Remote as remote:
            java = f"org.apache.hadoop.{remote.exception}"
            fields = {"exception": remote.exception, "javaClassName": java, "message": remote.message}
            status, value = remote.status, {"RemoteException": fields}
        except Plain as plain:
            status, value, headers, kind = plain.status, plain.body, plain.headers, "text/html"
        held = canned.hold_reply_of.get(query.get("op", "").upper())
        if held is not None and "datanode" in query:
            held.wait(60)
        if query.get("op", "").upper() in canned.lose_reply_of:
            self.close_connection = True
            return
        if isinstance(value, bytes):
            kind = "application/octet-stream" if status == 200 else kind
        raw = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if isinstance(value, bytes) and canned.cut_data_after is not None:
            raw, self.close_connection = raw[: canned.cut_data_after], True
        self.wfile.write(raw)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)
