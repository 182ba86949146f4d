"""A diagnosis as one screen."""

from __future__ import annotations

from batch_submit.diagnosis.evidence import Excerpt
from batch_submit.diagnosis.explain import Diagnosis, Finding, unasserted
from batch_submit.render.diagnosis import diagnosis_json, diagnosis_lines, place, shown

FRAME = "\tat org.apache.spark.rdd.RDD.collect(RDD.scala:1122)"


def excerpt(lines: tuple[str, ...], first: int = 3, role: str = "driver", attempt: int = 1) -> Excerpt:
    last = first + len(lines) - 1 if first else 0
    return Excerpt("container_1_1_01_000001", role, attempt, "stdout", first, last, lines)


def test_the_screen_holds_cause_evidence_others_remedy_note_and_next_in_this_order() -> None:
    found = Diagnosis(
        "driver_heap",
        "the driver ran out of heap",
        (excerpt(("one", "two")),),
        ("more heap", "less data"),
        "batch-submit logs ID --driver",
        (Finding("preempted", "taken away"),),
        note="partial logs",
    )
    assert diagnosis_lines(found) == [
        "  probable cause: the driver ran out of heap",
        "  evidence: lines 3-4 of stdout in container_1_1_01_000001 (driver)",
        "    one",
        "    two",
        "  also seen: taken away [preempted]",
        "  remedy: more heap",
        "          less data",
        "  note: partial logs",
        "  next: batch-submit logs ID --driver",
    ]
    assert "    one" not in diagnosis_lines(found, seen="stdout")


def test_a_place_says_what_is_known_of_it() -> None:
    assert place(excerpt(("x",))) == "line 3 of stdout in container_1_1_01_000001 (driver)"
    assert place(excerpt(("x",), 0)) == "the end of stdout in container_1_1_01_000001 (driver)"
    assert place(excerpt(("x",), attempt=2)).endswith("(driver, attempt 2)")
    assert place(Excerpt("", "yarn", 0, "diagnostics", 1, 1, ("x",))) == "what the ResourceManager says"


def test_runs_of_jvm_frames_are_one_line() -> None:
    assert shown(("x.Y: z", FRAME, FRAME, "Caused by: q", FRAME)) == [
        "x.Y: z",
        "\t… 2 JVM frames",
        "Caused by: q",
        "\t… 1 JVM frame",
    ]


def test_long_excerpts_are_cut_a_traceback_later() -> None:
    frames = [f'  File "a.py", line {number}, in f' for number in range(58)]
    traceback = ("Traceback (most recent call last):", *frames, "RecursionError: deep")
    assert shown(traceback) == list(traceback)
    long = shown((*traceback, *traceback), "batch-submit logs ID --driver")
    assert (len(long), long[20], long[-1]) == (
        61,
        "… 60 lines left out: batch-submit logs ID --driver",
        "RecursionError: deep",
    )
    cut = shown([f"line {number}" for number in range(100)])
    assert (len(cut), cut[0], cut[12], cut[-1]) == (25, "line 0", "… 76 lines left out", "line 99")


def test_json_is_limited_too() -> None:
    found = Diagnosis("x", "y", (excerpt(tuple(["a" * 5000] * 1000)),))
    (evidence,) = diagnosis_json(found)["evidence"]  # type: ignore[misc]
    assert (len(evidence["lines"]), len(evidence["lines"][0])) == (401, 4001)
    assert "… 600 lines left out" in evidence["lines"]
    assert (evidence["first_line"], evidence["last_line"]) == (3, 1002)


def test_a_log_can_not_steer_the_terminal() -> None:
    evil = "\x1b]0;pwned\x07\x1b[31mred\tend"
    found = Diagnosis("x", evil, (excerpt((evil, "  0%\r 50%")),), others=(Finding("y", evil),), note=evil)
    lines = diagnosis_lines(found)
    assert all(one.isprintable() or one == "\t" for line in lines for one in line)
    assert "    ?]0;pwned??[31mred\tend" in lines
    assert "     50%" in lines


def test_where_the_end_is_not_known_nothing_is_a_probable_cause() -> None:
    known = Diagnosis("missing_module", "the module x is missing", (excerpt(("one",)),), ("install it",))
    lines = diagnosis_lines(unasserted(known, "how it ended is not known"))
    assert lines[0] == "  cause: how it ended is not known"
    assert "  also seen in its logs: the module x is missing [missing_module]" in lines
    assert not any("remedy" in line for line in lines)


def test_the_containers_folder_is_the_working_directory() -> None:
    folder = "/data/1/usercache/ann/appcache/application_1_0001/container_e17_1_0001_01_000001"
    assert shown((f'  File "{folder}/job.py", line 1', f"at {folder}/pyspark.zip/x.py:3")) == [
        '  File "./job.py", line 1',
        "at ./pyspark.zip/x.py:3",
    ]
