"""A server between our program and one of the cluster's: it records requests, and kills our program at one of them."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Script:
    """What the proxies of one call do together.

    Parameters
    ----------
    kill_at
        The request, as :func:`named` calls it, at whose first coming the program is killed; "" for none.
    after
        Forward it first, and answer nothing; else it is not even forwarded.
    """

    kill_at: str = ""
    after: bool = False
    pid: int = 0
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    known: threading.Event = field(default_factory=threading.Event)

    def started(self, pid: int) -> None:
        """From now on requests are let through."""
        self.pid = pid
        self.known.set()

    def comes(self, call: str) -> bool:
        """Note a request; whether it is the one."""
        assert self.known.wait(20), "nobody told whom to kill"
        with self.lock:
            first = call not in self.calls
            self.calls.append(call)
        return call == self.kill_at and first

    def kill(self) -> None:
        """End the program as a crash does, before it can see another byte."""
        os.kill(self.pid, signal.SIGKILL)


def named(method: str, target: str) -> str:
    """A request without what differs from run to run: ``PUT CREATE .sparkStaging/a-job.py``, ``POST apps``."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    path = unquote(parts.path)
    if "op" not in query:
        words = [
            word for word in path.removeprefix("/ws/v1/cluster/").split("/") if not word.startswith("application_")
        ]
        return f"{method} {'/'.join(words)}" + ("/<id>" if "/application_" in path else "")
    place = query.get("destination", [path])[0]
    kept = [word for word in place.split("/") if word.startswith((".sparkStaging", ".batch-submit"))]
    last = place.rpartition("/")[2]
    if last.startswith("."):  # a temporary name: .<name>.<nonce>
        last = last[1:].rpartition(".")[0]
    last = "<id>" if last.startswith("application_") else last
    last = "<archive>" if last.endswith(".zip") and not last.startswith("__") else last
    return " ".join(filter(None, [method, query["op"][0].upper(), *kept, last]))


class RecordingProxy:
    """One proxy, as a context manager.

    Parameters
    ----------
    target
        ``http://host:port``.
    """

    def __init__(self, target: str, script: Script) -> None:
        self.target = urlsplit(target)
        self.script = script
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="recording-proxy")

    def __enter__(self) -> RecordingProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Ask the real server."""
        connection = http.client.HTTPConnection(str(self.target.hostname), self.target.port, timeout=30)
        try:
            connection.request(method, target, body=body or None, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            connection.close()


def _handler(proxy: RecordingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fatal = proxy.script.comes(named(self.command, self.path))
            if fatal and not proxy.script.after:
                proxy.script.kill()
                return
            sent = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            status, headers, data = proxy.forward(self.command, self.path, sent, body)
            if fatal:
                proxy.script.kill()
                return
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = _pass_on

        def log_message(self, format: str, *args: Any) -> None:
            """The script holds the calls."""

    return Handler
