"""What an error status of a ResourceManager means, as an error of ours with the server's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from batch_submit.adapters.http_reply import HttpResponse, RemoteFailure, masked
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, HostNotReady, NotFound

TICKET_HINT = "klist -s || kinit   (the server wants a Kerberos ticket that is valid for this host name)"


class NotActive(ClusterUnreachable):
    """A standby: it has carried nothing out."""


def raise_for(reply: HttpResponse) -> NoReturn:
    """Map an error status. The server's own error is the ``__cause__``, as data.

    A 404 is :class:`NotFound` only when the server's JSON says so: a mistyped path, another server and an
    ``IOException`` inside a ResourceManager are 404 too. What may pass (other 404, 5xx) is
    :class:`ClusterUnreachable`.
    """
    failure = reply.failure()
    where = masked(reply.url.partition("?")[0])
    words = (str(failure),) if failure.exception else reply.words()
    raise _error_for(reply, failure, where, words) from failure


def _error_for(reply: HttpResponse, failure: RemoteFailure, where: str, words: Sequence[str]) -> BatchSubmitError:
    status = reply.status
    if status == 404 and failure.exception == "NotFoundException":
        step = "batch-submit list --all-users --all-apps   (what the ResourceManager knows)"
        return NotFound(failure.message or "the ResourceManager does not know it", where=where, next_step=step)
    if status == 401 and (not failure.exception or "www-authenticate" in reply.headers):
        return HostNotReady("the ResourceManager wants authentication (401)", where=where, next_step=TICKET_HINT)
    if status in (401, 403):
        text = " ".join(words)
        if "GSSException" in text or "AuthenticationException" in text:
            step = "check the ticket (klist), the host name in the URL, and this host's clock"
        elif "not allowed to impersonate" in text:
            step = (
                "an administrator allows it: hadoop.proxyuser.<you>.hosts and .users, on ResourceManager and NameNode"
            )
        elif "static user" in text:
            step = "set HADOOP_USER_NAME: the server takes this call for an anonymous one"
        else:
            step = "ask the owner of the application, or an administrator of its queue"
        return ClusterRefused(f"the ResourceManager refuses ({status})", where=where, details=words, next_step=step)
    # A refusal from inside the scheduler (an expiry in the past, an ACL) arrives wrapped, as 503.
    wrapped = failure.exception in ("UndeclaredThrowableException", "YarnException")
    if wrapped or (400 <= status < 500 and status != 404):
        return ClusterRefused(f"the ResourceManager refuses the request ({status})", where=where, details=words)
    return ClusterUnreachable(
        f"the answer is an error ({status}) and not from a working ResourceManager's REST service",
        where=where,
        details=words,
        next_step="try again; if it stays so, check the address",
    )
