"""HTTP with Kerberos: one authentication per server, each within a time limit, and a 401 that says what to do.

``requests_kerberos`` swallows what GSSAPI says and hands back the bare 401 (seen with 0.15.0): here the words are kept.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from batch_submit.adapters import tickets
from batch_submit.adapters.http import RequestsSession
from batch_submit.adapters.http_reply import Headers, HttpResponse, refuse_downgrade, split_url
from batch_submit.adapters.http_session import Clock
from batch_submit.errors import HostNotReady
from batch_submit.plan.tickets import (
    Refused,
    TicketCache,
    is_not_taken,
    kdc_away,
    not_proven,
    token_not_taken,
    why_refused,
)

if TYPE_CHECKING:
    import requests

    from batch_submit.adapters.keytab import PrivateTicket
    from batch_submit.adapters.tls import Tls

_WORDS_BYTES = 16_384
Answer = TypeVar("Answer")


class KerberosSession(RequestsSession):
    """A :class:`~batch_submit.adapters.http.RequestsSession` whose refusals are explained.

    Parameters
    ----------
    env
        For ``klist``, which tells of the cache.
    ticket
        A login by keytab; ``None`` takes the user's own ticket cache.
    acts_for
        A proxy user, named to the ResourceManager and the NameNode (``doas``); "" for ourselves.
    limit_s
        Seconds that the KDC may take for a server's ticket.

    Raises
    ------
    HostNotReady
        A package is missing; the keytab gives no ticket. Of each request: the server does not let us in; says why.
    ClusterUnreachable
        The KDC does not answer.
    """

    def __init__(
        self,
        tls: Tls | None = None,
        *,
        env: Mapping[str, str],
        ticket: PrivateTicket | None = None,
        acts_for: str = "",
        clock: Clock = time.monotonic,
        limit_s: float = tickets.KDC_LIMIT_S,
    ) -> None:
        made = auth_class(limit_s, self._kdc_took)
        self._env = env
        self._ticket = ticket
        self._acts_for = acts_for
        credential = None
        if ticket is not None:
            import spnego

            ticket.keep_fresh()
            credential = spnego.KerberosCCache(ccache=ticket.cache)
        super().__init__(tls, auth_factory=lambda: made(credential), clock=clock)

    def for_library(self, *, https_only: bool = False) -> requests.Session:
        """The same sessions behind one of ``requests``, so that a library does not authenticate a second time.

        ``https_only`` refuses to be sent on to plain HTTP.
        """
        import requests

        ours = self

        class ByServer(requests.Session):
            def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
                ours._keep_fresh()
                ours._limits = None  # each answer has the library's own time, which begins when all data are sent
                if https_only:
                    refuse_downgrade("https:", str(url))
                parts = split_url(str(url))
                session = ours._session(parts)
                with ours._proving(str(url)):
                    reply = session.request(method, ours._acting(str(url)), *args, **kwargs)
                ours._refuse_unknown(reply, session.auth)
                if reply.status_code == 403 and not kwargs.get("stream"):
                    ours._look_at(_whole(reply, reply.content))
                return reply

        return ByServer()

    def _ask(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        self._keep_fresh()
        with self._proving(url):
            reply = super()._ask(method, self._acting(url), *args, **kwargs)
        self._refuse_unknown(reply, self._session(split_url(url)).auth)
        return reply

    def _acting(self, url: str) -> str:
        """The same URL in the proxy user's name; a DataNode's has a token, which is that user's already."""
        parts = split_url(url)
        asked = parts.path.startswith(("/ws/v1/cluster", "/webhdfs/v1"))
        if not self._acts_for or not asked or "delegation=" in parts.query:
            return url
        query = f"{parts.query}&" if parts.query else ""
        return parts._replace(query=f"{query}doas={quote(self._acts_for, safe='')}").geturl()

    def _kdc_took(self, seconds: float) -> None:
        """The KDC's time is not the server's."""
        if self._limits is not None:
            self._limits[0].put_off(seconds)

    def _keep_fresh(self) -> None:
        if self._ticket is not None:
            self._ticket.keep_fresh()

    @contextmanager
    def _proving(self, url: str) -> Iterator[None]:
        """A server that took our ticket proves itself too, which can't be checked by a ticket that has just run out."""
        from requests_kerberos import MutualAuthenticationError

        try:
            yield
        except MutualAuthenticationError as error:
            now = time.time()
            keytab = self._ticket.login.keytab if self._ticket else ""
            raise not_proven(_server(url), self._cache(now), now, keytab) from error

    def _refuse_unknown(self, reply: requests.Response, auth: Any) -> None:
        if reply.status_code == 401:
            with reply:
                body = next(reply.iter_content(_WORDS_BYTES), b"")
            offered = reply.headers.get("WWW-Authenticate", "")
            words = _whole(reply, body).words()
            self._explain(Refused(_server(str(reply.url)), offered, str(getattr(auth, "failure", "")), words))

    def _look_at(self, reply: HttpResponse) -> None:
        """Refuse the filter's 403, which is about our token and not about what was asked."""
        if reply.status == 403 and not reply.says_json and is_not_taken(reply.words()):
            now = time.time()
            raise token_not_taken(_server(reply.url), reply.words(), self._cache(now), now)

    def _explain(self, refused: Refused) -> NoReturn:
        now = time.time()
        raise why_refused(refused, self._cache(now), now, self._ticket.login.keytab if self._ticket else "")

    def _cache(self, now_s: float) -> TicketCache:
        return tickets.look_at_cache(self._env, now_s, self._ticket.cache if self._ticket else "")


