"""When nothing was submitted: codes 2, 3, 4, 5 and 70, nothing on stdout; and 8 as soon as a launch has happened."""

from __future__ import annotations

import pytest

from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import Remote
from tests.process.door import RUNNING, Door, until

#: The real one is long enough for a slow cluster; the canned one lists at once or never.
SHORT_SETTLE = "launcher.SETTLE_S = 0.05"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (3, "JAVA_HOME is not set"),
        (3, "org.apache.hadoop.security.AccessControlException: Client cannot authenticate via:[TOKEN, SIMPLE]"),
        (3, "GSSException: No valid credentials provided"),
        (5, "java.net.ConnectException: Call From edge/10.0.0.1 to nn:9000 failed on connection exception"),
        (5, "org.apache.hadoop.hdfs.server.namenode.SafeModeException: Name node is in safe mode."),
        (4, "Required executor memory (9000 MB) is above the max threshold (8192 MB) of this cluster"),
        (4, "The DiskSpace quota of /user/root is exceeded: org.apache.hadoop.hdfs.protocol.DSQuotaExceededException"),
        (4, "org.apache.hadoop.security.AccessControlException: Permission denied: user=root, access=WRITE"),
        (4, "YarnException: Application submitted by user root to unknown queue: nope"),
        (2, "java.io.FileNotFoundException: File file:/tmp/gone.py does not exist"),
        (4, "something that no rule knows"),
        (4, ""),
    ],
)
def test_a_failed_spark_submit_without_an_application(door: Door, code: int, text: str) -> None:
    noise = "26/01/01 WARN Client: neither spark.yarn.jars nor spark.yarn.archive is set\n\tat java.lang.Thread.run\n"
    door.recorder(stderr=f"{noise}{text}\n", status=1)
    outcome = door.submit(program=door.changed_program(SHORT_SETTLE))
    assert (outcome.code, outcome.out) == (code, ""), outcome.err
    assert text in outcome.err and "  next: " in outcome.err
    assert door.last_try["state"] == "NOT_SUBMITTED"


