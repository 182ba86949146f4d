"""MIT's Kerberos programs, each within a hard time limit: ``klist`` for what is there, ``kinit`` for a new ticket."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from batch_submit.adapters import bounded_programs
from batch_submit.adapters.bounded_programs import TookTooLong
from batch_submit.plan.tickets import TicketCache, TicketState

__all__ = ["TookTooLong", "find", "look_at_cache", "moment_s", "parse_cache", "principals_of", "run"]

#: A KDC that answers does so in milliseconds; MIT's own patience with one that does not is longer than a minute.
KDC_LIMIT_S = 15.0
#: klist asks nobody.
KLIST_LIMIT_S = 5.0
_TIME = re.compile(r"([0-9]{2}/[0-9]{2}/[0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2})")
_NAMED = re.compile(r"\((?:filename|ticket cache):? (\S+)\)")
_KEY = re.compile(r"\s*[0-9]+ (\S+)\s*")


def find(program: str, env: Mapping[str, str]) -> str | None:
    """A program's path."""
    return shutil.which(program, path=env.get("PATH", os.defpath))


def run(argv: Sequence[str], env: Mapping[str, str], limit_s: float) -> tuple[int, str, str]:
    """Exit status, stdout and stderr in the C locale: :func:`batch_submit.adapters.bounded_programs.run`."""
    status, out, err = bounded_programs.run(argv, {**env, "LC_ALL": "C"}, limit_s)
    return status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def look_at_cache(env: Mapping[str, str], now_s: float, cache: str = "") -> TicketCache:
    """What is in a ticket cache.

    Parameters
    ----------
    env
        ``KRB5CCNAME`` and ``KRB5_CONFIG`` count.
    now_s
        Seconds since the epoch.
    cache
        Its name; "" is the user's own.
    """
    program = find("klist", env)
    if program is None:
        return TicketCache(TicketState.UNKNOWN, cache, problem="there is no klist")
    try:
        status, out, err = run([program, *(["-c", cache] if cache else [])], env, KLIST_LIMIT_S)
    except (OSError, TookTooLong) as error:
        return TicketCache(TicketState.UNKNOWN, cache, problem=str(error))
    if status != 0:
        words = " ".join(err.split()).removeprefix("klist: ")
        named = _NAMED.search(words)
        problem = "there is none" if "No credentials cache found" in words else words
        return TicketCache(TicketState.NONE, named.group(1) if named else cache, problem=problem)
    return parse_cache(out, now_s)


def parse_cache(text: str, now_s: float) -> TicketCache:
    """The output of ``klist`` in the C locale; times are of the local zone. What can't be read is no known state."""
    named = dict(re.findall(r"^(Ticket cache|Default principal): (\S+)$", text, re.MULTILINE))
    name, principal = named.get("Ticket cache", ""), named.get("Default principal", "")
    if not principal:
        return TicketCache(TicketState.UNKNOWN, name, problem="klist's output was not understood")
    realm = principal.rpartition("@")[2]
    expires_s = renew_s = None
    ours = False
    for line in text.splitlines():
        times = _TIME.findall(line)
        try:
            if len(times) >= 2:
                ours = f"krbtgt/{realm}@{realm}" in line
                expires_s = moment_s(times[1]) if ours else expires_s
            elif ours and times and "renew until" in line:
                renew_s = moment_s(times[0])
                ours = False
        except (ValueError, OverflowError):
            return TicketCache(TicketState.UNKNOWN, name, principal, problem="klist's output was not understood")
    if expires_s is None:
        return TicketCache(TicketState.NONE, name, principal, problem=f"it holds no ticket of {realm}")
    state = TicketState.VALID if expires_s > now_s else TicketState.EXPIRED
    return TicketCache(state, name, principal, expires_s, renew_s)


def moment_s(text: str) -> float:
    """klist's time in the C locale, local zone, as seconds since the epoch; :class:`ValueError` for no such day."""
    pattern = "%m/%d/%Y %H:%M:%S" if len(text.split()[0]) == 10 else "%m/%d/%y %H:%M:%S"
    return time.mktime(datetime.strptime(text, pattern).timetuple())


def principals_of(out: str) -> tuple[str, ...]:
    """Whom a keytab holds keys of, by the output of ``klist -k``."""
    found = (_KEY.fullmatch(line) for line in out.splitlines())
    return tuple(dict.fromkeys(match.group(1) for match in found if match))
