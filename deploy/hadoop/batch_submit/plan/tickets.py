"""What a Kerberos ticket is good for, and what it means when one is missing or not taken.

The texts that are told apart are those of MIT krb5, as ``klist``, ``kinit`` and GSSAPI give them (seen with 1.20.1;
source: ``krb5_err.et``).
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady
from batch_submit.plan.units import format_duration

_NO_ANSWER = ("Cannot contact any KDC", "Cannot resolve network address for KDC")
_NO_KDC = re.compile(r'Cannot find KDC for realm "?([^"\s]+)"?')
_UNKNOWN_SERVER = re.compile(r"Server (\S+) not found in Kerberos database")
_NO_CACHE = re.compile(r"No Kerberos credentials available|No credentials cache found|No credentials were supplied")
#: The servlet filter's answer to a token that it can't take (seen on Hadoop 3.5.0: 403 and an HTML page).
_NOT_TAKEN = re.compile(r"GSSException|BufferUnderflowException|newLimit > capacity|Defective token|KrbException")
_CLOCKS = "Clock skew too great"


class TicketState(Enum):
    """Whether a cache is of use."""

    VALID = "valid"
    EXPIRED = "expired"
    NONE = "none"
    #: ``klist`` is missing, or said what we do not understand.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TicketCache:
    """A ticket cache as ``klist`` shows it.

    Parameters
    ----------
    name
        Such as ``FILE:/tmp/krb5cc_0``; "" where it is not known.
    principal
        Whose; "" for none.
    expires_s, renew_until_s
        Of the ticket for its own realm, seconds since the epoch; ``None`` where it has none.
    problem
        Why it can't be used, in klist's words.
    """

    state: TicketState
    name: str = ""
    principal: str = ""
    expires_s: float | None = None
    renew_until_s: float | None = None
    problem: str = ""

    @property
    def realm(self) -> str:
        """The principal's realm."""
        return self.principal.rpartition("@")[2]


@dataclass(frozen=True)
class Refused:
    """A server's 401, and what led to it.

    Parameters
    ----------
    server
        ``scheme://host:port``.
    offered
        Its ``WWW-Authenticate``.
    failure
        Why GSSAPI gave no token; "" when one was sent and not taken.
    words
        Of its answer.
    """

    server: str
    offered: str
    failure: str = ""
    words: Sequence[str] = ()


def login_command(principal: str = "", keytab: str = "") -> str:
    """What to type for a ticket."""
    words = ["kinit", *(["-kt", keytab] if keytab else []), *([principal] if principal else [])]
    return shlex.join(words)


def clock_text(moment_s: float, now_s: float) -> str:
    """A moment in the local zone: ``12:03``, with the day where it is not today."""
    there, today = time.localtime(moment_s), time.localtime(now_s)
    return time.strftime("%H:%M" if there[:3] == today[:3] else "%Y-%m-%d %H:%M", there)


def ticket_text(cache: TicketCache, now_s: float) -> str:
    """``no valid ticket for alice@R in FILE:/tmp/krb5cc_0 (expired 12:03)``; for a valid one what it is."""
    whose = f" for {cache.principal}" if cache.principal else ""
    place = f" in {cache.name}" if cache.name else ""
    if cache.state is TicketState.VALID:
        until = f" (until {clock_text(cache.expires_s, now_s)})" if cache.expires_s is not None else ""
        return f"a valid ticket{whose}{place}{until}"
    if cache.state is TicketState.EXPIRED and cache.expires_s is not None:
        return f"no valid ticket{whose}{place} (expired {clock_text(cache.expires_s, now_s)})"
    return f"no valid ticket{whose}{place}" + (f" ({cache.problem})" if cache.problem else "")


def why_refused(refused: Refused, cache: TicketCache, now_s: float, keytab: str = "") -> BatchSubmitError:
    """What a 401 means for the caller.

    Parameters
    ----------
    keytab
        By which the ticket was got; "" when the cache is the user's own.
    """
    server, failure = refused.server, refused.failure
    if "negotiate" not in refused.offered.lower():
        what = refused.offered.split(",")[0].split(" ")[0] or "something"
        return HostNotReady(
            f"this server wants authentication (401) by {what} and not by Kerberos",
            where=server,
            details=refused.words,
            next_step="check that the address is the server's own and not a gateway's",
        )
    if any(mark in failure for mark in _NO_ANSWER):
        return kdc_away(failure, cache.realm)
    again = login_command(cache.principal, keytab)
    if cache.state in (TicketState.EXPIRED, TicketState.NONE) or _NO_CACHE.search(failure):
        text = ticket_text(cache, now_s) if cache.state is not TicketState.UNKNOWN else "no valid Kerberos ticket"
        return HostNotReady(f"{text}: the server wants authentication (401)", where=server, next_step=again)
    if failure:
        return _no_token(refused, cache, now_s, again)
    return HostNotReady(
        f"the server does not take our ticket (401), with {ticket_text(cache, now_s)}",
        where=server,
        details=refused.words,
        next_step=f"kdestroy && {again}; if it stays so: this host's clock, and the server's keytab"
        if not keytab
        else "check this host's clock, and the server's keytab",
    )


