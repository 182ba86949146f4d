"""Principal and keytab: every verb logs in by them where Hadoop's XML says Kerberos, and nowhere else."""

from __future__ import annotations

import pytest

from tests.process.door import CONFIG, Door

BOTH = "security_config: {principal: etl@X, keytab: nowhere.keytab}\n"


def with_kerberos(door: Door) -> None:
    core = door.folder / "conf" / "core-site.xml"
    said = "<property><name>hadoop.security.authentication</name><value>kerberos</value></property></configuration>"
    core.write_text(core.read_text().replace("</configuration>", said))


@pytest.mark.parametrize("verb", [["list"], ["queues"]])
def test_who_only_looks_does_so_by_his_own_ticket_where_the_keytab_is_not(door: Door, verb: list[str]) -> None:
    with_kerberos(door)
    door.write_config(BOTH + CONFIG)
    outcome = door.run(*verb)  # this ResourceManager takes everybody
    assert outcome.code == 0 and door.rm.asked, outcome.err
    assert outcome.err.count("nowhere.keytab (job_config.yaml:1) can't be read here: asking by your own ticket") == 1


@pytest.mark.parametrize("launcher", ["rest", "spark-submit"])
def test_who_acts_needs_the_keytab(door: Door, launcher: str) -> None:
    with_kerberos(door)
    flags = ("--principal", "etl@X", "--keytab", "nowhere.keytab")
    outcomes = [door.submit("--no-wait", "--launcher", launcher, *flags)]
    door.write_config(BOTH + CONFIG)
    outcomes += [door.submit("--no-wait", "--launcher", launcher), door.run("kill", "application_1_0001")]
    for outcome in outcomes:
        assert outcome.code == 3 and outcome.said("nowhere.keytab"), outcome.err
    assert (door.rm.asked, door.calls) == ([], [])


@pytest.mark.parametrize("given", ["principal: etl@X", "principal: etl@X, keytab: nowhere.keytab"])
def test_on_a_cluster_without_kerberos_they_mean_nothing(door: Door, given: str) -> None:
    door.write_config(f"security_config: {{{given}}}\n{CONFIG}")
    looked, planned, submitted = door.run("list"), door.submit("--dry-run"), door.submit("--no-wait")
    assert [one.code for one in (looked, planned, submitted)] == [0, 0, 0], looked.err + planned.err + submitted.err
    assert "keytab" not in planned.out
    assert submitted.said("are not used: core-site.xml does not ask for Kerberos") == ("keytab" in given)


@pytest.mark.parametrize("given", ["", ", principal: etl@X"])
def test_enable_kerberos_without_a_keytab_takes_the_ticket_that_is_there(door: Door, given: str) -> None:
    door.write_config(f"security_config: {{enable_kerberos: true{given}}}\n{CONFIG}")
    outcome = door.run("list", env={"KRB5CCNAME": "FILE:/none"})
    assert outcome.code != 2 and "security_config" not in outcome.err, outcome.err
    planned = door.submit("--dry-run", env={"KRB5CCNAME": "FILE:/none"})
    assert planned.code == 0 and "keytab" not in planned.out, planned.err


def test_a_keytab_without_a_principal_is_refused_by_every_verb(door: Door) -> None:
    told = "security_config.keytab needs security_config.principal too"
    assert door.submit("--dry-run", "--keytab", "x").said(told)
    door.write_config(f"security_config: {{keytab: x}}\n{CONFIG}")
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
