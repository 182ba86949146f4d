"""The PyPI library ``hdfs``, loaded late and kept behind our errors.

Its known defects are handled here and by the caller: a reply that is HTML raises ``KeyError`` or ``TypeError`` in it, a
timeout is off by default, its session would take proxies and CA bundles from the environment, and with a debugging root
logger urllib3 writes a DataNode's URL with its ``delegation=`` token into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from batch_submit.adapters.http_reply import CannotConnect, RemoteFailure, mask_connection_log, masked, scrubbed
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.webhdfs_errors import NOT_HERE, error_for, unreachable
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady

_AUTHENTICATION_FAILURE = "Authentication failure"  # the library's text for 401, where it drops the answer


class HdfsLibrary:
    """One client of the library, made at the first call.

    Parameters
    ----------
    urls
        NameNodes' web addresses.
    user
        Sent as ``user.name`` with simple authentication.
    kerberos, ca_bundle
        How to authenticate, and the PEM file for https.
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
        ca_bundle: str | None,
        timeouts_s: tuple[float, float],
        shared: HttpSession | None = None,
    ) -> None:
        self._urls = tuple(urls)
        self._user = user
        self._kerberos = kerberos
        self._ca_bundle = ca_bundle
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
            raise _connection_error(error, purpose, path) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # The library took the answer for JSON of another shape: an HTML page, or a reply without its field.
            message = f"the answer to {purpose} is not one of WebHDFS"
            raise ClusterUnreachable(message, where=path, details=(masked(repr(error))[:300],)) from error

    def _made(self) -> Any:
        if self._client is not None:
            return self._client
        try:
            import hdfs
            import requests
        except ImportError as error:
            message = "the Python package hdfs can't be loaded"
            step = "pip install hdfs"
            raise HostNotReady(message, next_step=step, details=(str(error),)) from error
        from batch_submit.adapters.http import tls_context

        if self._ca_bundle:
            tls_context(self._ca_bundle)  # an unreadable file is told here, in our words
        mask_connection_log()
        url = ";".join(self._urls)
        if self._kerberos:
            from batch_submit.adapters.negotiate import KerberosSession

            assert isinstance(self._shared, KerberosSession)
            http = self._shared.for_library()
            self._client = hdfs.Client(url, session=http, timeout=self._timeouts_s)
        else:
            http = requests.Session()
            http.trust_env = False  # no proxy, no REQUESTS_CA_BUNDLE over our own
            http.verify = self._ca_bundle or True
            common = {"session": http, "timeout": self._timeouts_s}
            self._client = hdfs.InsecureClient(url, user=self._user or "anonymous", **common)
        self._http = http
        return self._client

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
