"""TLS before a server that speaks plain HTTP: what comes in is passed on, and the answers go back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tls"
_PIECE = 65536


class TlsFront:
    """Listens on a port of 127.0.0.1 with a certificate for ``localhost``; a context manager.

    Parameters
    ----------
    target
        Port of the server behind it.
    certificate
        A file of ``tests/golden/tls`` with key and certificate.
    wants_client
        Only clients with a certificate by the test CA are let in.
    """

    def __init__(self, target: int, certificate: str = "server.pem", *, wants_client: bool = False) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(GOLDEN / certificate)
        if wants_client:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(GOLDEN / "ca.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="tls-front")
        self._workers: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Under the name of the certificate."""
        return f"https://localhost:{self.port}"

    def __enter__(self) -> TlsFront:
        self._listener.settimeout(0.05)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._listener.close()
        for worker in self._workers:
            worker.join()

    def _accept(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                plain, _ = self._listener.accept()
                worker = threading.Thread(target=self._serve, args=(plain,), name="tls-front-connection")
                self._workers.append(worker)
                worker.start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(10)
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as outer,
        ):
            try:
                outer.do_handshake()
            except OSError:  # the client did not like the certificate, or we did not like the client's
                outer.shutdown(socket.SHUT_WR)
                while outer.recv(_PIECE):  # closed with something unread, the connection would lose our last word
                    continue
                return
            with socket.create_connection(("127.0.0.1", self._target), timeout=10) as inner:
                self._pass_on(outer, inner)

    def _pass_on(self, outer: ssl.SSLSocket, inner: socket.socket) -> None:
        """Both ways in one thread, which is all that OpenSSL allows; short timeouts take turns."""
        outer.settimeout(0.02)
        inner.settimeout(0.02)
        while not self._done.is_set():
            for source, sink in ((outer, inner), (inner, outer)):
                try:
                    piece = source.recv(_PIECE)
                except TimeoutError:
                    continue
                if not piece:
                    return
                sink.settimeout(10)
                sink.sendall(piece)
                sink.settimeout(0.02)
