"""ResourceManagers that are not active, as they really answered: a server for ``tests/golden/rm/*.http``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.process.quiet_server import QuietServer

GOLDEN = Path(__file__).parents[1] / "golden" / "rm"
#: The application that the recordings are about.
RECORDED_ID = "application_1795262328462_0001"


class RecordedResourceManager:
    """Answers from the recordings ``standby_*``, ``none_active_*`` or ``two_ids_*``.

    Parameters
    ----------
    kind
        ``standby``, ``none_active``, or ``two_ids`` (``/proxy`` only); may be changed at any time.
    active
        Host and port that stand in for ``rm1`` in the answers of a standby.
    """

    def __init__(self, kind: str, active: str = "rm1:8088") -> None:
        self.kind = kind
        self.active = active
        self.asked: list[tuple[str, str]] = []
        self._server = QuietServer(0, _Handler, self)
        self.netloc = f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The web address."""
        return f"http://{self.netloc}"

    @contextmanager
    def serving(self) -> Iterator[RecordedResourceManager]:
        """Answer within the block."""
        self._server.start("recorded-rm")
        try:
            yield self
        finally:
            self._server.stop()

    def answer(self, method: str, target: str) -> bytes:
        """The recorded answer, ready for the wire."""
        path = target.partition("?")[0]
        self.asked.append((method, path))
        text = (GOLDEN / f"{self.kind}_{_recording(method, path)}_3.5.http").read_text(encoding="utf-8")
        text = text.replace("rm1:8088", self.active).replace("rm2:8088", self.netloc)
        head, _, body = text.partition("\n\n")
        content = body.encode()
        lines = [*head.splitlines(), f"Content-Length: {len(content)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + content


def _recording(method: str, path: str) -> str:
    if path.startswith("/proxy/"):
        return "proxy"
    if method == "PUT":
        return {"state": "put_state", "timeout": "put_timeout"}[path.rpartition("/")[2]]
    known = {"/ws/v1/cluster/info": "info", "/ws/v1/cluster/apps": "apps", "/isActive": "is_active"}
    return known.get(path) or {f"/ws/v1/cluster/apps/{RECORDED_ID}": "app"}[path]


class _Handler(BaseHTTPRequestHandler):
    server: QuietServer

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        recorded: RecordedResourceManager = self.server.canned
        self.wfile.write(recorded.answer(self.command, self.path))
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``asked``."""
