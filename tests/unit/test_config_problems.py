"""Variables and flags are checked like the file, and whatever is wrong anywhere stands in one report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ConfigError
from batch_submit.plan.config import Path, Sourced
from tests.unit.merged_config import build, problems

JOB = "job_specific_config: {training: {%s}}"


# --- variables and flags ----------------------------------------------------------------------------------------------


def test_variables_are_checked_like_the_file() -> None:
    config = build(
        JOB % "files: [a]",
        variables={
            "BATCH_SUBMIT_EXECUTION__TIMEOUT": "1h30m",
            "BATCH_SUBMIT_STORAGE_ROOT": "/data",
            "BATCH_SUBMIT_SPARK_CONFIG__spark.sql.ansi.enabled": "true",
            "BATCH_SUBMIT_MODEL_CONFIG__HYPERPARAMETERS": "{max_depth: 3}",
            "BATCH_SUBMIT_MODEL_CONFIG__SEED": "7",
            "BATCH_SUBMIT_MODEL_CONFIG__LABEL_EXPRESSION": "a > 1 # not a comment",
            "BATCH_SUBMIT_JOB_SPECIFIC_CONFIG__TRAINING__FILES": "b, c",
            "BATCH_SUBMIT_JOB_SPECIFIC_CONFIG__PREDICTION__FILES": "d",
            "BATCH_SUBMIT_PYTHON": "/usr/bin/python3",
            "BATCH_SUBMIT_EXECUTION__RM_PATIENCE": "null",
            "SPARK_EXECUTOR_MEMORY": "99g",
        },
    )
    assert config.duration_s("execution.timeout") == 5400
    assert config.value("storage_root") == "/data"
    assert config.value("spark.sql.ansi.enabled") == "true"
    assert config.value("model_config.hyperparameters") == {"max_depth": 3}
    assert config.value("model_config.seed") == 7
    assert config.value("model_config.label_expression") == "a > 1 # not a comment"
    assert config.value("job.files") == ("a", "b", "c")
    assert config.get("execution.rm_patience") is None
    assert config.get("spark.executor.memory") is None
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("BATCH_SUBMIT_EXECUTION__TIMEOT", "1h", "unknown key (did you mean 'BATCH_SUBMIT_EXECUTION__TIMEOUT'?)"),
        ("BATCH_SUBMIT_EXECUTION__TIMEOUT", "90", "missing unit"),
        ("BATCH_SUBMIT_EXECUTION__TIMEOUT", "", "is empty"),
        ("BATCH_SUBMIT_PROFILES__X", "{}", "can't be set by a variable"),
        ("BATCH_SUBMIT_EXECUTION__KILL_ON_EXIT", "yes", "did you mean true?"),
        ("BATCH_SUBMIT_MODEL_CONFIG__SEED", "010", "octal"),
        ("BATCH_SUBMIT_MODEL_CONFIG__HYPERPARAMETERS", "{a: ", "not valid YAML"),
        ("BATCH_SUBMIT_FOO__BAR", "1", "known sections"),
        ("BATCH_SUBMIT_JOB_SPECIFIC_CONFIG__TRAINNG__FILES", "1", "unknown"),
    ],
)
def test_bad_variables(name: str, text: str, message: str) -> None:
    found = problems(variables={name: text})
    assert len(found) == 1
    assert found[0].startswith(f"variable {name}: ")
    assert message in found[0]


def test_a_near_miss_without_two_underscores_gives_a_warning() -> None:
    assert build(variables={"BATCH_SUBMIT_EXECUTION_TIMEOUT": "1h", "BATCH_SUBMIT_HOME": "/x"}).warnings == (
        "variable BATCH_SUBMIT_EXECUTION_TIMEOUT is not one of ours and has no effect "
        "(did you mean 'BATCH_SUBMIT_EXECUTION__TIMEOUT'?)",
    )


def test_flags_of_every_python_type() -> None:
    config = build(
        flags={
            ("spark_config", "num_executors"): (50, "--num-executors"),
            ("spark_config", "spark.a"): (True, "--conf"),
            ("execution", "kill_on_exit"): (True, "--kill-on-exit"),
            ("execution", "timeout"): (None, "--timeout"),
            ("job", "app_args"): (["a", "", 1], "--app-arg"),
            ("job", "batch_size"): ("10", "--batch-size"),
            ("model_config", "hyperparameters"): ({"a": 1, "b": "0.5"}, "--hyperparameters"),
        }
    )
    assert config.get("spark_config.num_executors") == Sourced(
        "50", "flag --num-executors", key="spark_config.num_executors"
    )
    assert config.value("spark.a") == "true"
    assert config.value("execution.kill_on_exit") is True
    assert config.get("execution.timeout") is None
    assert config.value("job.app_args") == ("a", "", "1")
    assert config.value("job.batch_size") == 10
    assert config.value("model_config.hyperparameters") == {"a": 1, "b": 0.5}


def test_bad_flags() -> None:
    found = problems(
        flags={
            ("spark_config", "executor_memory"): ("8", "--executor-memory"),
            ("security_config", "keystore_password"): ("hunter2", "--keystore-password"),
            ("job", "nope"): ("1", "--nope"),
        }
    )
    assert found[0] == "flag --executor-memory: spark_config.executor_memory: missing unit: write 8g"
    assert "everybody on this host can read it" in found[1]
    assert found[2].startswith("flag --nope: job.nope: unknown key")
    assert "hunter2" not in "\n".join(found)


# --- what is wrong, all at once ---------------------------------------------------------------------------------------


def test_every_problem_of_every_source_is_in_one_report() -> None:
    main = (
        "spark_confg: {}\n"
        "execution: {timeout: 90, backend: yarm, launcher: rst}\n"
        "spark_config:\n"
        "  queue: on\n"
        "  queue: b\n"
        "  spark.jars: [a, b]\n"
        "job_specific_config: {etl: {}, training: {custom_spark_conf: {executor_memory: 4g}}}\n"
        "profiles: {p: {profiles: {}, resource_limits: {max_total_core: 4}}}\n"
        "data_config: {foo: 1, x_path: {{ ds }}}\n"
        "security_config: null\n"
        "resource_limits: [1]\n"
    )
    found = problems(
        main,
        overlay="execution: {timeout: 1:30}",
        site="spark.a \\u00zz",
        env="prod",
        profile="q",
        variables={"BATCH_SUBMIT_EXECUTION__X": "1"},
        flags={("spark_config", "num_executors"): ("ten", "--num-executors")},
    )
    for start, part in (
        ("c.yaml:1: spark_confg: ", "unknown section (did you mean 'spark_config'?)"),
        ("c.yaml:2: execution.timeout: ", "missing unit"),
        ("c.yaml:2: execution.backend: ", "did you mean 'yarn'?"),
        ("c.yaml:2: execution.launcher: ", "did you mean 'rest'?"),
        ("c.yaml:4: spark_config.queue: ", '"on" in quotes'),
        ("c.yaml:5: spark_config.queue: ", "already stands on line 4"),
        ("c.yaml:6: spark_config.spark.jars: ", 'write one text with commas: "a,b"'),
        ("c.yaml:7: job_specific_config.etl: ", "did you mean 'data_processing'?"),
        ("c.yaml:7: job_specific_config.training.custom_spark_conf.executor_memory: ", "'spark.executor.memory'"),
        ("c.yaml:8: profiles.p.profiles: ", "only at the top"),
        ("c.yaml:8: profiles.p.resource_limits.max_total_core: ", "did you mean 'max_total_cores'?"),
        ("c.yaml:9: data_config.foo: ", "unknown key"),
        ("c.yaml:9: data_config.x_path: ", 'write "{{ ds }}" in quotes'),
        ("c.yaml:10: security_config: ", "can't be removed as a whole"),
        ("c.yaml:11: resource_limits: ", "expected a map"),
        ("c_prod.yaml:1: execution.timeout: ", "the number 90"),
        ("spark-defaults.conf:1: ", "malformed"),
        ("--profile: unknown profile 'q'", "existing profiles: p"),
        ("variable BATCH_SUBMIT_EXECUTION__X: ", "unknown key"),
        ("flag --num-executors: spark_config.num_executors: ", "found ten"),
    ):
        assert any(line.startswith(start) and part in line for line in found), (start, part, found)
    assert len(found) == 20


def test_an_unknown_environment_names_both_places_and_what_exists() -> None:
    found = problems("environments: {dev: {}, production: {}}", env="prod")
    assert found == [
        "--env: unknown environment 'prod': neither environments.prod in c.yaml nor c_prod.yaml exists "
        "(did you mean 'production'? existing environments: dev, production)"
    ]


def test_an_unknown_job_type() -> None:
    assert problems(job_type="trainng") == ["--type: unknown job type 'trainng' (did you mean 'training'?)"]
    assert build(job_type="etl").job_type == "data_processing"


@pytest.mark.parametrize("text", ["[]", "just text", "- a\n- b", "5"])
def test_a_file_that_is_no_map(text: str) -> None:
    assert "the file must be a map of sections" in problems(text)[0]


def test_the_sites_sizes_are_read_as_spark_reads_them() -> None:
    assert build(site="spark.executor.memory 8192").memory_mib("spark.executor.memory") == 8192
    assert "fractions are not allowed" in problems(site="spark.executor.memory 1.5g")[0]
    assert build("spark_config: {executor_memory: 2g}", site="spark.executor.memory 1.5g").warnings == ()
    assert len(build(site="hadoop.x 1").warnings) == 1


def test_empty_sections_are_no_problem() -> None:
    config = build("spark_config:\nenvironments:\n  prod:\nprofiles:\njob_specific_config:\n  training:\n", env="prod")
    assert set(config.values) == set(build().values)


def test_looking_values_up() -> None:
    config = build("storage_root: /x\nspark_config: {executor_memory: 8G}\nexecution: {timeout: 90s}")
    assert config.value(("storage_root",)) == "/x"
    assert config.memory_mib("spark_config.executor_memory") == 8192
    assert config.memory_mib("spark_config.driver_memory") is None
    assert config.text("spark.executor.memory") == "8g"
    assert config.value("execution.nope", 5) == 5
    assert config.items("job.files") == ()
    with pytest.raises(TypeError):
        config.values[("a",)] = Sourced(1, "x")  # type: ignore[index]


@given(
    st.dictionaries(st.sampled_from(["queue", "num_executors", "spark.a", "x", ""]), st.text(max_size=8), max_size=3)
)
def test_any_value_gives_a_configuration_or_a_config_error(values: dict[str, str]) -> None:
    flags: dict[Path, tuple[object, str]] = {
        ("spark_config", key): (value, f"--{key}") for key, value in values.items()
    }
    try:
        config = build(flags=flags)
    except ConfigError as error:
        assert error.details
    else:
        assert all(value.origin == "default" or value.origin.startswith("flag --") for value in config.values.values())


def test_a_password_inside_an_address_is_not_shown() -> None:
    (problem,) = problems("environment_config: {resourcemanager_webapp_url: 'http://bob:s3cret@localhost:8188'}")
    assert "resourcemanager_webapp_url" in problem and "s3cret" not in problem


@pytest.mark.parametrize("text", ["--password s3cret --x 1", "--db-password=s3cret", "https://u:s3cret@h/x"])
def test_arguments_in_one_word_are_corrected_without_their_secrets(text: str) -> None:
    (problem,) = problems(JOB % f"app_args: '{text}'")
    assert "found one word (write [" in problem and "s3cret" not in problem


def test_a_local_path_starts_at_the_file_that_names_it() -> None:
    config = build("security_config: {ca_bundle: certs/ca.pem}")
    assert config.local_path("security_config.ca_bundle") == "/conf/certs/ca.pem"
    assert build("security_config: {ca_bundle: /etc/ca.pem}").local_path("security_config.ca_bundle") == "/etc/ca.pem"
    assert build("").local_path("security_config.ca_bundle") == ""
