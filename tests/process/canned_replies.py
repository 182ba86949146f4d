"""Requests as they arrive at a canned server, and replies in the shapes of Hadoop 3.5.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def user(self) -> str:
        """The caller by simple authentication; ``dr.who`` without ``user.name``, as on a real server."""
        return self.query.get("user.name") or "dr.who"


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(value).encode(), "application/json;charset=utf-8", headers or {})


def html_reply(status: int, text: str) -> Reply:
    page = (
        f"<html>\n<head><title>Error {status}</title></head>\n<body><h2>HTTP ERROR {status} {text}</h2></body></html>"
    )
    return Reply(status, page.encode(), "text/html;charset=iso-8859-1")


def mistyped_path(asked: Asked) -> Reply:
    """JSON of the web server, and no RemoteException in it (HTML on older servers: :attr:`Mode.HTML_404`)."""
    body = {"servlet": "ServletContainer-4ed38226", "message": "Not Found", "url": asked.path, "status": "404"}
    return json_reply(404, body)


def remote_exception(status: int, exception: str, message: str) -> Reply:
    java = f"org.apache.hadoop.yarn.webapp.{exception}"
    body = {"RemoteException": {"exception": exception, "message": message, "javaClassName": java}}
    return json_reply(status, body)
