"""Cutting log4j records and Python tracebacks out of log text, whole."""

from __future__ import annotations

import pytest

from batch_submit.diagnosis.evidence import DRIVER, LogText
from batch_submit.diagnosis.records import is_jvm_frame, record_at, records, tracebacks


def log(text: str, first_line: int = 1) -> LogText:
    """A driver's stdout."""
    return LogText("container_1_1_01_000001", DRIVER, 1, "stdout", text, first_line)


SIMPLE = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
ValueError: bad
"""


def test_the_lines_after_a_traceback_are_not_part_of_it() -> None:
    (found,) = tracebacks(log(f"begin\n{SIMPLE}end\n"))
    assert (found.first, found.last, found.went_on) == (1, 4, True)
    assert (found.error.type, found.error.message, found.error.file, found.error.line) == (
        "ValueError",
        "bad",
        "a.py",
        1,
    )


def test_chained_exceptions_are_one_traceback_and_the_last_one_ended_the_script() -> None:
    link = "The above exception was the direct cause of the following exception:"
    second = SIMPLE.replace("ValueError: bad", "RuntimeError: worse")
    (found,) = tracebacks(log(f"{SIMPLE}\n{link}\n\n{second}"))
    assert [error.type for error in found.errors] == ["ValueError", "RuntimeError"]
    assert found.worker is None
    assert found.last == 10


def test_two_tracebacks_in_a_row_are_two() -> None:
    found = tracebacks(log(SIMPLE + SIMPLE.replace("bad", "worse")))
    assert [(one.first, one.last, one.error.message) for one in found] == [(0, 3, "bad"), (4, 7, "worse")]


def test_a_workers_traceback_belongs_to_the_message_that_quotes_it() -> None:
    quoted = SIMPLE.replace("ValueError: bad", "ZeroDivisionError: division by zero").replace("a.py", "udf.py")
    text = SIMPLE.replace("ValueError: bad", "pyspark.errors.PythonException: From the Python worker:") + quoted
    (found,) = tracebacks(log(text))
    assert found.worker is not None
    assert (found.worker.type, found.worker.file) == ("ZeroDivisionError", "udf.py")
    assert found.error.name == "PythonException"


def test_the_jvms_part_belongs_to_it_also_after_a_blank_line() -> None:
    text = (
        SIMPLE.replace("ValueError: bad", "py4j.protocol.Py4JJavaError: An error occurred while calling o1.count.")
        + ": org.apache.spark.SparkException: Job aborted\n\tat a.b.C.d(C.scala:1)\n\nDriver stacktrace:\n"
        + "\tat a.b.C.e(C.scala:2)\nCaused by: java.io.IOException: disk\n\t... 3 more\n\nbye\n"
    )
    (found,) = tracebacks(log(text))
    assert found.text.splitlines()[-1] == "\t... 3 more"
    assert found.jvm_error == "org.apache.spark.SparkException: Job aborted"


def test_log4j_records_cut_into_a_traceback_end_it() -> None:
    (found,) = tracebacks(log(f"{SIMPLE}26/11/21 11:49:55 ERROR ApplicationMaster: exited\n"))
    assert found.last == 3


def test_the_innermost_frame_that_is_not_sparks_is_named() -> None:
    text = SIMPLE.replace("ValueError", '  File "/x/pyspark.zip/pyspark/sql/df.py", line 9, in collect\nValueError')
    assert tracebacks(log(text))[0].error.file == "a.py"


@pytest.mark.parametrize("kind", ["SyntaxError: invalid syntax", "IndentationError: unexpected indent"])
def test_a_syntax_error_of_the_script_has_no_header(kind: str) -> None:
    (found,) = tracebacks(log(f'  File "/c/job.py", line 3\n    def f(:\n          ^\n{kind}\n'))
    assert (found.first, found.last, found.error.line) == (0, 3, 3)
    assert found.error.type == kind.partition(":")[0]


def test_carriage_returns_and_form_feeds_do_not_shift_line_numbers() -> None:
    (found,) = tracebacks(log("a\x0cb\u2028c\n" + SIMPLE.replace("\n", "\r\n"), first_line=10))
    assert (found.excerpt.first_line, found.excerpt.last_line) == (11, 14)
    assert found.error.message == "bad"


def test_records_take_the_lines_without_a_header_with_them() -> None:
    text = (
        "=== noise\n26/11/21 11:49:55 INFO A: one\n26/11/21 11:49:56 ERROR B: two\njava.io.IOException: x\n\tat y\n\n"
        "2026-11-21 11:49:57,123 WARN c.D: three\n"
    )
    found = records(log(text))
    assert [(one.level, one.logger, one.first, one.last) for one in found] == [
        ("INFO", "A", 1, 1),
        ("ERROR", "B", 2, 5),
        ("WARN", "c.D", 6, 6),
    ]
    assert record_at(log(text), 3) == (2, 4)
    assert record_at(log(text), 0) == (0, 0)


def test_jvm_frames_are_told_from_messages() -> None:
    assert is_jvm_frame("\tat org.apache.spark.rdd.RDD.$anonfun$collect$1(RDD.scala:1123)")
    assert is_jvm_frame("\t... 11 more")
    assert not is_jvm_frame("Caused by: java.io.IOException: at last")
    assert not is_jvm_frame('  File "a.py", line 1, in <module>')


@pytest.mark.parametrize(
    "text",
    [
        SIMPLE.replace("bad", "bad\n\nexpected: a,b\ngot: a,c\n"),
        SIMPLE.replace("bad", "these are wrong:\na\nb"),
        SIMPLE.replace("    f()", '    raise ValueError("bad\\nworse")').replace("bad\n", "bad\nworse\n"),
        SIMPLE.replace(
            "ValueError: bad", "pydantic.ValidationError: 1 validation error for Job\nname\n  Field required"
        ),
    ],
    ids=["blank line", "colon", "raised with line ends", "validation"],
)
def test_a_message_of_several_lines_is_whole(text: str) -> None:
    (found,) = tracebacks(log(text))
    assert (found.last, found.went_on) == (len(text.rstrip("\n").split("\n")) - 1, False)


@pytest.mark.parametrize("rest", ["step\n" * 3000, "x" * 5000 + "\n"], ids=["lines", "characters"])
def test_what_is_printed_below_a_traceback_is_no_part_of_it_however_much(rest: str) -> None:
    for text in (SIMPLE + rest, f"{SIMPLE}\n{rest}"):
        (found,) = tracebacks(log(text))
        assert (found.last, found.went_on) == (3, True)


@pytest.mark.parametrize(
    "noise",
    [
        "26/11/21 11:49:55 INFO SparkContext: Invoking stop() from shutdown hook\n",
        "[Stage 0:>                  (0 + 1) / 1]\n",
        "java.io.IOException: closed\n\tat a.B.c(B.java:1)\n",
        "Exception ignored in: <function f at 0x7f>\n" + SIMPLE,
    ],
    ids=["log record", "progress of a stage", "JVM", "ignored"],
)
def test_noise_of_the_end_does_not_show_that_the_script_went_on(noise: str) -> None:
    assert not tracebacks(log(SIMPLE + noise))[0].went_on


def test_records_of_the_script_show_that_it_went_on_and_those_of_a_jvm_do_not() -> None:
    text = f"{SIMPLE}2026-11-21 11:49:55,123 INFO job: goes on\n"
    assert tracebacks(log(text))[0].went_on
    mixed = LogText("container_1_1_01_000001", DRIVER, 1, "driver.log", text)
    assert not tracebacks(mixed)[0].went_on


def test_what_the_interpreter_itself_printed_was_not_caught() -> None:
    frame = '  File "/x/pyspark.zip/pyspark/sql/df.py", line 9, in collect\n'
    uncaught = SIMPLE.replace("ValueError: bad", f"{frame}ValueError: bad") + "worse\n"
    (found,) = tracebacks(log(uncaught))
    assert (found.last, found.went_on) == (5, False)
    caught = uncaught.replace(frame, f"{frame}    return self._jdf.collect()\n")
    assert tracebacks(log(caught))[0].went_on


@pytest.mark.parametrize(
    ("before", "number"),
    [
        (" 50%|#####     | 1/2 [00:00<00:00]", 1),
        ("\r 0%\r 50%: ", 0),
        ("\r 0%: \r", 1),
        ("WARN: ", 0),
        ('{"exc": "', 0),
    ],
)
def test_a_traceback_may_stand_behind_a_progress_bar_but_is_not_quoted(before: str, number: int) -> None:
    assert len(tracebacks(log(before + SIMPLE))) == number


def test_an_exception_group_is_one_traceback() -> None:
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "g.py", line 9, in <module>\n  |     raise ExceptionGroup("2 failed", errors)\n'
        "  | ExceptionGroup: 2 failed (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n"
        '    | Traceback (most recent call last):\n    |   File "g.py", line 7, in <module>\n    | KeyError: 1\n'
        "    +------------------------------------\n"
    )
    (found,) = tracebacks(log(text))
    assert (found.first, found.last, found.error.name, found.error.line) == (0, 8, "ExceptionGroup", 9)
    assert tracebacks(log(f"{text}on\n"))[0].went_on


def test_only_what_it_was_raised_from_is_a_cause() -> None:
    last = SIMPLE.replace("ValueError: bad", "RuntimeError: worse")
    direct = "The above exception was the direct cause of the following exception:"
    handled = "During handling of the above exception, another exception occurred:"
    (found,) = tracebacks(log(f"{SIMPLE}\n{direct}\n\n{last}"))
    assert [one.error.type for one in found.causes()] == ["ValueError"]
    assert found.text.splitlines()[-1] == "RuntimeError: worse" and "ValueError" not in found.text
    (found,) = tracebacks(log(f"{SIMPLE}\n{handled}\n\n{last}"))
    assert found.causes() == [] and "ValueError" not in found.text
