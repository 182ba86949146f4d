"""HTTP to the cluster's own servers: JSON in, JSON out, never through a proxy; with a ticket where one is asked for."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from devcluster_lib import spnego

#: `localhost` may resolve to ::1 first; the servers listen on IPv4 only.
HOST = "127.0.0.1"
TIMEOUT_S = 5.0
#: The service whose ticket every web server of a secure cluster takes.
SERVICE = "HTTP@localhost"
# A proxy of the environment (http_proxy) can't reach this host's loopback address.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request_json(port: int, path: str, method: str = "GET") -> Any:
    """The JSON reply of ``http://127.0.0.1:<port><path>``, or None for an empty body.

    Raises
    ------
    urllib.error.HTTPError
        For any status from 400 on.
    OSError, ValueError
        When nothing answers in time, or not in JSON, or there is no ticket for it.
    """
    request = urllib.request.Request(
        f"http://{HOST}:{port}{path}", method=method, headers={"Accept": "application/json"}
    )
    try:
        return _answer(request)
    except urllib.error.HTTPError as error:
        if error.code != 401 or "Negotiate" not in error.headers.get("WWW-Authenticate", ""):
            raise
        error.close()
    request.add_header("Authorization", f"Negotiate {spnego.token(SERVICE)}")
    return _answer(request)


def _answer(request: urllib.request.Request) -> Any:
    with _OPENER.open(request, timeout=TIMEOUT_S) as reply:
        body = reply.read()
    return json.loads(body) if body else None
