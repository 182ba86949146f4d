"""What Spark's own REST tells, and what is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.spark_replies import parse_executors, parse_jobs, parse_stages
from batch_submit.plan.spark_progress import Executor, Job, SparkProgress, StallWatch

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "spark_rest"


def load(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}_4.3.json").read_text(encoding="utf-8"))


def look(name: str) -> SparkProgress:
    return SparkProgress(
        parse_jobs(load(f"{name}_jobs")),
        parse_stages(load(f"{name}_stages")),
        parse_executors(load(f"{name}_allexecutors")),
    )


def test_a_first_stage() -> None:
    progress = look("running")
    assert (progress.jobs_done, len(progress.running_jobs), progress.tasks_done) == (0, 1, 0)
    (stage,) = progress.stages
    assert (stage.stage_id, stage.tasks, stage.name) == (0, 40, "reduceByKey at job.py:9")
    assert [one.executor_id for one in progress.workers] == ["1", "2", "3"]
    assert progress.lost == ()


def test_a_task_that_ran_twice_counts_once_and_a_lost_executor_has_its_reason() -> None:
    progress = look("lost")
    assert (progress.tasks_done, progress.tasks_failed, progress.tasks_active) == (31, 6, 3)
    assert progress.stages[0].done == 31
    (lost,) = progress.lost
    assert (lost.executor_id, lost.host) == ("2", "localhost")
    assert lost.short_reason == (
        "Exit status: 137. Possible causes: Unknown executor exit code (137) (died from signal 9?)"
        " (container_e02_1795262099870_0004_01_000003)"
    )
    assert len(progress.workers) == 2


@pytest.mark.parametrize(
    "reason",
    ["Executor killed by driver.", "Container exited from explicit termination request.", "Executor decommission"],
)
def test_an_executor_that_was_sent_away_is_not_lost(reason: str) -> None:
    assert not Executor("1", active=False, reason=reason).lost
    assert Executor("1", active=False, reason="").lost and Executor("1", active=False).short_reason == "no reason told"


def test_an_old_spark_without_indices_and_odd_replies() -> None:
    old = {"jobId": 1, "status": "RUNNING", "numTasks": 10, "numCompletedTasks": 12, "numSkippedTasks": 2}
    (job,) = parse_jobs(old)
    assert (job.tasks, job.done) == (8, 8)
    done = {"status": "COMPLETE", "stageId": 1}
    assert parse_stages([done, {"stageId": "x"}, None]) == ()
    for odd in (None, {}, "", [], [None], "text", {"a": 1}):
        assert parse_jobs(odd) == () and parse_executors(odd) == ()


def test_a_stall_is_time_without_a_finished_task_while_a_job_runs() -> None:
    watch = StallWatch()
    busy = SparkProgress(jobs=(Job(0, "RUNNING", tasks=10, done=3),))
    assert watch.update(0, busy) == 0
    assert watch.update(100, busy) == 100
    assert watch.update(400, busy) == 400
    assert watch.update(410, replace(busy, jobs=(Job(0, "RUNNING", tasks=10, done=4),))) == 0
    assert watch.update(500, SparkProgress(jobs=(Job(0, "SUCCEEDED", 10, 10),))) == 0
    next_job = SparkProgress(jobs=(Job(0, "SUCCEEDED", 10, 10), Job(1, "RUNNING", 5, 0)))
    assert watch.update(900, next_job) == 0  # time between two jobs is the driver's own
    assert watch.update(930, next_job) == 30


def test_what_a_pipeline_says_that_it_does() -> None:
    jobs = parse_jobs(load("pipeline_jobs"))
    assert {job.description for job in jobs} == {"[1/3 late]", "[2/3 by_carrier]", "[3/3 slow]"}
    assert (SparkProgress(jobs).doing, SparkProgress(jobs).place) == ("[3/3 slow]", "[3/3 slow]")
    earlier = tuple(job for job in jobs if job.job_id <= 2)
    assert SparkProgress(earlier).doing == "[1/3 late]"  # between two jobs the newest one's holds
    assert look("running").doing == look("running").place == ""


def test_descriptions_that_spark_gives_itself_say_nothing_of_the_driver() -> None:
    ours, sparks = Job(1, "RUNNING", description="[training] fold 1/3"), "broadcast exchange (runId 1-2)"
    assert SparkProgress((ours, Job(2, "RUNNING", description=sparks))).doing == "[training] fold 1/3"
    assert SparkProgress((ours, Job(2, "SUCCEEDED", description="[training] fold 2/3"))).doing == "[training] fold 1/3"
    assert SparkProgress((Job(3, "RUNNING", description="select 1"),)).place == ""
