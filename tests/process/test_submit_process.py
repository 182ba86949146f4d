"""``submit``: every flag reaches spark-submit, the id comes from the ResourceManager, stdout is the answer."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.process.canned_webhdfs import Node
from tests.process.door import RUNNING, SUCCEEDED, Door

SEVEN_DIGITS = "application_1700000000000_1234567"
#: What a user's own `yarn application -list` in a wrapper, or another job's log line, may leave in the output.
FOREIGN = (
    "INFO Client: Application report for application_1699999999999_0007 (state: RUNNING)\n"
    "application_1700000000000_0042 somebody else's\n"
)


def test_every_resource_flag_reaches_spark_submit(door: Door) -> None:
    outcome = door.submit(
        *("-n", "nightly flights", "-q", "etl", "--num-executors", "7", "--executor-memory", "3g"),
        *("--executor-cores", "2", "--driver-memory", "1500m", "--driver-cores", "3", "--no-wait"),
        *("--conf", "spark.sql.shuffle.partitions=64", "--conf", "spark.note=a=b c"),
    )
    assert outcome.code == 0, outcome.err
    call = door.call
    expected = {
        "--master": "yarn",
        "--deploy-mode": "cluster",
        "--name": "nightly flights",
        "--queue": "etl",
        "--num-executors": "7",
        "--executor-memory": "3g",
        "--executor-cores": "2",
        "--driver-memory": "1500m",
        "--driver-cores": "3",
    }
    assert {flag: call.value(flag) for flag in expected} == expected
    assert call.conf["spark.sql.shuffle.partitions"] == "64"
    assert call.conf["spark.note"] == "a=b c"
    assert call.conf["spark.yarn.submit.waitAppCompletion"] == "false"
    assert call.conf["spark.yarn.maxAppAttempts"] == "1"
    assert call.argv[-1] == str(door.work / "job.py")


def test_arguments_arrive_in_order_and_unchanged(door: Door) -> None:
    words = ["--day", "2013-12-31", "two words", "", "ünï", "$HOME", "a;b", 'say "hi"']
    outcome = door.submit(
        *("--date", "2013-12-31", "--no-wait", "--app-args", "--day '{{ ds }}' 'two words' ''"),
        *("--app-arg", "ünï", "--app-arg", "$HOME", "--", "a;b", 'say "hi"'),
    )
    assert outcome.code == 0, outcome.err
    assert door.call.argv[-len(words) :] == words


def test_a_script_of_scripts_folder_or_of_the_working_directory(door: Door) -> None:
    (door.work / "mine.py").write_text("print(1)\n")
    assert door.submit("--script", "mine.py", "--no-wait").code == 0
    assert door.call.argv[-1] == str(door.work / "mine.py")


@pytest.mark.parametrize("alias", ["etl", "data-processing", "data_processing"])
def test_aliases_name_the_same_type(door: Door, alias: str) -> None:
    outcome = door.run("submit", "-t", alias, "--script", "job.py", "--dry-run", "--json")
    assert outcome.json["job_type"] == "data_processing"
    assert re.fullmatch(r"data_processing-\d{8}-\d{6}", outcome.json["name"])


def test_the_child_has_its_own_session_our_directory_and_both_conf_folders(door: Door) -> None:
    running = door.submitting("--no-wait")
    assert running.end().code == 0
    call = door.call
    assert call.session == call.pid
    assert call.caller == running.process.pid
    assert call.cwd == str(door.work)
    assert call.environment["HADOOP_CONF_DIR"] == call.environment["YARN_CONF_DIR"] == str(door.folder / "conf")


def test_yarn_conf_dir_alone_suffices(door: Door) -> None:
    conf = str(door.folder / "conf")
    outcome = door.submit("--no-wait", env={"HADOOP_CONF_DIR": None, "YARN_CONF_DIR": conf})
    assert outcome.code == 0, outcome.err
    assert "backend: yarn (YARN_CONF_DIR=" in outcome.err.splitlines()[0]
    assert door.call.environment["HADOOP_CONF_DIR"] == conf


def test_python_path_is_the_clusters_interpreter(door: Door) -> None:
    assert door.submit("--no-wait", env={"PYTHON_PATH": "/opt/py/bin/python3"}).code == 0
    assert door.call.conf["spark.pyspark.python"] == "/opt/py/bin/python3"
    assert door.call.conf["spark.pyspark.driver.python"] == "/opt/py/bin/python3"


def test_spark_submit_opts_are_handed_on(door: Door) -> None:
    assert door.submit("--no-wait", env={"SPARK_SUBMIT_OPTS": "-Dx=1"}).code == 0
    assert door.call.environment["SPARK_SUBMIT_OPTS"] == "-Dx=1"


def test_verbose_shows_what_spark_submit_writes(door: Door) -> None:
    door.submits(announce="a word of spark-submit\n")
    assert "a word of spark-submit" in door.submit("--no-wait", "--verbose").err
    assert "a word of spark-submit" not in door.submit("--no-wait").err


def test_verbose_turns_on_both_debug_logs(door: Door) -> None:
    outcome = door.submit("--no-wait", "--verbose")
    assert "--verbose" in door.call.argv
    options = door.call.environment["SPARK_SUBMIT_OPTS"]
    file = options.removeprefix("-Dlog4j2.configurationFile=file://")
    assert Path(file).is_file() and "debug" in file
    assert "debug: " in outcome.err


def test_spark_home_comes_before_the_path(door: Door) -> None:
    home = door.folder / "spark home"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "spark-submit").symlink_to(Path(door.env["PATH"].split(":")[0], "spark-submit"))
    assert door.submit("--no-wait", env={"SPARK_HOME": str(home)}).code == 0
    assert door.call.argv[0] == str(home / "bin/spark-submit")
    assert door.call.environment["SPARK_HOME"] == str(home)


def test_a_built_in_job_gets_one_argument_and_ships_its_parameters(door: Door) -> None:
    outcome = door.run("submit", "-t", "training", "-c", "full.yaml", "--no-wait")
    assert outcome.code == 2 and "full.yaml" in outcome.err
    assert door.calls == []
    door.webhdfs.nodes["/ml-pipeline/data/training/flights.parquet"] = Node()
    outcome = door.run("submit", "-t", "training", "-c", str(_shipped_config(door)), "--no-wait")
    assert outcome.code == 0, outcome.err
    argv = door.call.argv
    assert argv[-2] == "--params"
    (shipped,) = [path for path in door.call.value("--files").split(",") if path.endswith(argv[-1])]
    params = json.loads(Path(shipped).read_text())
    assert "/ml-pipeline/" in json.dumps(params)
    assert door.call.value("--py-files").endswith("/ml_pipeline_framework.zip")


def _shipped_config(door: Door) -> Path:
    """The configuration as shipped, with its log file here."""
    shipped = (Path(__file__).parents[2] / "job_config.yaml").read_text()
    path = door.work / "shipped.yaml"
    path.write_text(shipped)
    return path


def test_the_event_log_goes_on_when_its_folder_exists(door: Door) -> None:
    assert door.submit("--no-wait").code == 0
    assert "spark.eventLog.enabled" not in door.calls[0].conf
    door.webhdfs.nodes["/spark-logs"] = type(door.webhdfs.nodes["/"])()
    assert door.submit("--no-wait").code == 0
    assert door.calls[1].conf["spark.eventLog.enabled"] == "true"


def test_the_id_is_the_last_line_of_stdout_and_nothing_else_is_there(door: Door) -> None:
    outcome = door.submit()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert "\x1b" not in outcome.err


def test_json_is_one_line_with_the_result(door: Door) -> None:
    outcome = door.submit("--json", "--run-id", "r1")
    assert outcome.code == 0, outcome.err
    answer = outcome.json
    assert answer["application_id"] == door.application_id
    assert (answer["result"], answer["exit_code"], answer["run_id"]) == ("succeeded", 0, "r1")
    again = door.submit("--format", "json", "--run-id", "r2", "--no-wait")
    assert "result" not in again.json and again.json["exit_code"] == 0


def test_no_wait_looks_once_whether_it_was_refused_and_leaves(door: Door) -> None:
    door.submits(RUNNING)
    outcome = door.submit("--no-wait")
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert door.rm.paths().count(f"/ws/v1/cluster/apps/{door.application_id}") == 1
    assert door.last_try["state"] == "SUBMITTED"


def test_no_wait_is_refused_in_client_mode_before_any_launch(door: Door) -> None:
    outcome = door.submit("--no-wait", "--conf", "spark.submit.deployMode=client")
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err


@pytest.mark.parametrize(
    ("output", "fields"),
    [
        pytest.param({}, {}, id="log level WARN: no id in the output"),
        pytest.param({"stderr": FOREIGN}, {}, id="foreign ids in the output"),
        pytest.param({"announce": "INFO YarnClientImpl: Submitted application {id}\n"}, {}, id="as Spark says it"),
        pytest.param({}, {"id": SEVEN_DIGITS}, id="seven sequence digits"),
        pytest.param({}, {"appear_after": 3}, id="listed late"),
    ],
)
def test_the_id_comes_from_the_tag(door: Door, output: dict[str, str], fields: dict[str, object]) -> None:
    door.rm.add("somebody else's", steps=[RUNNING], id="application_1700000000000_0042")
    door.submits(SUCCEEDED, **fields)
    door.recorder(**{**door.settings(), **output})
    outcome = door.submit("--no-wait")
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err


def test_an_application_of_another_user_with_our_tag_is_not_ours(door: Door) -> None:
    door.rm.add("impostor", user="mallory", tags=["batch-submit", "run:r1", "try:r1.1"], steps=[RUNNING])
    outcome = door.submit("--run-id", "r1", "--no-wait")
    assert outcome.code == 0, outcome.err
    assert len(door.calls) == 1
    assert outcome.out == "application_1700000000000_0002\n"


def test_our_tags_come_first_then_the_users_in_lower_case(door: Door) -> None:
    assert door.submit("--run-id", "r1", "--no-wait", "--conf", "spark.yarn.tags=Team:ML,adhoc").code == 0
    assert door.call.conf["spark.yarn.tags"] == "batch-submit,run:r1,try:r1.1,team:ml,adhoc"


def test_the_calls_are_made_in_the_name_of_hadoop_user_name(door: Door) -> None:
    assert door.submit(env={"HADOOP_USER_NAME": "alice"}).code == 0
    assert {asked.user for asked in door.rm.asked} == {"alice"}
    assert door.records()[0]["user"] == "alice"


def test_the_record_tells_the_run(door: Door) -> None:
    assert door.submit("-n", "flights", "-q", "etl").code == 0
    (record,) = door.records()
    assert (record["name"], record["queue"], record["backend"]) == ("flights", "etl", "yarn")
    assert re.fullmatch(r"flights-\d{8}t\d{6}z-[a-z0-9]{6}", record["run_id"])
    assert door.last_try["state"] == "FINISHED" and door.last_try["result"] == "succeeded"
    (path,) = door.state.glob("runs/*/*/[!.]*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
