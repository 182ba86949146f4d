"""From the configuration and a call to a job: what is refused, what is decided, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from batch_submit.errors import (
    BatchSubmitError,
    ConfigError,
    ExitCode,
    LimitExceeded,
    UnsafeForContainer,
    UsageError,
)
from batch_submit.plan import job_params
from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.config import Config, ConfigSources, Path, Sourced, SourceText, build_config
from batch_submit.plan.identity import RunId
from batch_submit.plan.job_spec import Call, build_spec
from batch_submit.plan.proxy_user import refuse_hadoops_own
from batch_submit.plan.shipped_files import Places
from batch_submit.plan.submission import JobSpec, ShippedFile
from ml_pipeline_framework.contract import JobType, TrainingParams

PLACES = Places(cwd="/cwd", config_folder="/conf", job_scripts="/opt/ours/scripts")
MY_SCRIPT = ShippedFile("/cwd/my_job.py", "my_job.py", "flag --script")
TRAINING = """\
model_config:
  model_name: arrival-delay
  label_column: late
  label_expression: "arr_delay > 15"
  key_columns: [year, flight]
data_config:
  training_data_path: data/flights.parquet
"""


def spec(
    text: str = "",
    *,
    job: JobType = JobType.CUSTOM,
    backend: str = YARN,
    variables: Mapping[str, str] | None = None,
    flags: Mapping[Path, tuple[object, str]] | None = None,
    script: ShippedFile | None = MY_SCRIPT,
    kerberos: bool = False,
    **call: object,
) -> JobSpec:
    variables = variables or {}

    def config_of(kind: JobType) -> Config:
        return build_config(
            sources=ConfigSources(SourceText(text, "c.yaml", "/conf")),
            job_type=kind.value,
            env=None,
            profile=None,
            variables=variables,
            flags=flags or {},
        )

    typed = Call(job, "My Job", RunId("my-run"), date(2013, 2, 3), **call)  # type: ignore[arg-type]
    return build_spec(
        config_of(job),
        typed,
        backend=backend,
        places=PLACES,
        script=script,
        variables=variables,
        config_of=config_of,
        kerberos=kerberos,
    )


def training(text: str = TRAINING, *, backend: str = YARN, **more: object) -> JobSpec:
    return spec(text, job=JobType.TRAINING, backend=backend, script=None, **more)  # type: ignore[arg-type]


def refused(kind: type[BatchSubmitError], text: str = "", **more: object) -> BatchSubmitError:
    with pytest.raises(kind) as caught:
        spec(text, **more)  # type: ignore[arg-type]
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.next_step or caught.value.where
    return caught.value


# --- our own jobs -----------------------------------------------------------------------------------------------------


def test_our_job_gets_one_script_no_arguments_and_its_parameters() -> None:
    job = training()
    assert job.script == ShippedFile("/opt/ours/scripts/run_training.py", "run_training.py", "built-in job")
    assert job.arguments == ()
    assert isinstance(job.params, TrainingParams)
    assert job.params.run_id == "my-run" and job.params.name == "My Job"
    assert job.params.input_path == "/ml-pipeline/data/flights.parquet"
    assert job.params.model_path == "/ml-pipeline/models/arrival-delay/my-run"
    assert job.params.metrics_path == "/ml-pipeline/metrics/arrival-delay/my-run/metrics.json"


def test_on_a_laptop_the_paths_are_files_beside_the_configuration() -> None:
    job = training(backend=LOCAL)
    assert isinstance(job.params, TrainingParams)
    assert job.params.input_path == "file:///conf/ml-pipeline/data/flights.parquet"
    assert job.storage_root == "/conf/ml-pipeline"


def test_flags_of_the_job_come_last_and_dates_are_filled_in_both() -> None:
    text = TRAINING.replace("data/flights.parquet", '"in/%Y"')
    assert training(text).params.input_path == "/ml-pipeline/in/2013"  # type: ignore[union-attr]
    job = training(text, app_args="--input-path 'in/{{ ds }}' --output-path out", app_arg=("--seed",), rest=("7",))
    assert isinstance(job.params, TrainingParams)
    assert (job.params.input_path, job.params.model_path) == ("/ml-pipeline/in/2013-02-03", "/ml-pipeline/out")
    assert job.params.seed == 7


def test_every_problem_of_the_parameters_is_reported_with_its_place() -> None:
    text = TRAINING.replace("arrival-delay", '"../x"') + "job_specific_config: {training: {batch_size: 5}}\n"
    error = refused(ConfigError, text + "resource_limits: {}\n", job=JobType.TRAINING, script=None)
    assert error.message == "2 problem(s) with the parameters of the training job"
    assert any(line.startswith("c.yaml:2: model_config.model_name: ") for line in error.details)
    assert any(line.startswith("c.yaml:8: job.batch_size: is not known") for line in error.details)
    assert error.next_step == "batch-submit config check -t training"


def test_flags_that_the_job_does_not_know_are_all_named() -> None:
    error = refused(ConfigError, TRAINING, job=JobType.TRAINING, script=None, rest=("--sed", "7", "--test-size", "2"))
    assert len(error.details) == 2
    assert any("--sed" in line and "did you mean" in line for line in error.details)
    assert any("--test-size" in line for line in error.details)


def test_an_unknown_date_directive_names_the_line_of_the_path() -> None:
    with pytest.raises(UsageError, match=r"unknown date directive '%H'") as caught:
        training(TRAINING.replace("data/flights.parquet", "in/%H"))
    assert caught.value.where == "c.yaml:7: data_config.training_data_path"


def test_dates_are_filled_in_paths_of_the_jobs_own_section_however_deep() -> None:
    day = date(2013, 2, 3)
    value = {"flights": {"path": "raw/%Y"}, "steps": [{"filter": "x % 2 = 0"}, {"write": {"path": ["a/{{ ds }}"]}}]}
    filled = job_params._dated(value, "inputs", day, where="here")
    assert filled == {
        "flights": {"path": "raw/2013"},
        "steps": [{"filter": "x % 2 = 0"}, {"write": {"path": ["a/2013-02-03"]}}],
    }
    assert job_params._dated({"a": "raw/%Y"}, "inputs", day, where="here") == {"a": "raw/2013"}
    with pytest.raises(UsageError) as caught:
        job_params._dated(value | {"late": {"path": "in/%H"}}, "inputs", day, where="c.yaml:4: inputs")
    assert caught.value.where == "c.yaml:4: inputs.late.path"


# --- a user's script --------------------------------------------------------------------------------------------------


def test_arguments_come_from_all_three_flags_in_order_with_dates() -> None:
    job = spec(app_args="--a 'two words' '' --on {{ ds }}", app_arg=("--day", "{{ ds }}"), rest=("100%%",))
    assert job.arguments == ("--a", "two words", "", "--on", "2013-02-03", "--day", "2013-02-03", "100%")
    assert job.params is None


def test_letters_beyond_ascii_are_read_as_utf8_unless_the_user_says_how() -> None:
    key = "spark.yarn.appMasterEnv.LC_CTYPE"
    assert spec(app_arg=("Zürich",)).conf[key] == Sourced("C.UTF-8", "default (arguments beyond ASCII)")
    assert key not in spec(app_arg=("Zurich",)).conf
    assert key not in spec(app_arg=("Zürich",), backend=LOCAL).conf
    own = spec("spark_config: {spark.yarn.appMasterEnv.LC_ALL: en_US.utf8}", app_arg=("Zürich",))
    assert key not in own.conf


def test_configured_arguments_are_replaced_by_typed_ones() -> None:
    text = 'job_specific_config: {custom: {app_args: [--mode, "%Y", "a b"]}}'
    assert spec(text).arguments == ("--mode", "2013", "a b")
    assert spec(text, rest=("x",)).arguments == ("x",)


def test_quotes_that_do_not_close_are_an_error_with_a_way_out() -> None:
    error = refused(UsageError, app_args="--a 'b")
    assert "--app-args can't be split into words: No closing quotation" in error.message
    assert "--app-arg" in error.next_step


def test_an_unknown_placeholder_names_the_arguments_position() -> None:
    error = refused(UsageError, rest=("--day", "{{ dss }}"))
    assert error.where == "argument 2"


def test_keys_of_the_built_in_job_that_a_script_does_not_get_are_said() -> None:
    job = spec("job_specific_config: {custom: {batch_size: 5}}")
    assert any("batch_size=5 (c.yaml:1) is for the built-in job" in notice for notice in job.notices)


# --- the Spark conf ---------------------------------------------------------------------------------------------------


def test_every_value_of_the_conf_knows_its_origin() -> None:
    job = spec(
        "spark_config: {num_executors: 3}\njob_specific_config: {custom: {custom_spark_conf: {spark.a: x}}}",
        flags={("spark_config", "queue"): ("etl", "--queue")},
    )
    assert job.conf["spark.executor.instances"].origin == "c.yaml:1"
    assert job.conf["spark.a"].origin == "c.yaml:2"
    assert job.conf["spark.yarn.queue"].origin == "flag --queue"
    assert job.conf["spark.yarn.maxAppAttempts"].value == "1"
    assert job.queue == "etl"


def test_what_this_tool_decides_is_not_left_to_the_conf_and_that_is_said() -> None:
    job = spec("spark_config: {spark.master: local, spark.app.name: x, spark.yarn.submit.waitAppCompletion: true}")
    for key in ("spark.master", "spark.app.name", "spark.yarn.submit.waitAppCompletion"):
        assert key not in job.conf
        assert any(notice.startswith(f"{key}=") and "(c.yaml:1) is not used" in notice for notice in job.notices)


def test_on_a_laptop_the_clusters_keys_are_left_out() -> None:
    text = """\
