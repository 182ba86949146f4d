"""Which values are secrets, which of them are references, and what a secret in the configuration itself leads to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import UsageError
from batch_submit.plan.redaction import SPARKS_OWN, check_pattern, redaction, told_by
from batch_submit.plan.secret_references import (
    Reference,
    is_literal,
    keeps_secret,
    left_to_hadoop,
    literals,
    reference_of,
    references,
    refuse_literals,
    variables_with_secrets,
)
from batch_submit.plan.secrets import is_secret
from batch_submit.plan.sourced import Sourced


def conf(**values: object) -> dict[str, Sourced]:
    return {key.replace("_", "."): Sourced(value, "job_config.yaml:3", "/etc/jobs") for key, value in values.items()}


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("${DB_PASSWORD}", "variable", "DB_PASSWORD"),
        ("file:/etc/secrets/db", "file", "/etc/secrets/db"),
        ("file:db secret", "file", "db secret"),
        ("credential:db.password", "credential", "db.password"),
        ("keyring:https://db/x/etl", "keyring", "https://db/x/etl"),
    ],
)
def test_the_four_forms(text: str, kind: str, name: str) -> None:
    found = reference_of(text)
    assert found == Reference(kind, name)
    assert str(found) == text


@pytest.mark.parametrize(
    "value",
    ["", "hunter2", "${env:DB_PASSWORD}", "${spark.x}", "a${B}", "$B", "${1}", "${A} ", "FILE:x", 7, None],
)
def test_everything_else_is_none(value: object) -> None:
    assert reference_of(value) is None


@pytest.mark.parametrize("text", ["file:", "file: ", "credential:", "keyring:service", "keyring:/user", "keyring:x/"])
def test_one_that_names_nothing_is_reported_with_its_place(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        references(conf(spark_my_password=text))
    assert caught.value.details[0].startswith("job_config.yaml:3: spark.my.password: ")


@given(st.text())
def test_any_text_is_a_reference_that_reads_back_or_none(text: str) -> None:
    try:
        found = reference_of(text)
    except ValueError:
        return
    assert found is None or str(found) == text


def test_only_secrets_are_looked_at_and_files_lie_beside_the_file_that_names_them() -> None:
    found = references(
        conf(
            spark_my_password="file:secret/db",
            spark_my_token="${TOKEN}",
            spark_my_folder="file:/data",
            spark_my_token_file="file:/data",
        )
    )
    assert found == {
        "spark.my.password": Reference("file", "/etc/jobs/secret/db"),
        "spark.my.token": Reference("variable", "TOKEN"),
    }


def test_the_sites_own_defaults_are_spark_words() -> None:
    sites = {"spark.x.password": Sourced("${X}", "/etc/spark/conf/spark-defaults.conf:3")}
    assert (references(sites), literals(sites)) == ({}, [])


@pytest.mark.parametrize(
    "key",
    [
        "spark.my.password",
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.access.key",
        "spark.hadoop.fs.s3a.session.token",
        "spark.hadoop.fs.azure.account.oauth2.client.secret.x.dfs.core.windows.net",
        "spark.ssl.keyPassword",
        "security_config.keystore_password",
        "BATCH_SUBMIT_SPARK_CONFIG__spark.my.token",
    ],
)
def test_keys_of_secrets(key: str) -> None:
    assert keeps_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "spark.hadoop.hadoop.security.credential.provider.path",
        "spark.hadoop.fs.s3a.aws.credentials.provider",
        "spark.security.credentials.hive.enabled",
        "spark.kerberos.renewal.credentials",
        "spark.kubernetes.authenticate.driver.oauthTokenFile",
        "spark.my.max_tokens",
        "spark.executor.memory",
    ],
)
def test_keys_that_say_something_about_a_secret(key: str) -> None:
    assert not keeps_secret(key)
    assert literals({key: Sourced("hunter2", "c.yaml:1")}) == []


def test_a_literal_is_told_with_its_place_and_without_its_value() -> None:
    found = literals(
        conf(
            spark_a_password="hunter2",
            spark_b_url="jdbc:x?password=hunter3",
            spark_c_token="${T}",
            spark_d_token="true",
        )
        | {"spark.e.secret": Sourced("hunter4", "flag --conf", key="spark_config.spark.e.secret")}
    )
    assert len(found) == 3
    assert found[0] == "job_config.yaml:3: spark.a.password is a secret"
    assert found[1] == "job_config.yaml:3: spark.b.url holds a secret"
    assert found[2].endswith("everybody on this host can read it")
    assert "hunter" not in "".join(found)


@pytest.mark.parametrize(
    ("env", "refused"),
    [(None, False), ("", False), ("dev", False), ("product", False), ("preprod", False)]
    + [(env, True) for env in ("prod", "Production", "PRD", "prod-eu", "prod_2", "prod2")],
)
def test_production_refuses_what_is_a_warning_elsewhere(env: str | None, refused: bool) -> None:
    found = literals(conf(spark_a_password="hunter2"))
    if not refused:
        assert "prod refuses" in refuse_literals(env, found)[0]
        return
    with pytest.raises(UsageError) as caught:
        refuse_literals(env, found)
    assert caught.value.exit_code == 2
    assert caught.value.details == tuple(found)
    assert refuse_literals(env, []) == []


def test_the_variables_that_no_child_gets() -> None:
    values = {
        ("spark_config", "spark.my.token"): Sourced("${TOKEN}", "c:1"),
        ("security_config", "keystore_password"): Sourced("${STORE}", "c:2"),
        ("spark_config", "spark.my.folder"): Sourced("${FOLDER}", "c:3"),
    }
    environment = ["TOKEN", "PATH", "BATCH_SUBMIT_SPARK_CONFIG__spark.x.password", "BATCH_SUBMIT_EXECUTION__TIMEOUT"]
    wanted = {"TOKEN", "STORE", "BATCH_SUBMIT_SPARK_CONFIG__spark.x.password"}
    assert variables_with_secrets(values, environment) == wanted


@pytest.mark.parametrize(
    ("key", "alias", "provider", "same_host", "left"),
    [
        ("spark.hadoop.fs.s3a.secret.key", "fs.s3a.secret.key", "jceks://hdfs@nn/x.jceks", False, True),
        ("spark.ssl.keyPassword", "spark.ssl.keyPassword", "jceks://hdfs@nn/x.jceks", False, True),
        ("spark.hadoop.fs.s3a.secret.key", "other", "jceks://hdfs@nn/x.jceks", False, False),
        ("spark.my.password", "spark.my.password", "jceks://hdfs@nn/x.jceks", False, False),
        ("spark.hadoop.fs.s3a.secret.key", "fs.s3a.secret.key", "localjceks://file/x.jceks", False, False),
        ("spark.hadoop.fs.s3a.secret.key", "fs.s3a.secret.key", "localjceks://file/x.jceks", True, True),
    ],
)
def test_hadoop_reads_what_lies_under_its_own_name(
    key: str, alias: str, provider: str, same_host: bool, left: bool
) -> None:
    found = {key: Reference("credential", alias)}
    assert left_to_hadoop(found, provider, same_host=same_host) == ({key} if left else set())


def hides(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def test_sparks_own_redaction_is_left_where_it_suffices() -> None:
    assert redaction({"spark.a.password": "x", "spark.b": "jdbc:y?password=x"}, None) is None
    assert redaction({}, "nothing") is None


@pytest.mark.parametrize("configured", [None, "(?i)frob", r"\p{Upper}frob", "[[a-z]&&[x]]"])
def test_sparks_redaction_is_widened_for_what_it_would_show(configured: str | None) -> None:
    secrets = {"spark.my.passphrase": "hunter2", "spark.my.url": "https://u:hunter2@host/x"}
    wide = redaction(secrets, configured)
    assert wide is not None
    assert wide.startswith(SPARKS_OWN if configured is None else configured)
    if configured in (None, "(?i)frob"):
        assert all(hides(wide, key) or hides(wide, value) for key, value in secrets.items())


@pytest.mark.parametrize(
    ("pattern", "key", "is_told"),
    [
        ("(?i)pin$", "spark.my.PIN", True),
        ("(?i)pin$", "spark.my.pint", False),
        ("pin", "spark.yarn.pinned", True),
        ("pin", "spark.driver.mypin", True),
        ("(?i)memory", "spark.driver.memory", False),
        ("tags", "spark.yarn.tags", False),
        ("pin", "spark.yarn.appMasterEnv.pin", True),
        ("redaction", "spark.redaction.regex", False),
        ("", "spark.my.pin", False),
        (".*", "spark.my.pin", False),
        (r"\p{Lower}", "spark.my.pin", False),
        ("(", "spark.my.pin", False),
        ("[[a-z]&&[p]]", "spark.my.pin", False),
    ],
)
def test_a_configured_pattern_tells_of_secrets(pattern: str, key: str, is_told: bool) -> None:
    conf = {"spark.redaction.regex": Sourced(pattern, "c:1"), key: Sourced("${X}", "c:2")}
    conf.setdefault("spark.redaction.regex", Sourced(pattern, "c:1"))
    assert told_by(conf)(key) is is_told
    assert (key in references(conf)) is is_told
    assert told_by({})(key) is False


@pytest.mark.parametrize("pattern", ["(", "a)", "*a", "(?i)[", "a{2,1}"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match=r"spark\.redaction\.regex is no pattern") as caught:
        check_pattern({"spark.redaction.regex": Sourced(pattern, "c.yaml:7")})
    assert caught.value.where == "c.yaml:7" and caught.value.exit_code == 2


@pytest.mark.parametrize("pattern", [r"\p{Upper}x", "a(?i)b", "(?<name>x)", r"\Qx\E", "[[a-z]&&[x]]"])
def test_a_pattern_of_javas_is_told_and_ours_stands(pattern: str) -> None:
    assert "only this tool's own words" in check_pattern({"spark.redaction.regex": Sourced(pattern, "c:7")})[0]


@pytest.mark.parametrize("pattern", ["", "(?i)secret|pin", ".*"])
def test_a_pattern_that_is_one_needs_no_words(pattern: str) -> None:
    assert check_pattern({"spark.redaction.regex": Sourced(pattern, "c:7")}) == check_pattern({}) == []


HADOOPS = [
    "spark.hadoop.fs.azure.account.key.acct.dfs.core.windows.net",
    "spark.hadoop.ssl.keystore.pass",
    "spark.hadoop.fs.s3a.bucket.b.encryption.key",
    "spark.hadoop.fs.s3a.session.key",
    "spark.hadoop.fs.gs.auth.service.account.private.key",
]


@pytest.mark.parametrize("key", HADOOPS)
def test_what_hadoop_calls_sensitive_is_secret_and_spark_hides_it(key: str) -> None:
    assert is_secret(key) and keeps_secret(key) and is_literal(key, "hunter2")
    wide = redaction({key: "hunter2"}, None)
    assert wide is not None and hides(wide, key) and not hides(wide, "spark.hadoop.fs.defaultFS")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.hadoop.fs.azure.account.keyprovider.a.dfs.core.windows.net", "org.apache.x.Provider"),
        ("spark.hadoop.fs.s3a.encryption.algorithm", "SSE-KMS"),
        ("spark.hadoop.fs.s3a.encryption.key", "arn:aws:kms:eu-west-1:1:key/x"),
        ("spark.hadoop.fs.gs.auth.service.account.json.keyfile", "/etc/key.json"),
        ("spark.hadoop.fs.gs.proxy.address", "proxy:3128"),
    ],
)
def test_what_only_tells_about_a_key_may_stand_there(key: str, value: str) -> None:
    assert not is_literal(key, value)
