"""The explanation of real failures: each rule against what the dev cluster said of the failure it was born from."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.cli import group
from batch_submit.diagnosis.evidence import DRIVER, EXECUTOR, Evidence, LogText
from batch_submit.diagnosis.explain import CAUGHT, RULES, UNKNOWN, explain
from batch_submit.diagnosis.rules import Rule, Where, look
from batch_submit.model import ApplicationReport, FinalStatus, State
from batch_submit.plan.schema_keys import KEYS
from batch_submit.render.diagnosis import diagnosis_json
from tests.golden.diagnosis.load import CASES, evidence_of

FOLDERS = sorted(path.parent for path in CASES.glob("*/report.json"))
DOCS = Path(__file__).resolve().parents[2] / "docs" / "diagnose.md"
APP = "application_1700000000000_0042"
DRIVER_ID = "container_1700000000000_0042_01_000001"
EXECUTOR_ID = "container_1700000000000_0042_01_000002"
FAILED = ApplicationReport(
    APP,
    state=State.FINISHED,
    final_status=FinalStatus.FAILED,
    diagnostics="User application exited with status 1",
    launched_ms=1,
)
TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
  File "train.py", line 2, in main
    raise ValueError("no rows")
ValueError: no rows
"""
LOST = (
    "26/11/21 11:59:56 ERROR YarnClusterScheduler: Lost executor 2 on n1: Container from a bad node:"
    f" {EXECUTOR_ID} on host: n1. Exit status: 137. Possible causes: Unknown executor exit code (137)\n"
)


