"""Principal and keytab are the wish to log in; ``enable_kerberos: false`` takes it back where it stands later."""

from __future__ import annotations

import pytest

from batch_submit.errors import UsageError
from batch_submit.plan.config import Config
from batch_submit.plan.keytab_login import keytab_login
from batch_submit.plan.reading import reading_part
from batch_submit.render.config import config_text
from tests.unit.merged_config import build

BOTH = "security_config:\n  principal: etl@X\n  keytab: etl.keytab\n"
PRINCIPAL, KEYTAB = ("security_config", "principal"), ("security_config", "keytab")
FLAGS = {PRINCIPAL: ("etl@X", "--principal"), KEYTAB: ("/k", "--keytab")}


def logs_in(config: Config) -> tuple[str, str] | None:
    login = keytab_login(reading_part(config))
    assert (login is None) == (config.value("security_config.enable_kerberos") is not True)
    return None if login is None else (str(login.principal.value), str(login.keytab.value))


def test_both_switch_the_login_on_wherever_they_stand() -> None:
    assert logs_in(build(BOTH)) == ("etl@X", "/conf/etl.keytab")
    assert logs_in(build(flags=FLAGS)) == ("etl@X", "/k")
    one_each = {"BATCH_SUBMIT_SECURITY_CONFIG__KEYTAB": "/v"}
    assert logs_in(build("security_config: {principal: etl@X}", variables=one_each)) == ("etl@X", "/v")
    assert logs_in(build("storage_root: null")) is None


def test_what_has_switched_it_on_is_shown() -> None:
    told = "security_config.principal (c.yaml:2) and security_config.keytab (c.yaml:3)"
    config = build(BOTH)
    login = keytab_login(config)
    assert login is not None and login.because == told and config.warnings == ()
    assert f"enable_kerberos: true  # {told}" in " ".join(config_text(config, origin=True).split()).replace(" #", "  #")


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


@pytest.mark.parametrize(("given", "missing"), [("principal", "keytab"), ("keytab", "principal")])
def test_one_alone_is_an_error_that_names_the_other(given: str, missing: str) -> None:
    config = build(f"security_config: {{{given}: x}}")
    with pytest.raises(UsageError) as error:
        keytab_login(config)
    assert error.value.message == f"security_config.{given} needs security_config.{missing} too"
    assert (error.value.where, error.value.next_step) == (
        "c.yaml:1",
        f"add {missing}: to security_config (submit: --{missing})",
    )
