"""HTTP and HTTPS to the cluster's own servers: JSON in, JSON out, never through a proxy; with a ticket where one is
asked for."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from functools import lru_cache
from pathlib import Path
from typing import Any

from devcluster_lib import spnego
from devcluster_lib.layout import Daemon

#: `localhost` may resolve to ::1 first; the servers listen on IPv4 only.
HOST = "127.0.0.1"
TIMEOUT_S = 5.0
#: The service whose ticket every web server of a secure cluster takes.
SERVICE = "HTTP@localhost"
#: Key and certificate (PEM) beside the CA's, for servers that want one of their clients; made by who sets that.
CLIENT_FILE = "client.pem"


def request_json(daemon: Daemon, path: str, method: str = "GET") -> Any:
    """The JSON reply of a daemon's web server, or None for an empty body.

    Raises
    ------
    urllib.error.HTTPError
        For any status from 400 on.
    OSError, ValueError
        When nothing answers in time, or not in JSON, or there is no ticket for it.
    """
    # A certificate is for a name, not for an address.
    base = daemon.url if daemon.ca_file else f"http://{HOST}:{daemon.ports['http']}"
    request = urllib.request.Request(f"{base}{path}", method=method, headers={"Accept": "application/json"})
    opener = _opener(daemon.ca_file)
    try:
        return _answer(opener, request)
    except urllib.error.HTTPError as error:
        if error.code != 401 or "Negotiate" not in error.headers.get("WWW-Authenticate", ""):
            raise
        error.close()
    request.add_header("Authorization", f"Negotiate {spnego.token(SERVICE)}")
    return _answer(opener, request)


@lru_cache
def _opener(ca_file: str) -> urllib.request.OpenerDirector:
    # A proxy of the environment (http_proxy) can't reach this host's loopback address.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca_file:
        context = ssl.create_default_context(cafile=ca_file)
        own = Path(ca_file).with_name(CLIENT_FILE)
        if own.is_file():
            context.load_cert_chain(own)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Any:
    with opener.open(request, timeout=TIMEOUT_S) as reply:
        body = reply.read()
    return json.loads(body) if body else None
