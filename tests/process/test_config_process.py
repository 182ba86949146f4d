"""``config show``, ``config check``, ``-c`` and ``init-hdfs`` as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.door import CONFIG, REPOSITORY, Door, conf_of


def test_show_prints_the_merged_result_with_every_origin(door: Door) -> None:
    door.write_config(
        "execution: {log_file: our.log}\nspark_config:\n  executor_memory: 2g\n"
        "profiles:\n  big:\n    spark_config:\n      executor_memory: 8g\n"
    )
    variables = {"BATCH_SUBMIT_EXECUTION__TIMEOUT": "2h"}
    outcome = door.run("config", "show", "--origin", "--profile", "big", env=variables)
    assert outcome.code == 0, outcome.err
    for text in ("8g", "job_config.yaml:7", "variable BATCH_SUBMIT_EXECUTION__TIMEOUT", "default"):
        assert text in outcome.out
    assert door.rm.asked == []


def test_show_masks_secrets(door: Door) -> None:
    door.write_config(CONFIG + "spark_config: {spark.my.password: hunter2}\n")
    for flags in ([], ["--origin"], ["--json"]):
        outcome = door.run("config", "show", *flags)
        assert outcome.code == 0 and "hunter2" not in outcome.out + outcome.err


def test_check_reports_all_problems_without_a_cluster(door: Door) -> None:
    door.rm.stop()
    door.write_config(
        "spark_config:\n  executor_memory: 8\n  num_executers: 2\n  driver_memory: 1:30\n"
        "execution:\n  backend: yarm\n  timeout: 5\nexecutoin: {}\ndata_config:\n  training_data_path: {{ ds }}\n"
    )
    outcome = door.run("config", "check")
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    for line in (2, 3, 4, 6, 7, 8):
        assert f"job_config.yaml:{line}: " in outcome.err, outcome.err
    for nearest in ("num_executors", "'yarn'", "execution"):
        assert nearest in outcome.err


def test_a_problem_without_details_is_a_problem_too(door: Door) -> None:
    (door.work / "job_config.yaml").write_bytes(b"execution:\n  log_file: caf\xe9.log\n")
    outcome = door.run("config", "check")
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert outcome.said("has a problem", "job_config.yaml:2: not UTF-8", "save the file as UTF-8")
    missing = door.run("config", "check", "-c", "nowhere.yaml")
    assert missing.code == 2 and missing.said("no configuration file nowhere.yaml")


@pytest.mark.parametrize("verb", ["show", "check"])
def test_an_unknown_job_type_is_a_usage_error_with_the_known_names(door: Door, verb: str) -> None:
    outcome = door.run("config", verb, "-t", "foo")
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert outcome.said("--type", "'foo'", "training", "custom")
    alias = door.run("config", verb, "-t", "etl")  # data_processing, of which this file says nothing
    assert alias.code == 0 if verb == "show" else alias.said("job.inputs: there is no input"), alias.err


def test_problems_as_json(door: Door) -> None:
    door.write_config("execution:\n  timeout: 5\n  backend: yarm\n")
    outcome = door.run("config", "check", "--json")
    assert outcome.code == 2 and outcome.said("has 2 problems", "job_config.yaml:2: ", "job_config.yaml:3: ")
    assert outcome.json["ok"] is False
    assert outcome.json["config"] == str(door.work / "job_config.yaml")
    assert [line.split(": ")[0] for line in outcome.json["problems"]] == ["job_config.yaml:2", "job_config.yaml:3"]
    door.write_config("\n" + CONFIG)
    assert door.run("config", "check", "--json").json["ok"] is True


def test_custom_is_checked_before_it_has_a_script(door: Door) -> None:
    door.write_config(
        "resource_limits: {max_executor_memory: 2g}\nspark_config: {executor_memory: 8g}\n"
        "job_specific_config: {custom: {files: [nowhere.csv]}}\n"
    )
    outcome = door.run("config", "check", "-t", "custom")
    assert outcome.code == 2 and outcome.said("has a problem", "resource_limits", "job_config.yaml:2"), outcome.err
    door.write_config("job_specific_config: {custom: {files: [nowhere.csv]}}\n")
    outcome = door.run("config", "check", "-t", "custom")
    assert outcome.code == 2 and outcome.said("has a problem", "nowhere.csv (job_config.yaml:1)"), outcome.err
    door.write_config("job_specific_config: {custom: {files: [job.py]}}\n")
    assert door.run("config", "check", "-t", "custom").code == 0


def test_a_script_that_is_a_folder_is_a_problem(door: Door) -> None:
    (door.work / "jobs").mkdir()
    door.write_config("job_specific_config: {custom: {script: jobs}}\n")
    outcome = door.run("config", "check")
    assert outcome.code == 2 and outcome.said("has a problem", "job_config.yaml:1", "directory", "jobs"), outcome.err


def test_an_address_that_no_cluster_has_is_a_problem_of_the_file(door: Door) -> None:
    door.write_config("environment_config:\n  resourcemanager_webapp_url: ftp://x:99\n")
    outcome = door.run("config", "check")
    assert outcome.code == 2 and outcome.said("has a problem", "job_config.yaml:2: ", "ftp://"), outcome.err


def test_the_clusters_rules_hold_where_only_etc_hadoop_conf_names_it(door: Door) -> None:
    """``app_args`` that YARN would rewrite are a problem on a cluster only, and with spark-submit."""
    config = CONFIG.replace("execution:", "execution:\n  launcher: spark-submit")
    door.write_config(config + "    app_args: ['`date`']\n")
    bare = {"HADOOP_CONF_DIR": None}
    assert door.run("config", "check", env=bare).code == 0
    patch = "from batch_submit.services import Services; Services.etc_names_resourcemanager = lambda self: True"
    assert door.run("config", "check", env=bare, program=door.changed_program(patch)).code == 2


def test_a_configuration_for_scripts_alone_has_no_problem(door: Door) -> None:
    outcome = door.run("config", "check")
    assert outcome.code == 0, outcome.err
    named = door.run("config", "check", "-t", "training")
    assert named.code == 2 and named.said("label_column")
    door.write_config(CONFIG + "  prediction: {files: [nowhere.csv]}\n")
    assert door.run("config", "check").said("has a problem", "nowhere.csv")


def test_the_shipped_file_is_right_on_a_laptop_and_on_a_cluster_host(door: Door) -> None:
    shipped = str(REPOSITORY / "job_config.yaml")
    for conf in (None, door.env["HADOOP_CONF_DIR"]):
        assert door.run("config", "check", "-c", shipped, env={"HADOOP_CONF_DIR": conf}).code == 0
    log = {"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)}
    cluster = door.run("submit", "-t", "training", "-c", shipped, "--dry-run", "--json", env=log).json
    assert (cluster["backend"], cluster["storage_root"]) == ("yarn", "/ml-pipeline")
    bare = {**log, "HADOOP_CONF_DIR": None}
    laptop = door.run("submit", "-t", "training", "-c", shipped, "--dry-run", "--json", env=bare).json
    assert laptop["backend"] == "local" and laptop["storage_root"].endswith("/ml-pipeline")


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [
        ("large-training", {"--num-executors": "50", "--executor-cores": "8", "--executor-memory": "32g"}),
        ("batch-prediction", {"--num-executors": "20", "--executor-cores": "4", "--executor-memory": "16g"}),
    ],
)
def test_the_shipped_profiles(door: Door, profile: str, sizes: dict[str, str]) -> None:
    log = {"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)}
    flags = ["-c", str(REPOSITORY / "job_config.yaml"), "--profile", profile, "--script", "job.py"]
    argv = door.submit(*flags, "--dry-run", "--json", env=log).json["argv"]
    assert {flag: argv[argv.index(flag) + 1] for flag in sizes} == sizes


def test_a_copy_serves_as_c_and_as_overlay(door: Door) -> None:
    door.write_config("execution: {log_file: our.log}\nspark_config: {spark.x: prod}\n", "job_config_prod.yaml")
    for flags in (["-c", "job_config_prod.yaml"], ["--env", "prod"]):
        answer = door.submit(*flags, "--script", "job.py", "--dry-run", "--json").json
        assert conf_of(answer["argv"])["spark.x"] == "prod"


def test_dynamic_allocation_makes_num_executors_the_initial_count(door: Door) -> None:
    on = ["--conf", "spark.dynamicAllocation.enabled=true", "--conf", "spark.dynamicAllocation.maxExecutors=9"]
    answer = door.submit("--num-executors", "4", *on, "--dry-run", "--json").json
    assert conf_of(answer["argv"])["spark.dynamicAllocation.initialExecutors"] == "4"
    assert "--num-executors" not in answer["argv"]
    outcome = door.submit("--num-executors", "10", *on, "--dry-run")
    assert outcome.code == 2 and "maxExecutors=9" in outcome.err


def test_booleans_reach_spark_as_java_spells_them(door: Door) -> None:
    door.write_config(CONFIG + "spark_config: {spark.a: true, spark.b: false}\n")
    conf = conf_of(door.submit("--dry-run", "--json").json["argv"])
    assert (conf["spark.a"], conf["spark.b"]) == ("true", "false")


def test_a_dotted_key_beats_the_short_one_with_a_warning(door: Door) -> None:
    door.write_config(CONFIG + "spark_config: {executor_memory: 1g, spark.executor.memory: 2g}\n")
    outcome = door.submit("--dry-run", "--json")
    argv = outcome.json["argv"]
    assert argv[argv.index("--executor-memory") + 1] == "2g"
    assert "warning: " in outcome.err and "spark.executor.memory" in outcome.err


def test_an_rpc_port_where_the_web_address_is_meant(door: Door) -> None:
    door.write_config(CONFIG + "environment_config: {resourcemanager_webapp_url: '127.0.0.1:8032'}\n")
    outcome = door.run("list")
    assert "8032 is the ResourceManager's RPC port" in outcome.err
    assert "using http://127.0.0.1:8088" in outcome.err


def test_the_missing_archive_is_told_with_the_size_of_the_upload(door: Door) -> None:
    home = door.folder / "spark"
    (home / "jars").mkdir(parents=True)
    (home / "jars" / "spark-core.jar").write_bytes(b"x" * 3_000_000)
    (home / "bin").mkdir()
    (home / "bin" / "spark-submit").symlink_to(Path(__file__).parent / "recorder" / "spark-submit")
    outcome = door.submit("--no-wait", env={"SPARK_HOME": str(home)})
    assert "this submit uploads 3 MB" in outcome.err and "init-hdfs --spark" in outcome.err