def auth_class(limit_s: float, took: Callable[[float], None] = lambda seconds: None) -> Callable[[Any], Any]:
    """What makes an auth object of ``requests_kerberos`` for one server, of a credential (``None``: the user's cache).

    Parameters
    ----------
    limit_s
        Seconds that the KDC may take.
    took
        Told how long it did.

    Raises
    ------
    HostNotReady
        The package, or the Kerberos library below it, is missing.
    """
    try:
        import spnego  # noqa: F401  what the credential is made of
        from requests_kerberos import OPTIONAL, HTTPKerberosAuth
        from requests_kerberos.exceptions import KerberosExchangeError
    except ImportError as error:
        raise HostNotReady(
            "this cluster uses Kerberos and the Python package requests-kerberos can't be loaded",
            next_step="pip install 'batch-submit[kerberos]'",
            details=(str(error),),
        ) from error

    class TimedAuth(HTTPKerberosAuth):  # type: ignore[misc,unused-ignore]
        """Asks the KDC within the limit, and keeps what GSSAPI says."""

        failure = ""

        def generate_request_header(self, response: Any, host: str, is_preemptive: bool = False) -> Any:
            self.failure = ""
            make = super().generate_request_header
            began = time.monotonic()
            try:
                return within(limit_s, lambda: make(response, host, is_preemptive))
            except TimeoutError as error:
                if response is not None:
                    response.close()
                raise kdc_away(f"no ticket for HTTP/{host} within {limit_s:g} s") from error
            except KerberosExchangeError as error:
                self.failure = gss_words(error)
                raise
            finally:
                took(time.monotonic() - began)

    # REQUIRED blanks the body of every error and fails with a kept cookie (seen with 0.15.0).
    return lambda credential: TimedAuth(mutual_authentication=OPTIONAL, principal=credential)


def within(limit_s: float, call: Callable[[], Answer]) -> Answer:
    """The answer of a call into a C library that knows no time limit; :class:`TimeoutError` leaves it behind."""
    done: queue.SimpleQueue[tuple[Answer | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=work, name="kerberos", daemon=True).start()
    try:
        answer, error = done.get(timeout=limit_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {limit_s:g} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]


def gss_words(error: BaseException) -> str:
    """The mechanism's own words in a GSSAPI error, which stand behind the general ones."""
    text = " ".join(str(error.__cause__ or error).split())
    minor = text.partition("Minor (")[2].partition(": ")[2]
    return (minor or text).partition(", Context:")[0].strip()


def _whole(reply: requests.Response, body: bytes) -> HttpResponse:
    return HttpResponse(reply.status_code, Headers(dict(reply.headers)), body, str(reply.url))


def _server(url: str) -> str:
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc}"
