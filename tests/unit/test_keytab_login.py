"""Principal and keytab log in where Kerberos is; ``enable_kerberos: false`` takes it back where it stands later."""

from __future__ import annotations

import pytest

from batch_submit.errors import UsageError
from batch_submit.plan.config import Config
from batch_submit.plan.keytab_login import keytab_login
from batch_submit.plan.reading import reading_part
from batch_submit.plan.tickets import TicketCache, TicketState, somebody_elses
from tests.unit.merged_config import build

BOTH = "security_config:\n  principal: etl@X\n  keytab: etl.keytab\n"
PRINCIPAL, KEYTAB = ("security_config", "principal"), ("security_config", "keytab")
FLAGS = {PRINCIPAL: ("etl@X", "--principal"), KEYTAB: ("/k", "--keytab")}


def logs_in(config: Config) -> tuple[str, str] | None:
    login = keytab_login(reading_part(config))
    return None if login is None else (str(login.principal.value), str(login.keytab.value))


def test_both_are_a_login_wherever_they_stand() -> None:
    assert logs_in(build(BOTH)) == ("etl@X", "/conf/etl.keytab")
    assert logs_in(build(flags=FLAGS)) == ("etl@X", "/k")
    one_each = {"BATCH_SUBMIT_SECURITY_CONFIG__KEYTAB": "/v"}
    assert logs_in(build("security_config: {principal: etl@X}", variables=one_each)) == ("etl@X", "/v")
    assert logs_in(build("storage_root: null")) is None


def test_they_do_not_say_that_the_cluster_has_kerberos() -> None:
    assert build(BOTH).value("security_config.enable_kerberos") is None


@pytest.mark.parametrize("given", ["enable_kerberos: true", "enable_kerberos: true, principal: a@X", "principal: a@X"])
def test_without_a_keytab_the_users_own_ticket_counts(given: str) -> None:
    assert logs_in(build(f"security_config: {{{given}}}")) is None


def test_what_asks_for_it_is_told() -> None:
    told = "security_config.principal (c.yaml:2) and security_config.keytab (c.yaml:3)"
    for text, because in ((BOTH, told), (f"{BOTH}  enable_kerberos: true", "c.yaml:4")):
        config = build(text)
        login = keytab_login(config)
        assert login is not None and login.because == because and config.warnings == ()


def test_a_false_that_stands_later_switches_it_off_and_says_so() -> None:
    for main, flags in (
        (f"{BOTH}  enable_kerberos: false", {}),
        (BOTH, {("security_config", "enable_kerberos"): (False, "--x")}),
        (f"{BOTH}environments: {{prod: {{security_config: {{enable_kerberos: false}}}}}}", {}),
    ):
        config = build(main, flags=flags, env="prod" if "prod" in main else None)
        assert logs_in(config) is None
        (warning,) = config.warnings
        assert "security_config.principal (c.yaml:2) and security_config.keytab (c.yaml:3) are not used" in warning
        assert "enable_kerberos: false" in warning


def test_a_false_that_stands_before_them_does_not_count() -> None:
    config = build("security_config: {enable_kerberos: false, principal: a@X}", flags=FLAGS)
    assert logs_in(config) == ("etl@X", "/k") and config.warnings == ()
    assert [one.origin for one in config.overridden[("security_config", "enable_kerberos")]] == ["c.yaml:1"]
    only = build("security_config: {enable_kerberos: false, principal: a@X}", flags={KEYTAB: ("/k", "--keytab")})
    assert logs_in(only) == ("a@X", "/k")


@pytest.mark.parametrize("switch", ["", ", enable_kerberos: true"])
def test_a_keytab_without_a_principal_is_an_error(switch: str) -> None:
    with pytest.raises(UsageError) as error:
        keytab_login(build(f"security_config: {{keytab: x{switch}}}"))
    assert error.value.message == "security_config.keytab needs security_config.principal too"
    assert (error.value.where, error.value.next_step) == (
        "c.yaml:1",
        "add principal: to security_config (submit: --principal)",
    )


@pytest.mark.parametrize(
    ("wanted", "held", "other"),
    [
        ("etl@X", "etl@X", False),
        ("etl", "etl@X", False),
        ("", "bob@X", False),
        ("etl@X", "", False),
        ("etl@X", "bob@X", True),
        ("etl", "bob@X", True),
    ],
)
def test_a_principal_alone_is_compared_with_the_ticket(wanted: str, held: str, other: bool) -> None:
    warning = somebody_elses(TicketCache(TicketState.VALID, "FILE:/t", held), wanted)
    assert bool(warning) == other
    assert not other or all(text in warning for text in (held, "FILE:/t", f"kinit {wanted}"))