def driver(text: str, file: str = "stdout", attempt: int = 1, first_line: int = 1) -> LogText:
    """A driver's log."""
    return LogText(DRIVER_ID, DRIVER, attempt, file, text, first_line)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_real_failure_is_explained_as_recorded(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert diagnosis_json(explain(evidence_of(folder))) == expected
    assert expected["rule"] == folder.name.partition(".")[0]
    assert expected["evidence"]
    assert expected["remedies"]
    assert expected["next_command"].startswith("batch-submit ")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_evidence_stands_where_it_is_said_to_stand(folder: Path) -> None:
    for excerpt in explain(evidence_of(folder)).evidence:
        if excerpt.role != "yarn":
            path = folder / f"{excerpt.container_id}.{excerpt.file}.txt"
            lines = path.read_text(encoding="utf-8").split("\n")
            assert tuple(lines[excerpt.first_line - 1 : excerpt.last_line]) == excerpt.lines


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_rule_was_born_from_a_failure_and_stands_in_the_documents(rule: Rule) -> None:
    assert any(folder.name.partition(".")[0] == rule.id for folder in FOLDERS)
    assert f"`{rule.id}`" in DOCS.read_text(encoding="utf-8")


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_remedy_names_only_keys_and_flags_that_exist(rule: Rule) -> None:
    flags = {flag for name in ("submit", "logs") for flag in _flags(name)}
    for remedy in (*rule.remedies, rule.next_command):
        for flag in re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", remedy):
            assert flag in flags
        for key in re.findall(r"(?<![\w.])((?:spark_config|execution|data_config)\.[\w.]*\w)", remedy):
            assert key.startswith("spark_config.spark.") or tuple(key.split(".")) in {one.path for one in KEYS}


def _flags(name: str) -> set[str]:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return {flag for option in command.params for flag in option.opts}


def test_the_scripts_own_exception_beats_a_lost_executor_that_the_run_got_over() -> None:
    logs = (driver(TRACEBACK), driver(LOST, "stderr"))
    assert explain(Evidence(FAILED, logs)).rule == "python_exception"


def test_a_spark_error_that_does_not_speak_of_executors_is_not_blamed_on_one() -> None:
    text = TRACEBACK.replace("ValueError: no rows", "pyspark.errors.exceptions.captured.IllegalArgumentException: no")
    assert explain(Evidence(FAILED, (driver(text), driver(LOST, "stderr")))).rule == "python_exception"


def test_a_script_that_printed_a_traceback_and_left_with_another_status_left_by_itself() -> None:
    report = replace(FAILED, diagnostics="User application exited with status 3")
    found = explain(Evidence(report, (driver(TRACEBACK + "giving up\n"),)))
    assert (found.rule, found.evidence[-1].lines[-1]) == ("script_exit", "giving up")


def test_a_traceback_that_the_script_got_over_is_not_the_cause() -> None:
    found = explain(Evidence(FAILED, (driver(TRACEBACK + "QUALITY GATE FAILED\n"),)))
    assert (found.rule, found.evidence[-1].lines[-1]) == ("script_exit", "QUALITY GATE FAILED")
    assert [(other.rule, other.cause) for other in found.others] == [
        (CAUGHT, "the script printed ValueError: no rows (train.py, line 2), and went on")
    ]
    unknown = explain(Evidence(replace(FAILED, diagnostics=""), (driver(TRACEBACK + "on\n"),)))
    assert (unknown.rule, unknown.others[0].rule) == (UNKNOWN, CAUGHT)
    noise = driver("26/11/21 11:00:00 INFO ShutdownHookManager: Deleting directory\n", "stderr")
    assert explain(Evidence(FAILED, (driver(TRACEBACK), noise))).rule == "python_exception"


def test_without_a_traceback_status_1_is_no_proof_that_there_was_none() -> None:
    assert explain(Evidence(FAILED, (driver("bye\n"),))).cause.endswith("; no traceback was found in its output")


@pytest.mark.parametrize("name", ["jane.doe", "dr.who", "bob", "etl@EXAMPLE.COM"])
@pytest.mark.parametrize(
    "words", ["Application x was killed by user {} at 10.0.0.5", "Application killed by user {}.", "killed by user {}"]
)
def test_the_user_who_killed_it_is_named_whole(name: str, words: str) -> None:
    killed = replace(FAILED, state=State.KILLED, final_status=FinalStatus.KILLED, diagnostics=words.format(name))
    assert explain(Evidence(killed)).cause == f"user {name} killed the application"


@pytest.mark.parametrize(
    ("program", "frame", "rule"),
    [
        ("python3.9", "", "python_not_found"),
        ("/opt/env/bin/python", "", "python_not_found"),
        ("gdalwarp", "", "program_not_found"),
        ("/opt/interp", "org.apache.spark.api.python.PythonWorkerFactory.startDaemon(P.scala:1)", "python_not_found"),
    ],
)
def test_a_missing_program_is_a_python_by_its_name_or_by_who_starts_it(program: str, frame: str, rule: str) -> None:
    error = f'java.io.IOException: Cannot run program "{program}": error=2, No such file or directory'
    stack = f"\n\tat java.base/java.lang.ProcessBuilder.start(P.java:1)\n\tat {frame}" if frame else ""
    text = TRACEBACK.replace("ValueError: no rows", f"py4j.protocol.Py4JJavaError: An error.\n: {error}{stack}")
    assert explain(Evidence(FAILED, (driver(text),))).rule == rule


def test_the_last_error_of_a_chain_comes_first() -> None:
    handled = "\nDuring handling of the above exception, another exception occurred:\n\n"
    direct = "\nThe above exception was the direct cause of the following exception:\n\n"
    optional = TRACEBACK.replace("ValueError: no rows", "ModuleNotFoundError: No module named 'cudf'")
    found = explain(Evidence(FAILED, (driver(optional + handled + TRACEBACK),)))
    assert (found.rule, found.others) == ("python_exception", ())
    assert "ModuleNotFoundError: No module named 'cudf'" in found.evidence[0].lines
    found = explain(Evidence(FAILED, (driver(optional + direct + TRACEBACK),)))
    assert (found.rule, found.evidence[0].first_line, found.evidence[0].last_line) == ("missing_module", 1, 15)


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        ("ValueError: Path does not exist: s3-key foo", "python_exception"),
        ("pyspark.errors.AnalysisException: Path does not exist: hdfs://n/a", "missing_input"),
        ("pyspark.sql.utils.AnalysisException: 'Path does not exist: hdfs://n/a;'", "missing_input"),
        (
            "py4j.protocol.Py4JJavaError: An error.\n: org.apache.hadoop.mapred.InvalidInputException:"
            " Input path does not exist: hdfs://n/a",
            "missing_input",
        ),
    ],
)
def test_a_missing_input_is_sparks_word(error: str, rule: str) -> None:
    found = explain(Evidence(FAILED, (driver(TRACEBACK.replace("ValueError: no rows", error)),)))
    assert found.rule == rule
    assert rule != "missing_input" or "hdfs://n/a does" in found.cause


def test_a_udf_error_that_the_script_raised_anew_is_the_cause() -> None:
    """``raise RuntimeError(...) from error``: what the executor said is the news, not the wrapping."""
    text = """Traceback (most recent call last):
  File "./score.py", line 11, in <module>
    spark.range(3).select(F.udf(per_mile, "long")("id")).collect()
pyspark.errors.exceptions.captured.PythonException: An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "./score.py", line 6, in per_mile
    return 100 // miles
ZeroDivisionError: integer division or modulo by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "./score.py", line 13, in <module>
    raise RuntimeError("the flights could not be scored") from error
RuntimeError: the flights could not be scored
"""
    found = explain(Evidence(FAILED, (driver(text),)))
    assert found.rule == "udf_exception" and "ZeroDivisionError" in found.cause
    assert found.evidence[0].lines[-1] == "RuntimeError: the flights could not be scored"


