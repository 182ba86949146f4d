"""A Kerberos realm of its own, with a real MIT KDC, and a web server that wants its tickets as Hadoop's do."""

from __future__ import annotations

import base64
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from devcluster_lib import realm as devcluster_realm

from tests.kerberos_here import PATH

REALM, OTHER = "ONE.TEST", "OTHER.TEST"
ALICE = f"alice@{REALM}"


class Realm:
    """One KDC with its database, below a folder; as the dev cluster makes its own.

    Parameters
    ----------
    realm, host_realm
        Its name, and of which realm a client takes ``localhost`` to be.
    """

    def __init__(self, folder: Path, realm: str = REALM, host_realm: str = "") -> None:
        self.folder, self.name = folder, realm
        folder.mkdir(parents=True)
        self.port = free_port()
        self._made = devcluster_realm.Realm(folder, realm, self.port, host_realm, life="10h")
        self._made.create()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def conf(self) -> Path:
        """The clients' ``krb5.conf``."""
        return self._made.krb5_conf

    @property
    def env(self) -> dict[str, str]:
        """What a client of this realm needs, without a cache of the caller's."""
        return {"KRB5_CONFIG": str(self.conf), "KRB5CCNAME": f"FILE:{self.folder / 'cache'}", "PATH": PATH}

    @property
    def server_env(self) -> dict[str, str]:
        """What MIT's programs need that look into the database itself."""
        return {"PATH": PATH, **self._made.environment}

    def add(self, name: str) -> Path:
        """Make a principal and a keytab with its key."""
        keytab = self.folder / f"{name.replace('/', '-')}.keytab"
        self._made.add({name: keytab})
        return keytab

    def start(self) -> None:
        """Start the KDC; returns when its port is open."""
        with (self.folder / "kdc.log").open("ab") as log:
            command = devcluster_realm.kdc_command()
            self._process = subprocess.Popen(command, env=self.server_env, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not answers(self.port):
            assert self._process.poll() is None and time.monotonic() < deadline, (self.folder / "kdc.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End the KDC."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def kinit(self, principal: str, keytab: Path, *more: str, env: dict[str, str] | None = None) -> None:
        """Put a ticket into the cache of :attr:`env`."""
        command = ["kinit", "-kt", str(keytab), *more, principal]
        subprocess.run(command, env=env or self.env, check=True, timeout=30, capture_output=True)

    def asked(self, what: str) -> int:
        """How many requests of a kind (``AS_REQ``, ``TGS_REQ``) the KDC has answered with a ticket."""
        text = (self.folder / "kdc.log").read_text(encoding="utf-8")
        return sum(1 for line in text.splitlines() if what in line and "ISSUE" in line)


@contextmanager
def running_realm(folder: Path, realm: str = REALM, host_realm: str = "") -> Iterator[Realm]:
    """A realm whose KDC runs within the block."""
    made = Realm(folder, realm, host_realm)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@dataclass
class Asked:
    """One request as the server saw it: who made it, or the 401 that it got."""

    method: str
    path: str
    status: int
    user: str
    by: str


@dataclass
class NegotiatingServer:
    """Answers as Hadoop's ``AuthenticationFilter`` does: 401 Negotiate, then a signed cookie.

    Parameters
    ----------
    keytab
        Of ``HTTP/localhost``.
    answers
        Path (without query) to (status, content type, body); else ``{}``.
    cookie_s
        How long its cookie counts.
    """

    keytab: Path
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    cookie_s: float = 3600.0
    offers: str = "Negotiate"
    asked: list[Asked] = field(default_factory=list)
    _cookies: dict[str, tuple[str, float]] = field(default_factory=dict)
    _http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address, by the host name of its principal."""
        assert self._http is not None
        return f"http://localhost:{self._http.server_address[1]}"

    def count(self, status: int) -> int:
        """How many answers had this status."""
        return sum(1 for one in self.asked if one.status == status)

    def __enter__(self) -> NegotiatingServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                server._serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # a client that went away is not the server's trouble

        self._http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._http is not None
        self._http.shutdown()
        self._http.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        user, by, token = self._who(handler)
        status, kind, body = self.answers.get(path, (200, "application/json", b"{}"))
        if not user:
            status, kind, body = 401, "text/html", b"<html><title>Error 401</title>Authentication required</html>"
        self.asked.append(Asked(handler.command, handler.path, status, user, by))
        handler.send_response(status)
        if not user:
            handler.send_header("WWW-Authenticate", self.offers)
        elif token is not None:
            name = secrets.token_hex(8)
            self._cookies[name] = (user, time.monotonic() + self.cookie_s)
            handler.send_header("WWW-Authenticate", f"Negotiate {base64.b64encode(token).decode()}")
            handler.send_header("Set-Cookie", f"hadoop.auth={name}; Path=/; HttpOnly")
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _who(self, handler: BaseHTTPRequestHandler) -> tuple[str, str, bytes | None]:
        for part in (handler.headers.get("Cookie") or "").split(";"):
            user, until = self._cookies.get(part.strip().removeprefix("hadoop.auth=").strip('"'), ("", 0.0))
            if user and time.monotonic() < until:
                return user, "cookie", None
        scheme, _, text = (handler.headers.get("Authorization") or "").partition(" ")
        if scheme != "Negotiate":
            return "", "", None
        import gssapi

        held = gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{self.keytab}"})
        context = gssapi.SecurityContext(creds=held, usage="accept")
        try:
            token = context.step(base64.b64decode(text))
            user = str(context.initiator_name).partition("@")[0] if context.complete else ""
        except gssapi.exceptions.GSSError:  # told late: the first call may have an answer for the client
            return "", "", None
        return user, "ticket", token


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes every connection and never answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(50)
        yield int(held.getsockname()[1])
