"""A diagnosis as one screen."""

from __future__ import annotations

from batch_submit.diagnosis.evidence import Excerpt
from batch_submit.diagnosis.explain import Diagnosis, Finding
from batch_submit.render.diagnosis import diagnosis_lines, place, shown

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


def test_a_traceback_is_never_cut_and_other_long_excerpts_are() -> None:
    frames = [f'  File "a.py", line {number}, in f' for number in range(60)]
    traceback = ("Traceback (most recent call last):", *frames, "RecursionError: deep")
    assert shown(traceback) == list(traceback)
    cut = shown([f"line {number}" for number in range(100)])
    assert (len(cut), cut[0], cut[12], cut[-1]) == (25, "line 0", "… 76 lines", "line 99")


def test_the_containers_folder_is_the_working_directory() -> None:
    folder = "/data/1/usercache/ann/appcache/application_1_0001/container_e17_1_0001_01_000001"
    assert shown((f'  File "{folder}/job.py", line 1', f"at {folder}/pyspark.zip/x.py:3")) == [
        '  File "./job.py", line 1',
        "at ./pyspark.zip/x.py:3",
    ]