spark_config: {num_executors: 2, executor_cores: 2, executor_memory: 2g, driver_memory: 3g, queue: etl,
  spark.dynamicAllocation.enabled: true, spark.eventLog.enabled: true, spark.sql.x: 1, spark.yarn.tags: "a,b"}"""
    job = spec(text, backend=LOCAL)
    assert sorted(key for key in job.conf if not key.startswith("spark.sql.adaptive")) == [
        "spark.driver.memory",
        "spark.sql.x",
    ]
    assert (job.deploy_mode, job.user_tags, job.queue) == ("client", (), "")


def test_the_users_tags_leave_the_conf() -> None:
    job = spec('spark_config: {spark.yarn.tags: " a, b ,,c"}')
    assert job.user_tags == ("a", "b", "c")
    assert "spark.yarn.tags" not in job.conf


def test_deploy_mode() -> None:
    assert spec().deploy_mode == "cluster"
    assert spec("spark_config: {deploy_mode: client}").deploy_mode == "client"


def test_python_path_is_the_interpreter_of_driver_and_executors() -> None:
    text = "spark_config: {spark.pyspark.python: /from/file}"
    job = spec(text, variables={"PYTHON_PATH": "/env/bin/python"})
    for key in ("spark.pyspark.python", "spark.pyspark.driver.python"):
        assert job.conf[key] == Sourced("/env/bin/python", "variable PYTHON_PATH")
    typed = spec(
        variables={"PYTHON_PATH": "/env"},
        flags={("spark_config", "spark.pyspark.python"): ("/typed", "--conf")},
    )
    assert typed.conf["spark.pyspark.python"].value == "/typed"
    assert typed.conf["spark.pyspark.driver.python"].value == "/env"


LIMITED = "resource_limits: {max_driver_memory: 2g, max_total_cores: 4}\nspark_config: {driver_memory: 3g}"


def test_limits_are_checked_on_the_merged_plan() -> None:
    error = refused(LimitExceeded, LIMITED)
    assert error.details == (
        "spark.driver.memory=3g (c.yaml:2) is above resource_limits.max_driver_memory=2g (c.yaml:1)",
    )


@pytest.mark.parametrize("backend", [YARN, LOCAL])
def test_what_was_clamped_is_said_on_every_backend(backend: str) -> None:
    job = spec(LIMITED, backend=backend, clamp=True)
    assert job.conf["spark.driver.memory"].value == "2g"
    assert any(notice.startswith("clamped: spark.driver.memory=3g") for notice in job.notices)


def test_dynamic_allocation_turns_num_executors_into_the_initial_count() -> None:
    job = spec("spark_config: {num_executors: 3, spark.dynamicAllocation.enabled: true}")
    assert job.conf["spark.dynamicAllocation.initialExecutors"].value == "3"
    assert "spark.executor.instances" not in job.conf


@pytest.mark.parametrize("backend", [YARN, LOCAL])
@pytest.mark.parametrize("key", ["driver.extraJavaOptions", "driver.defaultJavaOptions", "executor.extraJavaOptions"])
def test_the_heap_is_not_set_among_java_options(key: str, backend: str) -> None:
    error = refused(UsageError, f"spark_config: {{spark.{key}: '-Da=1 \"-Xmx4g\"'}}", backend=backend)
    assert error.message == f"spark.{key} holds -Xmx4g, which Spark refuses among Java options"
    assert error.where == "c.yaml:1" and f"--{key.partition('.')[0]}-memory" in str(error.next_step)
    spec(f"spark_config: {{spark.{key}: -Dname=-Xmx4g -Xms1g}}", backend=backend)


# --- security ---------------------------------------------------------------------------------------------------------


def test_kerberos_takes_principal_and_keytab_beside_the_configuration() -> None:
    text = "security_config: {enable_kerberos: true, principal: etl@X, keytab: etl.keytab}"
    job = spec(text, kerberos=True)
    assert job.conf["spark.kerberos.principal"].value == "etl@X"
    assert job.conf["spark.kerberos.keytab"].value == "/conf/etl.keytab"
    assert "spark.kerberos.keytab" not in spec(text, backend=LOCAL).conf
    assert "spark.kerberos.keytab" not in spec(text).conf, "a cluster without Kerberos"
    alone = spec("security_config: {enable_kerberos: true, principal: etl@X}", kerberos=True)
    assert not [key for key in alone.conf if key.startswith("spark.kerberos")], "the user's own ticket"


def test_a_keytab_without_a_principal_is_an_error_on_every_cluster() -> None:
    error = refused(UsageError, "security_config:\n  enable_kerberos: true\n  keytab: /k\n")
    assert "needs security_config.principal too" in error.message
    assert (error.where, error.next_step) == ("c.yaml:3", "add principal: to security_config (submit: --principal)")


def test_hadoops_own_variable_may_only_say_the_same() -> None:
    refuse_hadoops_own({}, "")
    refuse_hadoops_own({"HADOOP_PROXY_USER": " "}, "")
    refuse_hadoops_own({"HADOOP_PROXY_USER": "bob"}, "bob")
    for acts_for, told in (("", "would not"), ("alice", "for alice")):
        with pytest.raises(UsageError, match=f"HADOOP_PROXY_USER names bob.*{told}"):
            refuse_hadoops_own({"HADOOP_PROXY_USER": "bob"}, acts_for)


def test_a_proxy_user_is_named_to_spark_submit_and_never_with_a_keytab() -> None:
    assert spec("security_config: {proxy_user: alice}").proxy_user == "alice"
    assert spec("security_config: {proxy_user: alice}", backend=LOCAL).proxy_user == ""
    keytab = "security_config:\n  enable_kerberos: true\n  principal: etl@X\n  keytab: /k\n  proxy_user: alice"
    error = refused(UsageError, keytab)
    assert "a proxy user and a keytab exclude each other" in error.message and error.where == "c.yaml:5"


# --- what may travel --------------------------------------------------------------------------------------------------


def test_what_yarn_rewrites_is_refused_with_everything_that_is_wrong() -> None:
    error = refused(
        UnsafeForContainer,
        "execution: {launcher: spark-submit}\n"
        "spark_config: {spark.executorEnv.API_TOKEN: t0p}\njob_specific_config: {custom: {files: ['a`.csv']}}",
        rest=('{"a":{"b":1}}', "--db-password=t0p"),
    )
    assert len(error.details) == 4
    assert error.details[0].startswith("argument 1 ")
    assert "(c.yaml:2)" in error.details[3]
    assert "t0p" not in str(error)


def test_on_a_laptop_there_is_no_container() -> None:
    assert spec(backend=LOCAL, rest=("`date`",)).arguments == ("`date`",)


# --- time limits ------------------------------------------------------------------------------------------------------

FLAG: dict[Path, tuple[object, str]] = {("execution", "timeout"): ("1m", "--timeout")}
VARIABLE = {"BATCH_SUBMIT_EXECUTION__TIMEOUT": "2m"}
JOB = "execution: {timeout: 5m}\njob_specific_config: {prediction: {timeout: 3m, prediction_timeout: 4m}}"
PREDICTION = "execution: {timeout: 5m}\njob_specific_config: {prediction: {prediction_timeout: 4m}}"


@pytest.mark.parametrize(
    ("text", "variables", "flags", "seconds"),
    [
        (JOB, VARIABLE, FLAG, 60),
        (JOB, VARIABLE, {}, 120),
        (JOB, {}, {}, 180),
        (PREDICTION, {}, {}, 240),
        ("execution: {timeout: 5m}", {}, {}, 300),
        ("", {}, {}, None),
    ],
)
def test_time_limits_follow_the_order_of_the_layers(
    text: str, variables: dict[str, str], flags: dict[Path, tuple[object, str]], seconds: float | None
) -> None:
    job = spec(text, job=JobType.PREDICTION, variables=variables, flags=flags)
    assert job.timeout_s == seconds
    assert job.wait_timeout_s is None


def test_prediction_timeout_is_for_predictions_only() -> None:
    text = "job_specific_config: {custom: {prediction_timeout: 4m, wait_timeout: 90s}}"
    assert spec(text).timeout_s is None
    assert spec(text).wait_timeout_s == 90
