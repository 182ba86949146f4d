"""The spark-submit command: pinned word for word by ``tests/golden/argv``, complete, pasteable, and without secrets.

A golden file holds what :func:`shown` makes of a plan. After a wanted change of the command: look at the difference
that pytest prints, and write it into the file by hand; it is what users will run.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ExitCode, UsageError
from batch_submit.plan.command import Toolchain, build_plan, fingerprint_of, plan_json, shell_command
from batch_submit.plan.config import Sourced
from batch_submit.plan.submission import SECRETS_PLACEHOLDER, JobSpec, ShippedFile, SubmissionPlan
from ml_pipeline_framework.contract import JobType, TrainingParams

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "argv"

TOOLS = Toolchain(
    spark_submit="/opt/spark/bin/spark-submit",
    spark_home="/opt/spark",
    hadoop_conf_dir="/etc/hadoop/conf",
    spark_conf_dir="/etc/spark/conf",
    java_home="/opt/jdk",
    python="/opt/venv/bin/python",
    framework_zip="/cache/framework/0123/ml_pipeline_framework.zip",
    params_file="/cache/params/4567/training-params.json",
)


def conf(**values: str) -> dict[str, Sourced]:
    return {"spark." + key.replace("_", "."): Sourced(value, "c.yaml:1") for key, value in values.items()}


BASE = conf(
    executor_instances="2",
    executor_cores="2",
    executor_memory="2g",
    driver_memory="2g",
    yarn_maxAppAttempts="1",
    sql_adaptive_enabled="true",
) | {"spark.submit.deployMode": Sourced("cluster", "default")}

PARAMS = TrainingParams(
    run_id="my-run",
    name="Nightly Training",
    input_path="/ml-pipeline/data/flights.parquet",
    model_path="/ml-pipeline/models/model/my-run",
    metrics_path="/ml-pipeline/metrics/model/my-run/metrics.json",
    label_column="late",
    key_columns=("year", "flight"),
    hyperparameters={"n_estimators": 100},
)
TRAINING = JobSpec(
    job_type=JobType.TRAINING,
    name="Nightly Training",
    run_id="my-run",
    original_run_id="",
    day=date(2013, 2, 3),
    backend="yarn",
    deploy_mode="cluster",
    storage_root="/ml-pipeline",
    script=ShippedFile("/opt/ours/scripts/run_training.py", "run_training.py", "built-in job"),
    arguments=(),
    params=PARAMS,
    conf=BASE,
)
CUSTOM = replace(
    TRAINING,
    job_type=JobType.CUSTOM,
    name="it's mine; $(really)",
    script=ShippedFile("/home/my stuff/job.py", "job.py", "flag --script"),
    arguments=("--mode", "full load", "", "it's", "größe", "two\nlines", "$HOME"),
    params=None,
    conf={
        **BASE,
        **conf(driver_cores="3", yarn_queue="etl", executor_extraJavaOptions="-Xss4m -Da=b"),
        "spark.app.text": Sourced("a \"b\" 'c' = d", "c.yaml:9"),
    },
    py_files=(ShippedFile("/lib/b.py", "b.py", "c.yaml:5"), ShippedFile("hdfs://nn/c.zip", "c.zip", "c.yaml:5")),
    files=(ShippedFile("/etc/x.csv", "lookup.csv", "c.yaml:6", True), ShippedFile("/etc/y.csv", "y.csv", "c.yaml:6")),
    archives=(ShippedFile("/lib/env.tar.gz", "env", "c.yaml:7", True),),
    jars=(ShippedFile("/lib/a.jar", "a.jar", "c.yaml:8"),),
    user_tags=("Team-A", "cost:42"),
)
CUSTOM_TOOLS = replace(TOOLS, params_file="", verbose=True, spark_submit_opts="-Dlog4j2.configurationFile=file:/x y")
SECRET_CONF = {
    "spark.hadoop.fs.s3a.secret.key": Sourced("hunter2", "c.yaml:3"),
    "spark.app.dbPassword": Sourced("hunter2 too", "c.yaml:4"),
}
SECRET = replace(TRAINING, conf={**BASE, **SECRET_CONF})
LOCAL = replace(
    TRAINING,
    backend="local",
    deploy_mode="client",
    conf=conf(driver_memory="2g", sql_adaptive_enabled="true"),
)

PLANS: dict[str, SubmissionPlan] = {
    "yarn_training": build_plan(TRAINING, TOOLS, try_number=1),
    "yarn_custom_with_everything": build_plan(CUSTOM, CUSTOM_TOOLS, script_digest="d" * 64, try_number=3),
    "yarn_client": build_plan(replace(TRAINING, deploy_mode="client"), TOOLS, try_number=1),
    "local_training": build_plan(LOCAL, TOOLS, try_number=1),
    "local_custom": build_plan(replace(CUSTOM, backend="local", deploy_mode="client", conf={}), TOOLS, try_number=1),
    "yarn_secrets": build_plan(SECRET, TOOLS, try_number=1),
    "dry_run": build_plan(replace(TRAINING, user_tags=("Team-A",)), Toolchain()),
}


def shown(plan: SubmissionPlan) -> str:
    """A plan as its golden file: one word of the command per line."""
    parts = {"argv": list(plan.argv), "environment": dict(plan.environment), "tags": list(plan.tags)}
    return json.dumps({**parts, "secret keys": sorted(plan.secrets)}, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", PLANS)
def test_the_command_is_the_golden_one(name: str) -> None:
    assert shown(PLANS[name]).splitlines() == (GOLDEN / f"{name}.json").read_text(encoding="utf-8").splitlines()


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(PLANS)


# --- completeness -----------------------------------------------------------------------------------------------------

FLAGS = {
    "spark.yarn.queue": "--queue",
    "spark.executor.instances": "--num-executors",
    "spark.executor.cores": "--executor-cores",
    "spark.executor.memory": "--executor-memory",
    "spark.driver.memory": "--driver-memory",
    "spark.driver.cores": "--driver-cores",
}
KEYS = st.sampled_from([*FLAGS, "spark.a", "spark.b.c", "spark.yarn.archive", "spark.my.password"])


@given(st.dictionaries(KEYS, st.text(max_size=8)))
def test_every_value_of_the_conf_reaches_the_command_once_and_no_secret_does(values: dict[str, str]) -> None:
    spec = replace(TRAINING, conf={key: Sourced(value, "c") for key, value in values.items()})
    plan = build_plan(spec, TOOLS, try_number=1)
    pairs = list(zip(plan.argv, plan.argv[1:], strict=False))
    for key, value in values.items():
        given_pair = (FLAGS[key], value) if key in FLAGS else ("--conf", f"{key}={value}")
        assert pairs.count(given_pair) == (0 if key == "spark.my.password" else 1)
    secrets = {key: value for key, value in values.items() if key == "spark.my.password"}
    assert plan.secrets == secrets
    assert (SECRETS_PLACEHOLDER in plan.argv) == bool(secrets)


def test_properties_are_sorted_so_that_two_calls_are_equal() -> None:
    backwards = replace(CUSTOM, conf=dict(reversed(CUSTOM.conf.items())))
    again = build_plan(backwards, CUSTOM_TOOLS, script_digest="d" * 64, try_number=3)
    assert again.argv == PLANS["yarn_custom_with_everything"].argv
    keys = [word for before, word in zip(again.argv, again.argv[1:], strict=False) if before == "--conf"]
    assert keys == sorted(keys)


@given(st.lists(st.text()))
def test_a_scripts_arguments_are_the_last_words_as_they_are(arguments: list[str]) -> None:
    plan = build_plan(replace(CUSTOM, arguments=tuple(arguments)), CUSTOM_TOOLS, try_number=1)
    at = plan.argv.index(CUSTOM.script.path)
    assert list(plan.argv[at + 1 :]) == arguments


# --- the command as text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANS)
def test_the_shell_reads_the_command_back_word_for_word(name: str) -> None:
    plan = PLANS[name]
    words = shlex.split(shell_command(plan))
    if plan.environment:
        assert words.pop(0) == "env"
    read, rest = {}, list(words)
    while rest and rest[0] != plan.argv[0]:
        variable, _, value = rest.pop(0).partition("=")
        read[variable] = value
    assert read == plan.environment
    assert tuple(rest) == plan.argv


@given(st.lists(st.text(st.characters(exclude_characters="\0")), max_size=4))
def test_no_argument_breaks_the_quoting(arguments: list[str]) -> None:
    plan = build_plan(replace(CUSTOM, arguments=tuple(arguments)), Toolchain(), try_number=1)
    assert tuple(shlex.split(shell_command(replace(plan, environment={})))) == plan.argv


def test_a_command_without_environment_needs_no_env() -> None:
    assert shell_command(PLANS["dry_run"]).startswith("spark-submit --master yarn")


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_in_the_plans_own_field_and_nowhere_else() -> None:
    plan = PLANS["yarn_secrets"]
    assert plan.secrets == {key: value.value for key, value in SECRET_CONF.items()}
    assert "hunter2" not in " ".join([*plan.argv, *plan.environment.values(), shell_command(plan)])
    text = json.dumps(plan_json(plan))
    assert "hunter2" not in text
    assert plan_json(plan)["secret_keys"] == sorted(SECRET_CONF)
    at = plan.argv.index("--properties-file")
    assert plan.argv[at + 1] == SECRETS_PLACEHOLDER


# --- tags -------------------------------------------------------------------------------------------------------------


def test_what_the_environment_or_an_address_holds_is_not_shown() -> None:
    opts = "-Dx=y -Djavax.net.ssl.trustStorePassword=hunter2"
    spec = replace(CUSTOM, storage_root="s3a://key:hunter2@bucket/x")
    plan = build_plan(spec, replace(TOOLS, params_file="", spark_submit_opts=opts), try_number=None)
    assert plan.environment["SPARK_SUBMIT_OPTS"] == opts, "what spark-submit gets"
    assert "hunter2" not in shell_command(plan) + json.dumps(plan_json(plan))
    assert "-Dx=y -Djavax.net.ssl.trustStorePassword=" in shell_command(plan)


def test_a_dry_run_belongs_to_no_run() -> None:
    plan = PLANS["dry_run"]
    assert plan.tags == ("batch-submit", "team-a")
    assert not any("my-run" in word for word in plan.argv)


@pytest.mark.parametrize("number", [None, 1])
def test_tags_are_checked_in_a_dry_run_too(number: int | None) -> None:
    with pytest.raises(UsageError, match="11 tags, YARN takes 10") as caught:
        build_plan(replace(TRAINING, user_tags=tuple("abcdefgh")), TOOLS, try_number=number)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_local_run_has_no_tags() -> None:
    assert PLANS["local_training"].tags == ()


# --- fingerprints -----------------------------------------------------------------------------------------------------


def test_a_built_in_jobs_fingerprint_is_its_parameters_and_not_its_names() -> None:
    one = fingerprint_of(TRAINING, "digest of today")
    renamed = replace(TRAINING, name="b", params=replace(PARAMS, name="b", run_id="other"), conf={})
    assert fingerprint_of(renamed, "digest after an upgrade").digest == one.digest
    other = fingerprint_of(replace(TRAINING, params=replace(PARAMS, seed=43)), "")
    assert other.difference(one.parts) == ["params.seed: 42 -> 43"]


def test_a_scripts_fingerprint_is_its_content_and_arguments() -> None:
    one = fingerprint_of(CUSTOM, "d1")
    assert fingerprint_of(replace(CUSTOM, name="b", conf={}), "d1").digest == one.digest
    assert fingerprint_of(CUSTOM, "d2").difference(one.parts) == ["script: d1 -> d2"]
    shorter = fingerprint_of(replace(CUSTOM, arguments=CUSTOM.arguments[:-1]), "d1")
    assert shorter.difference(one.parts) == ["argument 7: $HOME -> (not there)"]
    assert fingerprint_of(replace(CUSTOM, job_type=JobType.EVALUATION), "d1").digest != one.digest


# --- for machines -----------------------------------------------------------------------------------------------------


def test_the_plan_for_machines_says_everything_and_where_it_came_from() -> None:
    data = json.loads(json.dumps(plan_json(PLANS["yarn_custom_with_everything"])))
    assert data["argv"] == list(PLANS["yarn_custom_with_everything"].argv)
    assert data["environment"]["HADOOP_CONF_DIR"] == data["environment"]["YARN_CONF_DIR"] == "/etc/hadoop/conf"
    assert data["files"]["files"][0] == {"path": "/etc/x.csv", "link": "lookup.csv", "origin": "c.yaml:6"}
    assert data["origins"]["spark.app.text"] == "c.yaml:9"
    assert data["origins"]["spark.yarn.tags"] == "this run"
    assert (data["queue"], data["params"], data["deploy_mode"]) == ("etl", None, "cluster")
    assert data["tags"][:3] == ["batch-submit", "run:my-run", "try:my-run.3"]
    assert plan_json(PLANS["yarn_training"])["params"] == json.loads(PARAMS.to_json())


def test_kerberos_has_flags_of_spark_submits_own() -> None:
    login = conf(kerberos_principal="etl@X", kerberos_keytab="/k")
    argv = build_plan(replace(CUSTOM, conf={**BASE, **login}), TOOLS, try_number=1).argv
    assert argv[argv.index("--principal") + 1] == "etl@X" and argv[argv.index("--keytab") + 1] == "/k"
    assert not [word for word in argv if word.startswith("spark.kerberos")]
    argv = build_plan(replace(CUSTOM, proxy_user="alice"), TOOLS, try_number=1).argv
    assert argv[argv.index("--proxy-user") + 1] == "alice"
