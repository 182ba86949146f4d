"""What comes back over HTTP: the reply, the server's own error as data, and what an exception of the network means."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, UsageError

if TYPE_CHECKING:
    from logging import LogRecord

    from batch_submit.adapters.tls import Tls

#: How an alert begins in the text of an error: what a TLS server says to plain HTTP (RFC 8446 section 5.1).
_TLS_ALERT = "\\x15\\x03"
#: As an object of Python a value takes some hundred bytes, and so up to fifty times what it does in an answer. A
#: listing of fifty thousand applications has three million.
MAX_JSON_VALUES = 10_000_000
#: In less than this there can't be so many that it matters.
_SURE_BYTES = 16 << 20
_NOT_COMPRESSED = "look at the gateway or proxy in front of this server: we ask for answers as they are (identity)"
_SECRET = re.compile(r"(?i)\b(delegation|token|hadoop\.auth|signature)=[^&\s'\",;)]*")


class CannotConnect(ClusterUnreachable):
    """No connection came about, so nothing was sent: even a write may be tried elsewhere."""


class TooLittle(TimeoutError):
    """Bytes of an answer came, and too few of them: the text says how few."""


class TlsFailed(CannotConnect):
    """The server was reached, and there was no TLS with it: trying again helps as little as another address."""


class NotJson(ClusterUnreachable):
    """The answer is not the JSON that was asked for: another server, a login page, or a service that is not ready."""


class RemoteFailure(Exception):
    """A server's own error, kept as data; the ``__cause__`` of the error that this tool raises for it.

    Source: ``GenericExceptionHandler`` (YARN) and ``ExceptionHandler`` (WebHDFS), body ``{"RemoteException": {…}}``.

    Parameters
    ----------
    status
        The HTTP status.
    exception
        The simple class name, e.g. ``NotFoundException``; empty when the body had none.
    message
        The server's words, or the start of a body that was not a RemoteException.
    java_class
        The full class name; empty when absent.
    """

    def __init__(self, status: int, exception: str, message: str, java_class: str = "") -> None:
        super().__init__(f"{exception or status}: {message}")
        self.status = status
        self.exception = exception
        self.message = message
        self.java_class = java_class


class Headers(Mapping[str, str]):
    """Header fields under names without case; repeated fields are joined with a comma (RFC 9110 section 5.3)."""

    def __init__(self, pairs: Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        self._fields: dict[str, str] = {}
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs or ():
            key = name.lower()
            self._fields[key] = f"{self._fields[key]}, {value}" if key in self._fields else value

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class HttpResponse:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str] = field(default_factory=Headers)
    body: bytes = b""
    url: str = ""

    @property
    def says_json(self) -> bool:
        """Whether the content type claims JSON. Servers lie about it: see :meth:`json`."""
        return "json" in self.headers.get("content-type", "").lower()

    def json(self) -> Any:
        """The parsed body.

        Raises
        ------
        NotJson
            The content type does not say JSON, or the body does not parse, or it is compressed. A ResourceManager
            sends plain text with status 200 when none is active, and plain text under a JSON content type when it
            refuses a kill.
        """
        refuse_compressed(self.headers, self.url)
        if not self.says_json:
            kind = self.headers.get("content-type") or "no content type"
            raise NotJson(f"the answer is not JSON but {kind}", where=masked(self.url), details=self.words())
        try:
            return parsed(self.body)
        except ValueError as error:
            raise NotJson("the answer claims to be JSON and does not parse", where=masked(self.url)) from error

    def words(self, limit: int = 400) -> tuple[str, ...]:
        """The start of the body as at most one line of plain text, for people: markup removed, secrets masked."""
        if compressed_by(self.headers):
            return ()
        text = self.body[: limit * 20].decode("utf-8", "replace")
        if "<html" in text.lower():
            text = re.sub(r"(?is)<(style|script|head)\b.*?</\1>|<[^>]*>", " ", text)
        text = masked(" ".join(text.split()))
        return (text[:limit],) if text else ()

    def failure(self) -> RemoteFailure:
        """The server's error as data, whatever shape the body has."""
        try:
            remote = parsed(self.body)["RemoteException"]
            name, message = remote.get("exception"), remote.get("message")
            java = remote.get("javaClassName")
        except (ValueError, KeyError, TypeError, AttributeError):
            return RemoteFailure(self.status, "", " ".join(self.words()))
        return RemoteFailure(self.status, str(name or ""), masked(str(message or "")), str(java or ""))


def compressed_by(headers: Mapping[str, str]) -> str:
    """How a body is compressed; "" for not at all, as each request of ours asks for. Nothing here unpacks one: a few
    kilobytes could become any number of them.
    """
    coding = headers.get("content-encoding", "").strip().lower()[:40]
    return "" if coding == "identity" else coding


def refuse_compressed(headers: Mapping[str, str], url: str) -> None:
    """An answer that was compressed, though none of ours asks for that.

    Raises
    ------
    NotJson
        It is.
    """
    if coding := compressed_by(headers):
        message = f"the answer is compressed ({coding}), which was not asked for"
        raise NotJson(message, where=masked(url), next_step=_NOT_COMPRESSED)