def test_spark_submit_succeeds_and_no_application_shows(door: Door) -> None:
    door.submits(RUNNING, appear_after=1000)
    outcome = door.submit("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert door.last_try["state"] == "LAUNCHING"
    assert "same run id" in outcome.err


def test_the_resource_manager_refuses_to_list_after_a_launch(door: Door) -> None:
    gate = door.holds("wait_after")
    running = door.submitting("--run-id", "r1", program=door.changed_program(SHORT_SETTLE))
    until(lambda: door.rm.applications, "it is submitted")
    door.rm.mode = Mode.NEGOTIATE
    gate.touch()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert door.last_try["state"] == "LAUNCHING"


def test_resource_manager_down_before_the_submission(door: Door) -> None:
    door.rm.stop()
    outcome = door.submit()
    assert (outcome.code, outcome.out, door.calls) == (5, "", []), outcome.err
    assert "; nothing was submitted" in outcome.err


def test_no_spark_submit(door: Door) -> None:
    outcome = door.submit(env={"SPARK_HOME": str(door.folder / "nowhere")})
    assert (outcome.code, outcome.out, door.rm.applications) == (3, "", {}), outcome.err
    assert "SPARK_HOME=" in outcome.err and "  next: " in outcome.err


def test_a_spark_submit_that_cannot_be_started(door: Door) -> None:
    broken = door.folder / "broken"
    broken.mkdir()
    (broken / "spark-submit").write_text("#!/nonexistent/interpreter\n")
    (broken / "spark-submit").chmod(0o755)
    outcome = door.submit(env={"PATH": f"{broken}:{door.env['PATH']}"})
    assert (outcome.code, outcome.out) == (3, ""), outcome.err
    assert door.last_try["state"] == "NOT_SUBMITTED"


def test_no_java(door: Door) -> None:
    without = ":".join(part for part in door.env["PATH"].split(":") if not part.endswith("/java"))
    outcome = door.submit(env={"PATH": without})
    assert (outcome.code, outcome.out, door.calls) == (3, "", []), outcome.err
    assert "Java" in outcome.err


def test_a_wrong_java_home(door: Door) -> None:
    outcome = door.submit(env={"JAVA_HOME": "/nonexistent"})
    assert (outcome.code, outcome.out, door.calls) == (3, "", []), outcome.err


def test_no_such_conf_folder(door: Door) -> None:
    outcome = door.submit(env={"HADOOP_CONF_DIR": "/nonexistent"})
    assert (outcome.code, outcome.out, door.calls) == (3, "", []), outcome.err


@pytest.mark.parametrize("flag", [["--script", "gone.py"], ["-c", "gone.yaml"], ["--date", "tomorrow"], ["--nope"]])
def test_a_wrong_call(door: Door, flag: list[str]) -> None:
    outcome = door.submit(*flag)
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err
    assert outcome.err.count("error: ") == 1


def test_a_missing_shipped_file_is_found_before_the_launch(door: Door) -> None:
    door.write_config("job_specific_config: {custom: {script: job.py, files: [gone.csv], additional_jars: [a.jar]}}\n")
    outcome = door.submit(env={"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)})
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err
    assert "gone.csv" in outcome.err and "a.jar" in outcome.err


@pytest.mark.parametrize("argument", ["`id`", "{{ x }}", "a}}", "<LOG_DIR>/x"])
def test_arguments_that_yarn_would_rewrite_are_refused(door: Door, argument: str) -> None:
    outcome = door.submit("--", "first", argument)
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err


def test_an_unwritable_log_file_is_a_warning_only(door: Door) -> None:
    in_the_way = door.work / "a-file"
    in_the_way.write_text("")
    outcome = door.submit(env={"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(in_the_way / "our.log")})
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert outcome.err.count("can't be written") == 1


def unwritable(door: Door) -> dict[str, str]:
    """A state folder that nobody can make, not even root; the launcher's own files go among the temporary ones."""
    in_the_way = door.work / "a-file"
    in_the_way.write_text("")
    temporary = door.folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {"XDG_STATE_HOME": str(in_the_way), "TMPDIR": str(temporary)}


@pytest.mark.parametrize("identity", [[], ["--run-id", "auto"], ["--run-id", "r1"]], ids=["random", "auto", "claimed"])
def test_an_unwritable_state_folder_is_one_warning_where_nothing_can_be_launched_twice(
    door: Door, identity: list[str]
) -> None:
    outcome = door.submit(*identity, env=unwritable(door))
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert outcome.err.count("warning: ") == 1 and outcome.said("XDG_STATE_HOME", f"submitted as {door.application_id}")
    again = door.submit("--run-id", "r1", env=unwritable(door))
    assert again.code == 0
    assert again.said("already succeeded") is (identity[1:] == ["r1"])


def test_an_unwritable_state_folder_stops_a_run_that_only_the_record_tells_apart(door: Door) -> None:
    outcome = door.submit("--run-id", "r1", "--claim", "none", env=unwritable(door))
    assert (outcome.code, outcome.out, door.calls) == (3, "", []), outcome.err
    assert outcome.said("run r1 is not claimed in the cluster", "can't be known", "XDG_STATE_HOME")


def test_a_local_run_needs_its_state_folder(laptop: Door) -> None:
    for identity in ([], ["--run-id", "r1"]):
        outcome = laptop.submit(*identity, env=unwritable(laptop))
        assert (outcome.code, outcome.out, laptop.calls) == (3, "", []), outcome.err


def test_a_broken_name_node_does_not_stop_a_submission(door: Door) -> None:
    door.webhdfs.fail["*"] = Remote(500, "RuntimeException", "boom")
    outcome = door.submit()
    assert outcome.code == 0, outcome.err
    assert "event log stays off" in outcome.err


def test_an_internal_error_before_any_launch(door: Door) -> None:
    outcome = door.submit(program=door.changed_program("once.make_spec = boom"))
    assert (outcome.code, outcome.out, door.calls) == (70, "", []), outcome.err
    assert "internal error" in outcome.err and "Traceback" not in outcome.err
    assert "Traceback" in door.log.read_text()


@pytest.mark.parametrize(
    ("broken", "known"),
    [
        pytest.param("launcher._settle_s", False, id="before the id is known"),
        pytest.param("waiting.wait_for_end", True, id="while waiting"),
    ],
)
def test_an_internal_error_after_a_launch(door: Door, broken: str, known: bool) -> None:
    outcome = door.submit("--run-id", "r1", program=door.changed_program(f"{broken} = boom"))
    assert outcome.code == 8, outcome.err
    assert outcome.out == (f"{door.application_id}\n" if known else "")
    assert "wait " in outcome.err and "ZeroDivisionError" in outcome.err


def test_no_python_at_all(door: Door) -> None:
    outcome = door.submit(env={"BATCH_SUBMIT_PYTHON": "/nonexistent/python"})
    assert (outcome.code, outcome.out) == (3, "")
    assert "BATCH_SUBMIT_PYTHON" in outcome.err
