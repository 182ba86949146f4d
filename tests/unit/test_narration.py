"""What is worth a line: every change once, the rest now and then."""

from __future__ import annotations

from dataclasses import replace

from batch_submit.model import ApplicationReport, State
from batch_submit.plan.pending import Cause, Reason
from batch_submit.plan.spark_progress import Executor, Job, SparkProgress, Stage
from batch_submit.render.narration import Event, Manner, Narrator
from batch_submit.render.progress import brief_lines, panel_lines

APP = "application_1700000000000_0001"
MANNER = Manner(stage_s=10, progress_s=60, normal_after_s=5, stall_after_s=300)
ACCEPTED = ApplicationReport(APP, name="nightly", queue="root.ml", state=State.ACCEPTED, elapsed_ms=9000)
RUNNING = replace(ACCEPTED, state=State.RUNNING, elapsed_ms=90_000)
FULL = Reason(Cause.QUEUE_FULL, "queue root.ml is full: 4 of 4 MiB are used; the driver asks for 1 MiB", "wait")
WORK = SparkProgress(
    jobs=(Job(0, "SUCCEEDED", 20, 20), Job(1, "RUNNING", 40, 11, failed=1)),
    stages=(Stage(2, 0, "collect at job.py:9", tasks=20, done=11, active=4, failed=1),),
    executors=(Executor("driver"), Executor("1", "n1", cores=2), Executor("2", "n2", cores=2)),
)


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


def test_states_are_told_when_they_change() -> None:
    narrator = Narrator(MANNER)
    (first,) = narrator.changes(0, ACCEPTED)
    assert (first.kind, first.text) == ("state", f"{APP}: ACCEPTED in root.ml (9s)")
    assert narrator.changes(5, ACCEPTED) == []
    (second,) = narrator.changes(10, RUNNING)
    assert second.data == {"state": "RUNNING", "elapsed_ms": 90_000}


def test_a_step_back_to_accepted_counts_only_when_it_lasts() -> None:
    """After a failover a running application may be shown ACCEPTED for about a second."""
    narrator = Narrator(MANNER)
    narrator.changes(0, RUNNING)
    assert narrator.changes(10, ACCEPTED) == []
    assert narrator.changes(11, RUNNING) == []
    assert narrator.changes(100, ACCEPTED) == []
    assert kinds(narrator.changes(106, ACCEPTED)) == ["state"]


def test_a_reason_is_told_once_with_its_remedy_although_its_numbers_move() -> None:
    narrator = Narrator(MANNER)
    events = narrator.changes(0, ACCEPTED, FULL)
    assert events[1].text == f"{APP} waits: {FULL.sentence}\n  next: wait"
    assert events[1].data["cause"] == "queue full"
    moved = replace(FULL, sentence=FULL.sentence.replace("4 of 4", "3 of 4"))
    assert narrator.changes(20, ACCEPTED, moved) == []
    other = Reason(Cause.NO_NODES, "the cluster has no node to run anything on")
    assert kinds(narrator.changes(30, ACCEPTED, other)) == ["waiting"]
    assert kinds(narrator.changes(40, ACCEPTED, FULL)) == ["waiting"]


def test_what_every_start_passes_through_is_told_only_when_it_lasts() -> None:
    narrator = Narrator(MANNER)
    normal = Reason(Cause.REGISTERING, "the driver's container is started")
    assert kinds(narrator.changes(0, replace(ACCEPTED, elapsed_ms=2000), normal)) == ["state"]
    assert kinds(narrator.changes(5, replace(ACCEPTED, elapsed_ms=7000), normal)) == ["waiting"]


def test_the_work_of_spark_is_told_by_stages_and_now_and_then() -> None:
    narrator = Narrator(MANNER)
    (_, event) = narrator.changes(0, RUNNING, progress=WORK)
    assert event.text == (
        f"{APP}: stage 2 collect at job.py:9: 11/20 tasks, 4 active, 1 failed;"
        " jobs 1 done, 1 running; tasks 31/60 done, 4 active, 1 failed; executors 2 (4 cores)"
    )
    assert (event.data["tasks_done"], event.data["executors"]) == (31, 2)
    assert narrator.changes(59, RUNNING, progress=more(WORK)) == []  # the same stage, not yet a minute
    assert kinds(narrator.changes(61, RUNNING, progress=more(WORK))) == ["progress"]
    assert narrator.changes(200, RUNNING, progress=more(WORK)) == []  # nothing moves: nothing to tell
    other = replace(more(WORK), stages=(Stage(3, 0, "save", 10),))
    assert kinds(narrator.changes(201, RUNNING, progress=replace(other, jobs=WORK.jobs))) == ["progress"]


def more(work: SparkProgress) -> SparkProgress:
    return replace(work, jobs=(work.jobs[0], replace(work.jobs[1], done=15)))


def test_lost_executors_are_each_told_once_and_many_are_counted() -> None:
    narrator = Narrator(MANNER)
    gone = tuple(Executor(str(n), "n1", active=False, reason="Exit status: 137.") for n in range(3, 11))
    events = narrator.changes(0, RUNNING, progress=replace(WORK, executors=(*WORK.executors, *gone)))
    losses = [event for event in events if event.kind == "executor_lost"]
    assert len(losses) == 6 and all(event.warning for event in losses)
    assert losses[0].text == f"{APP}: executor 3 on n1 was lost: Exit status: 137"
    assert losses[-1].text == f"{APP}: 3 more executors were lost"
    again = narrator.changes(5, RUNNING, progress=replace(WORK, executors=(*WORK.executors, *gone)))
    assert "executor_lost" not in kinds(again)


