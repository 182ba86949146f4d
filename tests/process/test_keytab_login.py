"""Principal and keytab without ``enable_kerberos``: every verb logs in by them; none takes the ticket that is there."""

from __future__ import annotations

import pytest

from tests.process.door import CONFIG, Door

BOTH = "security_config: {principal: etl@X, keytab: nowhere.keytab}\n"


@pytest.mark.parametrize("verb", [["list"], ["kill", "application_1_0001"], ["status", "application_1_0001"]])
def test_every_verb_logs_in_by_them(door: Door, verb: list[str]) -> None:
    door.write_config(BOTH + CONFIG)
    outcome = door.run(*verb)
    assert outcome.code == 3 and outcome.said("nowhere.keytab"), outcome.err
    assert door.rm.asked == []


@pytest.mark.parametrize("launcher", ["rest", "spark-submit"])
def test_submit_does_by_file_and_by_flags(door: Door, launcher: str) -> None:
    outcome = door.submit("--no-wait", "--launcher", launcher, "--principal", "etl@X", "--keytab", "nowhere.keytab")
    assert outcome.code in (2, 3) and outcome.said("nowhere.keytab"), outcome.err
    door.write_config(BOTH + CONFIG)
    outcome = door.submit("--no-wait", "--launcher", launcher)
    assert outcome.code in (2, 3) and outcome.said("nowhere.keytab"), outcome.err
    assert (door.rm.asked, door.calls) == ([], [])


@pytest.mark.parametrize(("given", "missing"), [("principal", "keytab"), ("keytab", "principal")])
def test_one_without_the_other_is_refused_by_every_verb(door: Door, given: str, missing: str) -> None:
    told = f"security_config.{given} needs security_config.{missing} too"
    assert door.submit("--dry-run", f"--{given}", "x").said(told)
    door.write_config(f"security_config: {{{given}: x}}\n{CONFIG}")
    for verb in (["list"], ["kill", "application_1_0001"], ["submit", "-t", "custom"], ["config", "check"]):
        outcome = door.run(*verb)
        assert outcome.code == 2 and outcome.said(told), (verb, outcome.err)
    assert (door.rm.asked, door.calls) == ([], [])


def test_an_explicit_false_beside_them_is_told(door: Door) -> None:
    door.write_config(f"security_config: {{enable_kerberos: false, principal: etl@X, keytab: k}}\n{CONFIG}")
    outcome = door.run("list")
    assert outcome.code == 0, outcome.err
    assert outcome.said(
        "enable_kerberos: false switches the login off", "security_config.principal (job_config.yaml:1)"
    )
