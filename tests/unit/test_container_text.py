"""Nothing that YARN would rewrite or publish gets past the edge; everything that was seen to survive does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.run_logging import mask_text
from batch_submit.errors import ExitCode, UnsafeForContainer
from batch_submit.plan.config import Sourced
from batch_submit.plan.container_text import check_arguments, check_conf, check_file_names, refuse_unsafe
from batch_submit.plan.secrets import mask_arguments

REWRITTEN = ["`id`", "{{ ds }}", '{"a":{"b":1}}', "<LOG_DIR>/x", "a<CPS>b"]
#: Quotes, $HOME, newlines, non-ASCII, ";" and empty texts were seen to arrive unchanged on Hadoop 3.5.0.
SURVIVES = ["it's", 'say "hi"', "$HOME", "two\nlines", "größe", "a;b", "", "{one}", "a|b & c", "<log_dir>", "*.csv"]


@pytest.mark.parametrize("argument", REWRITTEN)
def test_an_argument_that_yarn_rewrites_is_found_at_its_position(argument: str) -> None:
    problems = check_arguments(["fine", argument])
    assert problems
    assert all(problem.startswith(f"argument 2 ({argument!r}) holds ") for problem in problems)
    assert all("YARN rewrites" in problem for problem in problems)


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_file_name_that_yarn_rewrites_is_found(name: str) -> None:
    problems = check_file_names(["fine.csv", name])
    assert problems
    assert all(problem.startswith(f"file name {name!r} holds ") for problem in problems)


@pytest.mark.parametrize("text", SURVIVES)
def test_what_survives_the_way_is_let_through(text: str) -> None:
    assert check_arguments([text]) == []


@pytest.mark.parametrize(
    "name", ["it's.csv", "größe", "a b;c", "{one}", "a|b & c", "<log_dir>", "x%20y.txt", "a[1].txt"]
)
def test_what_a_file_may_be_called(name: str) -> None:
    assert check_file_names([name]) == []


@pytest.mark.parametrize("name", ["$(id).csv", 'a"b.csv', "a\\b.csv", "two\nlines.csv"])
def test_a_name_that_the_link_in_the_container_would_lose_is_found(name: str) -> None:
    assert "which YARN rewrites" in check_file_names(["fine.csv", name])[0]


@pytest.mark.parametrize("value", [*REWRITTEN, "$HOME/x", 'a"b'])
@pytest.mark.parametrize("prefix", ["spark.yarn.appMasterEnv.", "spark.executorEnv."])
def test_environment_values_lose_dollars_and_quotes_too(prefix: str, value: str) -> None:
    problems = check_conf({prefix + "X": Sourced(value, "c.yaml:3")})
    assert problems
    assert all(problem.startswith(f"{prefix}X (c.yaml:3) holds ") for problem in problems)


def test_other_properties_travel_in_a_file_and_may_hold_anything() -> None:
    conf = {"spark.app.x": Sourced('`{{$"', "c"), "spark.hadoop.fs.s3a.secret.key": Sourced("s3cr3t", "c")}
    assert check_conf(conf) == []


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--db-password", "hunter2"],
        ["--db-password=hunter2"],
        ["-token=hunter2"],
        ["db.password=hunter2"],
        ["fs.s3a.access.key=hunter2", "x"],
    ],
)
def test_a_secret_among_the_arguments_is_refused_and_not_shown(arguments: list[str]) -> None:
    (problem,) = check_arguments(arguments)
    assert problem.startswith("argument 1 (")
    assert "secret" in problem and "launch_container.sh" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "argument",
    [
        '{"user": "u", "password": "hunter2"}',
        "{'db.password': 'hunter2'}",
        '{"conf": "{\\"api_key\\": \\"hunter2\\"}"}',
        "Authorization: Bearer hunter2",
        '{"Authorization": "Basic hunter2"}',
        "conn: API_KEY=hunter2",
        "jdbc:oracle:thin:scott/hunter2@//db:1521/sales",
        "url=jdbc:oracle:oci:scott[hr]/hunter2@sales",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----hunter2",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2",
    ],
)
def test_a_secret_within_an_argument_is_refused_and_not_shown(argument: str) -> None:
    (problem,) = check_arguments([argument], quotes_all=True)
    assert "argument 1 holds a" in problem and "hunter2" not in problem
    assert "hunter2" not in mask_arguments([argument])[0]
    assert "hunter2" not in mask_text(argument)


@pytest.mark.parametrize(
    "argument",
    [
        '{"max_tokens": 5, "tokenizer": "bert", "password_file": "/x"}',
        '{"token": null}',
        "hadoop.security.authorization=true",
        "--account-key=customer_id",
        "--first-pass=3",
        "jdbc:oracle:thin:@//db:1521/sales",
        "jdbc:oracle:thin:/@sales_wallet",
        "-----BEGIN CERTIFICATE-----MIIB",
        "-----BEGIN PUBLIC KEY-----MIIB",
    ],
)
def test_json_that_only_sounds_secret_is_no_secret(argument: str) -> None:
    assert check_arguments([argument]) == []


@pytest.mark.parametrize(
    "name",
    ["API_KEY", "DB_PWD", "PGPASS", "PRIVATE_KEY", "AWS_ACCESS_KEY_ID", "AZURE_ACCOUNT_KEY", "HF_TOKEN", "DB_PASSWORD"],
)
@pytest.mark.parametrize("prefix", ["spark.yarn.appMasterEnv.", "spark.executorEnv."])
def test_a_secret_in_the_environment_is_found_by_its_name(prefix: str, name: str) -> None:
    (problem,) = check_conf({prefix + name: Sourced("hunter2", "c.yaml:3")})
    assert "is a secret" in problem and "hunter2" not in problem


@pytest.mark.parametrize("name", ["PWD", "PGPASSFILE", "ROW_KEY", "BYPASS"])
def test_a_variable_that_only_sounds_secret_is_none(name: str) -> None:
    assert check_conf({f"spark.executorEnv.{name}": Sourced("/x", "c.yaml:3")}) == []


@pytest.mark.parametrize(
    "options",
    ["-Dproxy=http://u:hunter2@h:1", "-javaagent:/a.jar=password=hunter2", "-Dx.opts=a;password=hunter2"],
)
def test_a_secret_anywhere_in_java_options_is_found(options: str) -> None:
    (problem,) = check_conf({"spark.executor.extraJavaOptions": Sourced(options, "c.yaml:3")})
    assert "holds a secret" in problem and "hunter2" not in problem
    assert check_conf({"spark.executor.extraJavaOptions": Sourced("-Da=http://h:1 -XX:+UseG1GC", "c")}) == []


@pytest.mark.parametrize(
    "arguments",
    [["--db-password"], ["token"], ["SELECT * FROM tokens WHERE id=1"], ["--user", "secretary"], ["--sep", "="]],
)
def test_a_word_that_only_sounds_secret_is_no_secret(arguments: list[str]) -> None:
    assert check_arguments(arguments) == []


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("spark.yarn.appMasterEnv.DB_PASSWORD", "hunter2", "is a secret"),
        ("spark.executorEnv.API_TOKEN", "hunter2", "is a secret"),
        ("spark.driver.extraJavaOptions", "-Xss4m -Djavax.net.ssl.keyStorePassword=hunter2", "keyStorePassword"),
        ("spark.executor.defaultJavaOptions", "-Ddb.secret=hunter2", "-Ddb.secret"),
        ("spark.yarn.am.extraJavaOptions", "-Dx.token=hunter2", "-Dx.token"),
    ],
)
def test_secrets_that_would_stand_in_the_launch_script_are_refused(key: str, value: str, named: str) -> None:
    (problem,) = check_conf({key: Sourced(value, "c.yaml:9")})
    assert problem.startswith(f"{key} (c.yaml:9) ")
    assert named in problem
    assert "hunter2" not in problem


def test_java_options_without_secrets_are_fine() -> None:
    assert check_conf({"spark.driver.extraJavaOptions": Sourced("-Xss4m -Dlog.dir=<LOG_DIR>", "c")}) == []
    filled_in = "-Dmy.pwd={{PWD}}/x -Dmy.app={{APP_ID}} -Ddb.pwd=<LOG_DIR>"
    assert check_conf({"spark.driver.extraJavaOptions": Sourced(filled_in, "c")}) == []
    assert len(check_conf({"spark.driver.extraJavaOptions": Sourced("-Dmy.pwd={{PWD}}hunter2", "c")})) == 1


# --- the error --------------------------------------------------------------------------------------------------------


def test_all_problems_are_raised_at_once_with_the_remedy_for_texts() -> None:
    problems = [*check_arguments(["`a`", "{{b}}"]), *check_file_names(["secret`.csv"])]
    with pytest.raises(UnsafeForContainer) as caught:
        refuse_unsafe(problems)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.details == tuple(problems)
    assert caught.value.message.startswith("4 value(s)")
    # A file's name that sounds secret is a matter of quoting all the same.
    assert "job_specific_config.<type>.files" in caught.value.next_step


def test_secrets_get_the_remedy_for_secrets() -> None:
    with pytest.raises(UnsafeForContainer) as caught:
        refuse_unsafe(check_arguments(["--password=x"]))
    assert "hadoop.security.credential.provider.path" in caught.value.next_step


def test_no_problem_is_no_error() -> None:
    refuse_unsafe([])


@given(st.lists(st.text()))
def test_accepted_arguments_hold_nothing_that_yarn_rewrites(arguments: list[str]) -> None:
    accepted = not check_arguments(arguments)
    rewritten = any(token in one for one in arguments for token in ("`", "{{", "}}", "<LOG_DIR>", "<CPS>"))
    assert not (accepted and rewritten)