def test_a_stall_is_told_when_it_begins() -> None:
    narrator = Narrator(MANNER)
    narrator.changes(0, RUNNING)
    assert narrator.changes(10, RUNNING, stalled_s=299) == []
    (event,) = narrator.changes(20, RUNNING, stalled_s=301)
    assert (event.text, event.warning) == (f"{APP}: no task has finished for 5m", True)
    assert narrator.changes(30, RUNNING, stalled_s=400) == []
    narrator.changes(40, RUNNING, stalled_s=0)
    assert kinds(narrator.changes(400, RUNNING, stalled_s=360)) == ["stalled"]


def test_another_active_resourcemanager_and_another_attempt_are_told() -> None:
    narrator = Narrator(MANNER)
    logs = "http://n1:8042/node/containerlogs/container_e03_1700000000000_0001_0{}_000001/alice"
    narrator.changes(0, replace(RUNNING, am_container_logs=logs.format(1)), active_url="http://rm1:8088")
    (server,) = narrator.changes(9, replace(RUNNING, am_container_logs=logs.format(1)), active_url="http://rm2:8088")
    assert (server.kind, server.text) == ("failover", "the active ResourceManager is now http://rm2:8088")
    assert narrator.changes(10, RUNNING, active_url="") == []
    (attempt,) = narrator.changes(12, replace(RUNNING, am_container_logs=logs.format(2)))
    assert (attempt.kind, attempt.data) == ("attempt", {"attempt": 2})


def test_the_last_work_is_told_at_the_end_unless_it_was() -> None:
    narrator = Narrator(MANNER)
    narrator.changes(0, RUNNING, progress=WORK)
    assert narrator.last_work() is None
    narrator.changes(5, RUNNING, progress=more(WORK))
    event = narrator.last_work()
    assert event is not None and event.text == (
        f"{APP}: at the last look jobs 1 done, 1 running; tasks 35/60 done, 4 active, 1 failed; executors 2 (4 cores)"
    )
    assert narrator.last_work() is None


# --- the live display -------------------------------------------------------------------------------------------------


def test_the_panel_of_a_running_application() -> None:
    lost = Executor("3", "n3", active=False, reason="Exit status: 143.")
    work = replace(WORK, executors=(*WORK.executors, lost))
    lines = panel_lines(RUNNING, None, work, 360.0, 100)
    assert lines == [
        f"{APP}: RUNNING in root.ml (1m30s)  nightly",
        "jobs      1 done, 1 running",
        "tasks     31/60 done, 4 active, 1 failed",
        "executors 2 (4 cores), 1 lost",
        "stage 2   [###########.........] 11/20 collect at job.py:9, 1 failed",
        "lost      executor 3 on n3 was lost: Exit status: 143",
        "stalled   no task has finished for 6m",
    ]


def test_the_panel_of_a_waiting_application_wraps_its_reason() -> None:
    lines = panel_lines(ACCEPTED, FULL, None, 0.0, 50)
    assert lines[1].startswith("waits     queue root.ml is full") and lines[2].startswith(" " * 10)
    assert lines[-1] == "  next    wait" and all(len(line) < 50 for line in lines[1:])


def test_many_stages_are_counted_and_none_is_explained() -> None:
    many = replace(WORK, stages=tuple(Stage(n, 0, "map", 10) for n in range(7)))
    assert panel_lines(RUNNING, None, many, 0.0, 80)[-1] == "          3 more stages"
    idle = SparkProgress(jobs=(), executors=(Executor("1", cores=1),))
    assert panel_lines(RUNNING, None, idle, 0.0, 80)[-1].endswith("no job is running: the driver works by itself")
    assert panel_lines(RUNNING, None, SparkProgress(), 0.0, 80)[-1].endswith("no executor yet")


def test_the_brief_form_is_one_line() -> None:
    (line,) = brief_lines(RUNNING, None, WORK, 80)
    assert line.startswith(f"{APP}: RUNNING in root.ml (1m30s); executors 2 (4 cores); stage 2 collect")
    assert len(brief_lines(ACCEPTED, FULL, None, 200)) == 2


def doing(text: str, job_id: int = 2) -> SparkProgress:
    return replace(WORK, jobs=(*WORK.jobs, Job(job_id, "RUNNING", description=text)))


def test_each_stage_of_a_pipeline_is_told_once_and_at_once() -> None:
    narrator = Narrator(MANNER)
    first = narrator.changes(0, RUNNING, progress=doing("[1/4 training] fold 1/3"))
    assert kinds(first) == ["state", "step", "progress"]
    assert first[1].text == f"{APP}: [1/4 training] fold 1/3"
    assert first[1].data == {"step": "1/4 training", "description": "[1/4 training] fold 1/3"}
    assert narrator.changes(1, RUNNING, progress=doing("[1/4 training] fold 2/3")) == []
    assert kinds(narrator.changes(2, RUNNING, progress=doing("[2/4 evaluation]", 3))) == ["step"]
    assert kinds(narrator.changes(3, RUNNING, progress=WORK)) == []


def test_what_the_driver_does_stands_on_the_displays() -> None:
    panel = panel_lines(RUNNING, None, doing("[2/4 training] fold 1/3"), 0.0, 80)
    assert "doing     [2/4 training] fold 1/3" in panel
    (brief,) = brief_lines(RUNNING, None, doing("[2/4 training] fold 1/3"), 200)
    assert "; [2/4 training] fold 1/3; executors 2" in brief
    assert not any(line.startswith("doing") for line in panel_lines(RUNNING, None, WORK, 0.0, 80))
    long = panel_lines(RUNNING, None, doing("select " + "x" * 500), 0.0, 80)
    assert all(len(line) <= 120 for line in long)
