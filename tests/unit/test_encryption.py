"""``security_config.enable_ssl``: one switch, a set of properties that fits together, and what contradicts it."""

from __future__ import annotations

import pytest

from batch_submit.errors import ConfigError, ExitCode
from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.command import Toolchain, build_plan, plan_json
from batch_submit.plan.config import ConfigSources, SourceText, build_config
from batch_submit.plan.encryption import Encryption, encryption
from tests.unit.test_job_spec import spec

ON = """\
security_config:
  enable_ssl: true
  keystore_path: stores/own.p12
  keystore_password: hunter2
"""


def of(text: str, *, backend: str = YARN, deploy_mode: str = "cluster") -> Encryption:
    sources = ConfigSources(SourceText(text, "c.yaml", "/conf"))
    config = build_config(sources=sources, job_type="custom", env=None, profile=None, variables={}, flags={})
    return encryption(config, config.spark_conf(), backend=backend, deploy_mode=deploy_mode)


def test_without_the_switch_nothing_is_set_and_a_key_store_is_not_dropped_in_silence() -> None:
    assert of("security_config: {truststore_path: y.jks}") == Encryption({})
    made = of("security_config: {keystore_path: x.p12, keystore_password: hunter2}")
    assert made.conf == {} and made.files == ()
    assert made.notices == (
        "security_config.keystore_path (c.yaml:1) has no effect without security_config.enable_ssl",
    )


def test_the_whole_set_with_its_origin() -> None:
    made = of(ON)
    values = {key: value.value for key, value in made.conf.items()}
    assert values == {
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.saslFallback": "false",
        "spark.io.encryption.enabled": "true",
        "spark.ssl.enabled": "true",
        "spark.ssl.protocol": "TLSv1.3",
        "spark.ssl.keyStore": "ssl.keystore",
        "spark.ssl.keyStorePassword": "hunter2",
    }
    assert made.conf["spark.authenticate"].origin == "security_config.enable_ssl, c.yaml:2"
    assert [(one.path, one.link, one.secret) for one in made.files] == [("/conf/stores/own.p12", "ssl.keystore", True)]


def test_the_truststore_travels_too_and_in_client_mode_neither() -> None:
    text = ON + "  truststore_path: /etc/trust.jks\n  truststore_password: hunter3\n"
    made = of(text)
    assert made.conf["spark.ssl.trustStore"].value == "ssl.truststore"
    assert made.conf["spark.ssl.trustStorePassword"].value == "hunter3"
    assert [one.path for one in made.files] == ["/conf/stores/own.p12", "/etc/trust.jks"]
    here = of(text, deploy_mode="client")
    assert here.conf["spark.ssl.keyStore"].value == "/conf/stores/own.p12" and here.files == ()


def test_no_password_in_the_command_or_in_what_is_shown() -> None:
    plan = build_plan(spec(ON), Toolchain(), script_digest="d")
    assert "hunter2" not in str(plan.argv) and "hunter2" not in str(plan_json(plan))
    assert plan.secrets == {"spark.ssl.keyStorePassword": "hunter2"}
    files = plan.argv[plan.argv.index("--files") + 1]
    assert files == "/conf/stores/own.p12#ssl.keystore"


def test_without_a_key_store_it_is_refused_and_spark_config_may_name_one() -> None:
    with pytest.raises(ConfigError) as caught:
        of("security_config: {enable_ssl: true}")
    assert "needs security_config.keystore_path" in caught.value.message and caught.value.where == "c.yaml:1"
    named = of("security_config: {enable_ssl: true}\nspark_config: {spark.ssl.keyStore: /on/every/node.jks}\n")
    assert "spark.ssl.keyStore" not in named.conf and named.files == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("spark.authenticate: false", "spark.authenticate is false (c.yaml:6), and true by"),
        ("spark.network.crypto.enabled: 'FALSE'", "spark.network.crypto.enabled is FALSE (c.yaml:6)"),
        ("spark.network.crypto.saslFallback: true", "spark.network.crypto.saslFallback is true (c.yaml:6)"),
        ("spark.io.encryption.enabled: false", "spark.io.encryption.enabled is false"),
        ("spark.ssl.enabled: false", "spark.ssl.enabled is false"),
        ("spark.ssl.keyStore: other.jks", "by security_config.keystore_path, c.yaml:3"),
    ],
)
def test_what_contradicts_it_is_told_with_both_origins(line: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(f"{ON}spark_config:\n  {line}\n")
    assert caught.value.exit_code is ExitCode.USAGE
    assert [told in detail for detail in caught.value.details] == [True], caught.value.details
    assert "c.yaml:6" in caught.value.details[0]


def test_another_password_is_a_contradiction_that_shows_neither() -> None:
    with pytest.raises(ConfigError) as caught:
        of(f"{ON}spark_config:\n  spark.ssl.keyStorePassword: swordfish\n")
    told = str(caught.value)
    assert "spark.ssl.keyStorePassword (c.yaml:6)" in told and "keystore_password, c.yaml:4" in told
    assert "hunter2" not in told and "swordfish" not in told


def test_the_same_said_twice_is_no_contradiction() -> None:
    made = of(f"{ON}spark_config:\n  spark.authenticate: true\n  spark.io.encryption.enabled: 'True'\n")
    assert made.conf["spark.authenticate"].value == "true"


def test_the_users_versions_of_tls_and_tls_for_the_rpc_count() -> None:
    job = spec(f"{ON}spark_config:\n  spark.ssl.protocol: TLSv1.2\n")
    assert job.conf["spark.ssl.protocol"].value == "TLSv1.2"
    rpc = of(f"{ON}spark_config:\n  spark.ssl.rpc.enabled: true\n")
    assert "spark.network.crypto.enabled" not in rpc.conf and "spark.authenticate" in rpc.conf


def test_an_external_shuffle_service_has_to_know() -> None:
    assert of(ON).notices == ()
    (notice,) = of(f"{ON}spark_config:\n  spark.shuffle.service.enabled: true\n").notices
    assert "spark.authenticate=true" in notice and "NodeManagers" in notice


def test_on_this_host_it_has_no_effect_and_says_so() -> None:
    made = of(ON, backend=LOCAL)
    assert made.conf == {} and "no effect on this host" in made.notices[0]
    assert not [key for key in spec(ON, backend=LOCAL).conf if "ssl" in key]
