"""An HTTP server for tests: on 127.0.0.1, its connections can be dropped, and it prints nothing."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.process.canned_replies import Reply


class QuietServer(ThreadingHTTPServer):
    """Threads that end with it, connections that can be dropped, no word on stderr."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], canned: Any) -> None:
        self.canned = canned
        self.connections_made = 0
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    def start(self, name: str) -> None:
        """Answer in a thread of this name."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=name)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on and drop those that are open."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.drop_connections()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.connections_made += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        """Close what is open; go on listening."""
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests hang up on purpose: nothing to print."""


class QuietHandler(BaseHTTPRequestHandler):
    """One request: every method is answered by :meth:`answer`, and nothing is printed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as the real servers: head and body are written apart
    server: QuietServer

    def answer(self) -> None:
        """Read the request and write the reply."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer()

    do_PUT = do_POST = do_DELETE = do_GET

    def asked(self) -> tuple[str, dict[str, str]]:
        """The path, decoded, and of each name in the query the last value."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path), query

    def send(self, reply: Reply) -> None:
        """Write a whole reply."""
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read what the server was asked."""
