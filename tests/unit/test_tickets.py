"""What a ticket is good for, and what a refusal means: the words are MIT krb5's, as real servers and KDCs gave them."""

from __future__ import annotations

import time

import pytest

from batch_submit.adapters.tickets import moment_s, parse_cache, principals_of
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady
from batch_submit.plan.tickets import (
    Refused,
    TicketCache,
    TicketState,
    clock_text,
    is_not_taken,
    login_command,
    not_proven,
    too_short,
    why_no_login,
    why_refused,
)

NOW = moment_s("11/22/2026 13:00:00")
URL = "http://rm.example.com:8088"
VALID = TicketCache(TicketState.VALID, "FILE:/tmp/krb5cc_7", "alice@R", NOW + 7200, NOW + 86_400)
KLIST = """Ticket cache: FILE:/tmp/krb5cc_7
Default principal: alice@R

Valid starting       Expires              Service principal
11/22/2026 05:00:00  11/22/2026 15:00:00  krbtgt/R@R
\trenew until 11/23/2026 13:00:00
11/22/2026 05:00:00  11/22/2026 09:00:00  krbtgt/S@R
11/22/2026 05:00:00  11/22/2026 14:00:00  HTTP/localhost@R
\trenew until 11/22/2026 14:00:00
"""


def test_klist_is_read_for_the_ticket_of_its_own_realm() -> None:
    assert parse_cache(KLIST, NOW) == VALID
    assert parse_cache(KLIST, NOW + 7201).state is TicketState.EXPIRED
    without = "".join(line for line in KLIST.splitlines(True) if "krbtgt/R@R" not in line)
    assert parse_cache(without, NOW).problem == "it holds no ticket of R"
    for garbage in ("", "Credentials cache: API:1\n  Principal: alice@R\n", "\0" * 9):
        assert parse_cache(garbage, NOW).state is TicketState.UNKNOWN


def test_the_principals_of_a_keytab() -> None:
    text = "Keytab name: FILE:/k\nKVNO Principal\n---- ------------------\n   2 alice@R\n   2 alice@R\n   3 nn/h@R\n"
    assert principals_of(text) == ("alice@R", "nn/h@R")
    assert principals_of("Keytab name: FILE:/k\nKVNO Principal\n----\n") == ()


def said(failure: str, cache: TicketCache = VALID, offered: str = "Negotiate", keytab: str = "") -> BatchSubmitError:
    return why_refused(Refused(URL, offered, failure, ("Authentication required",)), cache, NOW, keytab)


@pytest.mark.parametrize(
    ("failure", "cache", "message", "step"),
    [
        (
            "Ticket expired",
            TicketCache(TicketState.EXPIRED, VALID.name, "alice@R", NOW - 3420),
            "no valid ticket for alice@R in FILE:/tmp/krb5cc_7 (expired 12:03)",
            "kinit alice@R",
        ),
        (
            "No Kerberos credentials available (default cache: FILE:/tmp/none)",
            TicketCache(TicketState.NONE, "/tmp/none", problem="there is none"),
            "no valid ticket in /tmp/none (there is none)",
            "kinit",
        ),
        (
            "No Kerberos credentials available (default cache: FILE:/tmp/none)",
            TicketCache(TicketState.UNKNOWN, problem="there is no klist"),
            "no valid Kerberos ticket",
            "kinit",
        ),
        ("Clock skew too great", VALID, "clock and the KDC's are too far apart", "NTP"),
        ("Server HTTP/h@R not found in Kerberos database", VALID, "the KDC knows no HTTP/h@R", "HTTP/<host>"),
        ("Server krbtgt/S@R not found in Kerberos database", VALID, "is of the realm R, and the server", "kinit"),
        ('Cannot find KDC for realm "S.TEST"', VALID, "is of the realm R, and the server", "[domain_realm]"),
        ("Something new", VALID, "Kerberos gives no token for this server", "kinit alice@R"),
        ("", VALID, "the server does not take our ticket (401)", "kdestroy && kinit alice@R"),
    ],
)
def test_each_refusal_has_its_own_words(failure: str, cache: TicketCache, message: str, step: str) -> None:
    error = said(failure, cache)
    assert type(error) is HostNotReady and error.exit_code == 3
    assert message in error.message and step in error.next_step
    assert error.where == URL


def test_a_kdc_that_is_away_is_an_outage() -> None:
    assert type(said("Cannot contact any KDC for realm 'R'")) is ClusterUnreachable
    assert type(why_no_login("Cannot contact any KDC for realm 'R' while getting", "a@R", "/k")) is ClusterUnreachable


def test_with_a_keytab_the_next_step_names_it() -> None:
    expired = TicketCache(TicketState.EXPIRED, VALID.name, "alice@R", NOW - 60)
    assert said("", expired, keytab="/etc/my keytab").next_step == "kinit -kt '/etc/my keytab' alice@R"
    assert login_command() == "kinit"


def test_a_server_without_negotiate() -> None:
    assert "by Basic and not by Kerberos" in said("", offered='Basic realm="x"').message
    assert "by something" in said("", offered="").message


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("Client 'x@R' not found in Kerberos database while getting initial credentials", "security_config.principal"),
        ('Cannot find KDC for realm "S" while getting initial credentials', "krb5.conf"),
        ("Preauthentication failed while getting initial credentials", "made anew"),
        ("Clock skew too great while getting initial credentials", "NTP"),
        ("Client's entry in database has expired while getting initial credentials", "kinit -kt /k x@R"),
    ],
)
def test_a_login_that_failed(words: str, step: str) -> None:
    error = why_no_login(words, "x@R", "/k")
    assert type(error) is HostNotReady and error.details == (words,) and step in error.next_step


def test_a_403_of_the_filter() -> None:
    assert is_not_taken(("Error 403 java.lang.IllegalArgumentException: newLimit > capacity: (77 > 16)",))
    assert is_not_taken(("Error 403 java.nio.BufferUnderflowException",))
    assert not is_not_taken(("Unauthorized attempt to kill appid application_1_1 by remote user bob@R",))
    assert not is_not_taken(())


def test_a_server_that_is_not_proven() -> None:
    expired = TicketCache(TicketState.EXPIRED, VALID.name, "alice@R", NOW - 1)
    assert not_proven(URL, expired, NOW).next_step == "kinit alice@R"
    assert "could not prove" in not_proven(URL, VALID, NOW).message


def test_a_day_is_told_where_it_is_another() -> None:
    assert clock_text(NOW, NOW) == "13:00"
    assert clock_text(NOW - 86_400, NOW) == "2026-11-21 13:00"
    assert time.localtime(NOW)[3] == 13


@pytest.mark.parametrize(
    ("cache", "needed_s", "warning"),
    [
        (VALID, 7199, ""),
        (VALID, 7200, ""),
        (VALID, 3 * 3600, "ends in 2h, before --timeout (3h); renew it until then (kinit -R)"),
        (VALID, 48 * 3600, "kinit again before it ends, or log in by security_config.keytab"),
        (TicketCache(TicketState.EXPIRED, expires_s=NOW - 1), 10, ""),
        (TicketCache(TicketState.UNKNOWN), 10, ""),
    ],
)
def test_a_ticket_against_the_time_that_is_needed(cache: TicketCache, needed_s: float, warning: str) -> None:
    told = too_short(cache, needed_s, "--timeout", NOW)
    assert warning in told and bool(told) is bool(warning)