def test_the_newest_attempt_is_explained() -> None:
    older = LogText("container_1700000000000_0042_01_000001", DRIVER, 1, "stdout", TRACEBACK)
    newer = LogText("container_1700000000000_0042_02_000001", DRIVER, 2, "stdout", TRACEBACK.replace("no rows", "full"))
    for logs in ((older, newer), (newer, older)):
        assert explain(Evidence(FAILED, logs)).cause.endswith("ValueError: full (train.py, line 2)")


def test_our_own_reason_tells_a_timeout_from_a_kill() -> None:
    killed = replace(
        FAILED,
        state=State.KILLED,
        final_status=FinalStatus.KILLED,
        diagnostics=f"Application {APP} was killed by user ann at 10.0.0.1",
    )
    assert explain(Evidence(killed)).cause == "user ann killed the application"
    assert explain(Evidence(killed, reason="killed after --timeout (1h)")).rule == "timed_out"


def test_line_numbers_count_from_the_files_start_or_are_unknown() -> None:
    late = explain(Evidence(FAILED, (driver(TRACEBACK, first_line=1001),))).evidence[0]
    assert (late.first_line, late.last_line) == (1001, 1006)
    unknown = explain(Evidence(FAILED, (driver(TRACEBACK, first_line=0),))).evidence[0]
    assert (unknown.first_line, unknown.last_line) == (0, 0)


def test_what_nobody_knows_is_said_with_the_plain_tail() -> None:
    report = replace(FAILED, diagnostics="")
    found = explain(Evidence(report, (driver("one\ntwo\n"), driver("26/11/21 11:00:00 INFO A: three\n", "stderr"))))
    assert found.rule == UNKNOWN
    assert [excerpt.lines[-1] for excerpt in found.evidence] == ["two", "26/11/21 11:00:00 INFO A: three"]
    assert found.next_command == f"batch-submit logs {APP}"


def test_without_logs_the_reason_is_told() -> None:
    found = explain(Evidence(replace(FAILED, diagnostics="Shut down."), gap="no logs could be read: nobody serves"))
    assert (found.rule, found.note) == (UNKNOWN, "no logs could be read: nobody serves")
    assert found.evidence[0].lines == ("Shut down.",)


def test_a_rule_that_fails_is_passed_over() -> None:
    found = explain(Evidence(FAILED, (driver(TRACEBACK),)), (_broken(), *RULES))
    assert found.rule == "python_exception"
    assert found.note == "rule broken failed (IndexError)"


def test_an_explanation_that_fails_is_the_plain_tail() -> None:
    found = explain(Evidence(FAILED, (driver(TRACEBACK),)), (_broken(),))
    assert (found.rule, found.evidence[0].lines[-1]) == (UNKNOWN, "ValueError: no rows")
    damaged = replace(_broken(), when=((look(Where.DIAGNOSTICS, "exited"),),), cause="{0}")
    found = explain(Evidence(FAILED, (driver(TRACEBACK),)), (damaged,))
    assert (found.rule, found.note) == (UNKNOWN, "the explanation itself failed (ValueError)")


class _RaisingPattern:
    """A pattern that fails, as a mistaken rule would."""

    def search(self, text: str) -> None:
        raise IndexError(text)


def _broken() -> Rule:
    looked = replace(look(Where.DIAGNOSTICS, "x"), pattern=_RaisingPattern())  # type: ignore[arg-type]
    return Rule("broken", ((looked,),), "never said", ("nothing",))


@given(st.lists(st.sampled_from([*TRACEBACK.splitlines(), LOST.strip(), "", "\tat a.b(C.java:1)", "Caused by: x.Y"])))
def test_no_order_of_lines_makes_a_rule_fail(lines: list[str]) -> None:
    text = "\n".join(lines)
    logs = (driver(text), driver(text, "stderr"), LogText(EXECUTOR_ID, EXECUTOR, 1, "stderr", text))
    assert "failed" not in explain(Evidence(FAILED, logs)).note


@given(st.text(max_size=300))
def test_no_text_makes_a_rule_fail(text: str) -> None:
    logs = (driver(TRACEBACK + text), LogText(EXECUTOR_ID, EXECUTOR, 1, "stdout", text))
    assert explain(Evidence(replace(FAILED, diagnostics=text), logs)).note == ""


def test_a_megabyte_of_long_lines_takes_no_time() -> None:
    lost = LOST.strip() + "1.5 GB of x Container killed " * 4000
    quoted = TRACEBACK.replace(
        "ValueError: no rows", f"py4j.protocol.Py4JJavaError: ExecutorLostFailure{'1.' * 200_000}"
    )
    logs = (driver(quoted), driver(f"{lost}\n" * 10, "stderr"), LogText(EXECUTOR_ID, EXECUTOR, 1, "stderr", lost))
    began = time.monotonic()
    explain(Evidence(FAILED, logs))
    assert time.monotonic() - began < 5