def _no_token(refused: Refused, cache: TicketCache, now_s: float, again: str) -> HostNotReady:
    """Why GSSAPI made none, though there is a ticket; ``again`` is how to log in."""
    unknown = _UNKNOWN_SERVER.search(refused.failure)
    if _NO_KDC.search(refused.failure) or (unknown and unknown.group(1).startswith("krbtgt/")):
        return _other_realm(refused, cache)
    what, step = f"Kerberos gives no token for this server, with {ticket_text(cache, now_s)}", again
    if _CLOCKS in refused.failure:
        what = "this host's clock and the KDC's are too far apart for Kerberos"
        step = "set the clock, and keep it by NTP: timedatectl set-ntp true"
    elif unknown:
        what = f"the KDC knows no {unknown.group(1)}: under this host name the server has no Kerberos principal"
        step = "name it in the configuration as its principal does (klist -k of its keytab: HTTP/<host>)"
    return HostNotReady(what, where=refused.server, details=(refused.failure,), next_step=step)


def _other_realm(refused: Refused, cache: TicketCache) -> HostNotReady:
    return HostNotReady(
        f"the ticket in {cache.name or 'the cache'} is of the realm {cache.realm or '?'}, and the server is of another"
        " one that does not trust it",
        where=refused.server,
        details=(refused.failure,),
        next_step="kinit <principal of the server's realm>, or map its host in [domain_realm] of krb5.conf",
    )


def is_not_taken(words: Sequence[str]) -> bool:
    """Whether a 403 is the servlet filter's own: it could not read or check the token."""
    return any(_NOT_TAKEN.search(line) for line in words)


def token_not_taken(server: str, words: Sequence[str], cache: TicketCache, now_s: float) -> HostNotReady:
    """What such a 403 means."""
    return HostNotReady(
        f"the server can't check our Kerberos token (403), made with {ticket_text(cache, now_s)}",
        where=server,
        details=words,
        next_step="klist -e; then this host's clock, the host name in the address, and the server's keytab",
    )


def not_proven(server: str, cache: TicketCache, now_s: float, keytab: str = "") -> HostNotReady:
    """The server took our ticket, and its proof that it is the server was not accepted here.

    Seen with a ticket that has just run out: servers bear 5 minutes (``clockskew``), this host's library none.
    """
    if cache.state is not TicketState.VALID:
        step = login_command(cache.principal, keytab)
        return HostNotReady(f"{ticket_text(cache, now_s)}: the server wants another", where=server, next_step=step)
    return HostNotReady(
        "the server took our ticket and could not prove that it is the server itself",
        where=server,
        next_step="check that the address is the server's own; try again",
    )


def kdc_away(words: str, realm: str = "") -> ClusterUnreachable:
    """The KDC gives no answer: like a cluster that is away."""
    return ClusterUnreachable(
        f"no answer of the Kerberos server (KDC){f' of {realm}' if realm else ''}",
        details=(words,) if words else (),
        next_step="try again; if it stays so: kdc in krb5.conf ($KRB5_CONFIG), and the way to its port (88)",
    )


def why_no_login(words: str, principal: str, keytab: str) -> BatchSubmitError:
    """What kinit's words about a keytab mean."""
    if any(mark in words for mark in _NO_ANSWER):
        return kdc_away(words, principal.rpartition("@")[2])
    if _NO_KDC.search(words):
        step = "name the realm's KDC in krb5.conf ($KRB5_CONFIG), or correct security_config.principal"
    elif "not found in Kerberos database" in words:
        step = "correct security_config.principal, or have it made in the KDC"
    elif "Preauthentication failed" in words or "Password incorrect" in words:
        step = "its key has changed since the keytab was made: have the keytab made anew"
    elif _CLOCKS in words:
        step = "set this host's clock, and keep it by NTP: timedatectl set-ntp true"
    else:
        step = f"try it by hand: {login_command(principal, keytab)}"
    return HostNotReady(f"the login as {principal} failed", where=keytab, details=(words,), next_step=step)


def somebody_elses(cache: TicketCache, wanted: str) -> str:
    """A warning when the ticket that counts is not that of the configured principal; "" when it is, or none is known.

    Parameters
    ----------
    wanted
        ``security_config.principal``, given without a keytab; "" for none.
    """
    held = cache.principal
    if not wanted or not held or held == wanted or ("@" not in wanted and held.rpartition("@")[0] == wanted):
        return ""
    return (
        f"this run is {held}'s, by the ticket in {cache.name}: security_config.principal says {wanted}, and there is no"
        f" keytab; kinit {wanted}, or add the keytab"
    )


def too_short(cache: TicketCache, needed_s: float, reason: str, now_s: float) -> str:
    """The warning for a ticket that ends before what it is needed for; "" for none.

    Parameters
    ----------
    needed_s, reason
        How long we mean to ask the cluster, and what says so, such as ``--timeout``.
    """
    if cache.state is not TicketState.VALID or cache.expires_s is None or cache.expires_s - now_s >= needed_s:
        return ""
    left = format_duration(max(0, int(cache.expires_s - now_s)))
    text = f"the ticket of {cache.principal} ends in {left}, before {reason} ({format_duration(int(needed_s))})"
    if cache.renew_until_s is not None and cache.renew_until_s - now_s >= needed_s:
        return f"{text}; renew it until then (kinit -R), or this call can't see the run's end"
    longer = "kinit again before it ends, or log in by security_config.keytab"
    return f"{text}: the run goes on, but this call can't see its end; {longer}"
