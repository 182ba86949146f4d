"""The PyPI library ``hdfs``, loaded late and kept behind our errors.

Its known defects are handled here and by the caller: a reply that is HTML raises ``KeyError`` or ``TypeError`` in it, a
timeout is off by default, its session would take proxies and CA bundles from the environment, and with a debugging root
logger urllib3 writes a DataNode's URL with its ``delegation=`` token into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batch_submit.adapters.http_reply import (
    CannotConnect,
    RemoteFailure,
    cannot_connect,
    mask_connection_log,
    masked,
    scrubbed,
)
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.webhdfs_errors import NOT_HERE, error_for, unreachable
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady

if TYPE_CHECKING:
    from batch_submit.adapters.tls import Tls

_CHUNK_BYTES = 1 << 18
_AUTHENTICATION_FAILURE = "Authentication failure"  # the library's text for 401, where it drops the answer


class Sent:
    """Counts what the library really took."""

    def __init__(self) -> None:
        self.count = 0

    def chunks(self, source: Any, total: int, progress: Callable[[int, int], None] | None) -> Iterator[bytes]:
        """The content of a file, piece by piece."""
        while chunk := source.read(_CHUNK_BYTES):
            self.count += len(chunk)
            if progress:
                progress(self.count, total)
            yield chunk


class HdfsLibrary:
    """One client of the library, made at the first call.

    Parameters
    ----------
    urls
        NameNodes' web addresses.
    user
        Sent as ``user.name`` with simple authentication.
    kerberos, tls
        How to authenticate, and how to speak https; ``None``: trusting the system's CAs.
    timeouts_s
        Seconds to connect, and seconds without a byte.
    shared
        With Kerberos: the session of the light calls, through which the library's go too. A server that knows us is not
        asked to check another ticket.
    """

    def __init__(
        self,
        urls: Sequence[str],
        user: str,
        *,
        kerberos: bool,
        tls: Tls | None,
        timeouts_s: tuple[float, float],
        shared: HttpSession | None = None,
    ) -> None:
        self._urls = tuple(urls)
        self._user = user
        self._kerberos = kerberos
        self._tls = tls
        self._timeouts_s = timeouts_s
        self._shared = shared
        self._client: Any = None
        self._http: Any = None

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
        self._client = self._http = None

    def write(self, path: str, chunks: Iterator[bytes], *, overwrite: bool) -> None:
        """Send a new file's content. The caller checks the length: success can mean an empty file (mtth/hdfs#183)."""
        self.call("write", path, lambda client: client.write(path, chunks, overwrite=overwrite))

    def call(self, purpose: str, path: str, action: Callable[[Any], Any]) -> Any:
        """Run ``action`` with the library's client and map whatever it raises.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`batch_submit.adapters.webhdfs_errors.error_for` reads the server's answer.
        """
        client = self._made()
        import requests
        import urllib3
        from hdfs import HdfsError

        try:
            return action(client)
        except HdfsError as error:
            raise self._mapped(error, path) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if isinstance(error, requests.exceptions.SSLError):
                trusted = self._tls.trusted if self._tls else ""
                raise cannot_connect(scrubbed(error), self._urls[0], self._timeouts_s[0], trusted) from error
            raise _connection_error(error, purpose, path) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            # The library took the answer for JSON of another shape: an HTML page, or a reply without its field.
            message = f"the answer to {purpose} is not one of WebHDFS"
            raise ClusterUnreachable(message, where=path, details=(masked(repr(error))[:300],)) from error

    def _made(self) -> Any:
        if self._client is not None:
            return self._client
        try:
            import hdfs
        except ImportError as error:
            message = "the Python package hdfs can't be loaded"
            step = "pip install hdfs"
            raise HostNotReady(message, next_step=step, details=(str(error),)) from error

        mask_connection_log()
        url = ";".join(self._urls)
        if self._kerberos:
            from batch_submit.adapters.negotiate import KerberosSession

            assert isinstance(self._shared, KerberosSession)
            http = self._shared.for_library(https_only=self._https_only)
            self._client = hdfs.Client(url, session=http, timeout=self._timeouts_s)
        else:
            http = self._session()
            common = {"session": http, "timeout": self._timeouts_s}
            self._client = hdfs.InsecureClient(url, user=self._user or "anonymous", **common)
        self._http = http
        return self._client

    @property
    def _https_only(self) -> bool:
        return all(url.startswith("https:") for url in self._urls)

    def _session(self) -> Any:
        """Within our limits, and speaking TLS as told."""
        from batch_submit.adapters.limited_requests import limited_session

        http = limited_session(self._tls_context)
        if self._https_only:
            from batch_submit.adapters.tls import no_plain_http

            http.mount("http://", no_plain_http())
        return http

    def _tls_context(self) -> Any:
        from batch_submit.adapters.http import system_tls

        return (self._tls or system_tls()).context_for_requests()

    def _mapped(self, error: Any, path: str) -> BatchSubmitError:
        message = error.message.decode("utf-8", "replace") if isinstance(error.message, bytes) else error.message
        words = masked(str(message or ""))
        name = str(error.exception or "")
        if _AUTHENTICATION_FAILURE in words and not name:
            return error_for(RemoteFailure(401, "", ""), path, self._user)
        if name in NOT_HERE:
            return unreachable(path, (words,), RemoteFailure(403, name, words))
        return error_for(RemoteFailure(403 if name else 0, name, words[:400]), path, self._user)


def _connection_error(error: Exception, purpose: str, path: str) -> BatchSubmitError:
    text = masked(str(scrubbed(error)))
    refused = (
        "NewConnectionError" in repr(error) or "ConnectTimeout" in type(error).__name__ or "NameResolution" in text
    )
    made = CannotConnect if refused else ClusterUnreachable
    step = "check the NameNode's address and that its DataNodes' host names are reachable from here"
    return made(f"the connection for {purpose} failed", where=path, details=(text[:400],), next_step=step)