def parsed(body: bytes) -> Any:
    """A body as JSON.

    Raises
    ------
    ValueError
        It is none, nested deeper than Python's stack, has a number of thousands of digits, or so many values that
        they would not fit into memory.
    """
    if len(body) > _SURE_BYTES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_JSON_VALUES:
        raise ValueError(f"it holds more than {MAX_JSON_VALUES} values")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def split_url(url: str) -> SplitResult:
    """Take a URL apart.

    Raises
    ------
    UsageError
        Not http(s), no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        if re.search(r"[^\x21-\x7e]", url):
            usable = False
    except ValueError as error:
        raise UsageError(f"this is not a usable http(s) URL: {error}", where=masked(url)) from error
    if not usable:
        raise UsageError("this is not a usable http(s) URL", where=masked(url), next_step="write http://host:port")
    return parts


def refuse_downgrade(asked: str, location: str) -> None:
    """A server on https must not send us to plain HTTP: the address may hold a token, the data are the user's.

    Raises
    ------
    ClusterUnreachable
        It does.
    """
    if asked.startswith("https:") and location.startswith("http:"):
        raise ClusterUnreachable(
            "a server on https sends us on to plain HTTP",
            where=_server(location),
            next_step="dfs.http.policy has to be HTTPS_ONLY on the DataNodes too",
        )


def request_target(parts: SplitResult, user: str | None) -> str:
    """Path and query of a request; in simple authentication with the user in whose name it is made."""
    query = parts.query
    if user and not re.search(r"(^|&)user\.name=", query):
        query = f"{query}&" if query else ""
        query += f"user.name={quote(user, safe='')}"
    return (parts.path or "/") + (f"?{query}" if query else "")


def masked(text: str) -> str:
    """The text without the values of delegation tokens and signed cookies."""
    return _SECRET.sub(r"\1=***", text)


def scrubbed(error: Exception) -> Exception:
    """The same exception with secrets masked in its texts, and in those of the exceptions behind it."""
    for one in _with_causes(error):
        if masked(str(one)) != str(one):
            one.args = (masked(str(one)),)
    return error


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and the ones behind it, so many as anybody looks at."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is not None:
            yield seen
            seen = seen.__cause__ or seen.__context__


def cannot_connect(error: Exception, url: str, timeout_s: float, trusted: str = "") -> BatchSubmitError:
    """Map what went wrong before anything was sent; ``trusted`` are the CAs in words."""
    where = _server(url)
    text = masked(str(error))
    if _is_tls(error):
        return _tls_failed(TlsFailed, where, text, trusted)
    if isinstance(error, (socket.gaierror, UnicodeError)) or "NameResolution" in text:
        return CannotConnect("this host name can't be resolved", where=where, details=(text,))
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return CannotConnect(f"no connection within {timeout_s:g} s", where=where, details=(text,))
    return CannotConnect("no connection", where=where, details=(text,))


def _is_tls(error: Exception) -> bool:
    return any("SSLError" in kind.__name__ for kind in type(error).__mro__)  # by name: ssl may not be loaded


def _tls_failed(kind: type[ClusterUnreachable], where: str, text: str, trusted: str = "") -> BatchSubmitError:
    from batch_submit.adapters.tls_errors import explain

    what, step = explain(text, trusted)
    return kind(what, where=where, details=(text,), next_step=step)


def lost_answer(error: Exception, url: str, timeout_s: float) -> BatchSubmitError:
    """Map what went wrong after the request went out."""
    text = masked(str(error)) or type(error).__name__
    if _is_tls(error):  # TLS 1.3: that a client certificate is missing is told after the handshake
        return _tls_failed(ClusterUnreachable, masked(url), text)
    if _TLS_ALERT in text or _TLS_ALERT in repr(error):
        step = "write https:// in its address, or look at yarn.http.policy and dfs.http.policy"
        return ClusterUnreachable("the server speaks TLS on this port", where=_server(url), next_step=step)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__ or "timed out" in text:
        return ClusterUnreachable(f"no answer within {timeout_s:g} s", where=masked(url), details=(text,))
    # A server that wants a client certificate may hang up so fast that its word on that is lost.
    hung_up = url.startswith("https:") and isinstance(error, (ConnectionResetError, BrokenPipeError))
    step = "try again; the server may want a client certificate: security_config.client_certificate" if hung_up else ""
    message = "the connection broke before the answer ended"
    return ClusterUnreachable(message, where=masked(url), details=(text,), next_step=step)


def broke_off(error: Exception, url: str, received: int, timeout_s: float) -> BatchSubmitError:
    """Map what went wrong in the middle of a body that is read in pieces."""
    text = masked(str(error)) or type(error).__name__
    message = f"the answer broke off after {received} bytes"
    if few := next((str(one) for one in _with_causes(error) if isinstance(one, TooLittle)), ""):
        message += f": {few}"
    elif isinstance(error, TimeoutError) or "timed out" in text:
        message += f": nothing for {timeout_s:g} s"
    return ClusterUnreachable(message, where=masked(url), details=(text[:400],), next_step="try again")


@contextmanager
def errors_of_requests(url: str, timeout_s: float, tls: Tls | None = None) -> Iterator[None]:
    """What ``requests`` raises within the block, as an error of ours."""
    import requests
    import urllib3

    try:
        yield
    except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError) as error:
        raise cannot_connect(scrubbed(error), url, timeout_s, tls.trusted if tls else "the system's CAs") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        before = "NewConnectionError" in repr(error) or "NameResolution" in repr(error)
        raise (cannot_connect if before else lost_answer)(scrubbed(error), url, timeout_s) from error


def mask_connection_log() -> None:
    """With a debugging root logger urllib3 writes whole URLs: a DataNode's holds a ``delegation=`` token."""
    import logging

    logger = logging.getLogger("urllib3.connectionpool")
    if _without_secrets not in logger.filters:
        logger.addFilter(_without_secrets)


def _without_secrets(record: LogRecord) -> bool:
    record.msg, record.args = masked(record.getMessage()), ()
    return True


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
