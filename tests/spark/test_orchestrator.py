"""Pipelines of functions and jobs in one session: order, counts, and going on after a failure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import deque
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from ml_pipeline_framework import PipelineOrchestrator
from ml_pipeline_framework.checkpoints import Checkpoints
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.errors import OutputError
from ml_pipeline_framework.fingerprints import fingerprint
from ml_pipeline_framework.jobs import placing

ROOT = Path(__file__).resolve().parents[2]
FACTOR = 2


def states(pipeline):
    return {one["name"]: one["state"] for one in pipeline.report()["stages"]}


def stage(pipeline, name):
    return next(one for one in pipeline.report()["stages"] if one["name"] == name)


@pytest.fixture
def state(tmp_path):
    return (tmp_path / "checkpoints" / "nightly").as_uri()


def files_in(state):
    folder = Path(state.removeprefix("file://"))
    return sorted(one.name for one in folder.iterdir() if not one.name.startswith(".")) if folder.exists() else []


def test_stages_are_handed_the_session_and_what_came_before(spark):
    with PipelineOrchestrator("numbers", spark) as pipeline:
        pipeline.add(
            "make", lambda s: s.range(10)
        )  # the first stage's sole parameter is the session, whatever its name
        pipeline.add("even", lambda rows: rows.where("id % 2 = 0"))
        pipeline.add("sum", lambda spark, rows: spark.createDataFrame(rows.selectExpr("sum(id) s").collect()).first().s)
        pipeline.add("nothing", lambda: None)
        assert pipeline.run() is None
    assert pipeline.results["sum"] == 20
    assert list(pipeline.seconds) == ["make", "even", "sum", "nothing"]
    assert set(states(pipeline).values()) == {"done"}
    assert spark.range(1).count() == 1  # a session that was given is not stopped


def test_rows_are_counted_while_they_are_written_and_a_failure_is_gone_on_from(spark, state):
    ran = deque()  # a list would count as part of the work: its values are plain
    broken = True

    def make(spark):
        ran.append("make")
        return spark.range(10)

    def keep(rows):
        ran.append("keep")
        return rows.where("id < 7")

    def measure(rows):
        ran.append("measure")
        if broken:
            raise RuntimeError("the disk is full")
        return {"rows": rows.count()}

    def run():
        with PipelineOrchestrator("nightly", spark, state=state) as pipeline:
            pipeline.add("make", make).add("keep", keep).add("measure", measure)
            try:
                pipeline.run()
            except RuntimeError as error:
                return pipeline, error
            return pipeline, None

    pipeline, error = run()
    assert "in stage 'measure' (3 of 3) of 'nightly'" in error.__notes__[0]
    assert stage(pipeline, "measure")["error"] == "RuntimeError: the disk is full"
    assert (stage(pipeline, "keep")["rows_in"], stage(pipeline, "keep")["rows_out"]) == (10, 7)
    assert files_in(state) == ["keep.json", "keep.parquet", "make.json", "make.parquet"]

    broken = False
    pipeline, error = run()
    assert error is None
    assert list(ran) == ["make", "keep", "measure", "measure"]
    assert states(pipeline) == {"make": "skipped", "keep": "skipped", "measure": "done"}
    assert stage(pipeline, "keep")["rows_out"] == 7
    assert pipeline.results["measure"] == {"rows": 7}
    assert files_in(state) == []

    run()  # the one before ended well: this one is another night's
    assert list(ran)[4:] == ["make", "keep", "measure"]


def fails(_previous):
    raise RuntimeError("not yet")


def attempt(spark, state, *stages):
    """One run that may fail; what became of its stages."""
    pipeline = PipelineOrchestrator("nightly", spark, state=state, stages=stages)
    with suppress(RuntimeError):
        pipeline.run()
    return pipeline


def test_a_changed_stage_and_all_after_it_run_again(spark, state):
    def numbers(spark, *, upto):
        return spark.range(upto)

    make, double = ("make", partial(numbers, upto=3)), ("double", lambda rows: rows.selectExpr(f"id * {FACTOR} as id"))
    assert states(attempt(spark, state, make, double, ("end", fails)))["double"] == "done"
    again = attempt(spark, state, make, double, ("end", fails))
    assert states(again) == {"make": "skipped", "double": "skipped", "end": "failed"}
    changed = attempt(spark, state, ("make", partial(numbers, upto=4)), double, ("end", fails))
    assert states(changed) == {"make": "done", "double": "done", "end": "failed"}
    assert stage(changed, "make")["reason"] == "it has changed since an earlier run completed it"
    assert stage(changed, "double")["rows_out"] == 4


def test_what_is_gone_is_made_again(spark, state):
    stages = (("make", lambda spark: spark.range(3)), ("same", lambda rows: rows), ("end", fails))
    attempt(spark, state, *stages)
    subprocess.run(["rm", "-r", f"{state.removeprefix('file://')}/make.parquet"], check=True)
    again = attempt(spark, state, *stages)
    assert states(again) == {"make": "done", "same": "done", "end": "failed"}
    assert stage(again, "make")["reason"] == f"what an earlier run wrote is gone: {state}/make.parquet"


def test_what_a_job_wrote_must_still_be_its_own(spark, state, tmp_path):
    place = (tmp_path / "clean").as_uri()
    placing.mark(spark, place, "night-1", {})
    kept = Checkpoints(spark, state, "nightly")
    kept.keep("clean", "print", {}, {"kind": "nothing"}, [place])
    record = kept.read("clean")
    assert record is not None and kept.lost("clean", record) == ""
    placing.mark(spark, place, "by-hand", {})
    assert kept.lost("clean", record) == f"what an earlier run wrote was replaced by run by-hand: {place}"
    (tmp_path / "clean" / "_run.json").unlink()
    assert kept.lost("clean", record) == f"what an earlier run wrote was replaced by something else: {place}"
    (tmp_path / "clean").rename(tmp_path / "elsewhere")
    assert kept.lost("clean", record) == f"what an earlier run wrote is gone: {place}"


def test_a_result_that_can_not_be_kept_is_made_again_for_who_needs_it(spark, state):
    stages = (("make", lambda spark: spark.range(3)), ("model", lambda rows: object()), ("use", fails))
    attempt(spark, state, *stages)
    again = attempt(spark, state, *stages)
    assert states(again) == {"make": "skipped", "model": "done", "use": "failed"}
    assert stage(again, "model")["reason"] == "its result (object) can't be kept for the stage after it"

    def alone(spark):
        raise RuntimeError("not yet")

    stages = (*stages[:2], ("alone", alone))  # needs the session only
    attempt(spark, state, *stages)
    assert states(attempt(spark, state, *stages)) == {"make": "skipped", "model": "skipped", "alone": "failed"}


def test_the_state_of_another_pipeline_is_not_touched(spark, state):
    attempt(spark, state, ("make", lambda spark: spark.range(3)), ("end", fails))
    with pytest.raises(OutputError, match="holds the state of the pipeline 'nightly'"):
        PipelineOrchestrator("weekly", spark, state=state, stages=[("make", lambda spark: 1)]).run()
    assert "make.json" in files_in(state)


def test_load_process_save_stay_one_call_of_keywords(spark, state):
    written = []
    pipeline = PipelineOrchestrator(
        load=lambda spark: spark.range(4), process=lambda rows: rows.where("id > 1"), save=written.append
    )
    assert pipeline.run(spark).count() == 2
    assert written[0].count() == 2
    assert list(pipeline.seconds) == ["load", "process", "save"]


def test_stages_may_be_mappings_with_data(spark):
    pipeline = PipelineOrchestrator(
        "given",
        spark,
        stages=[
            {"name": "rows", "data": spark.range(5), "type": "extract"},
            {"name": "few", "run": lambda rows: rows.limit(2)},
            {"name": "other", "data": spark.range(9), "run": lambda rows: rows.count()},
        ],
    )
    assert pipeline.run() == 9
    assert pipeline.results["few"].count() == 2


@pytest.mark.parametrize(
    ("name", "work", "says"),
    [
        ("a b", lambda: 1, "can't be a stage's name"),
        ("a", 5, "neither a function nor the parameters"),
        ("a", lambda x, y, z: 1, "wants (x, y, z)"),
        ("a", lambda *, rows: 1, "wants (rows)"),
    ],
)
def test_what_can_not_be_a_stage_is_refused_when_it_is_added(name, work, says):
    with pytest.raises(ValueError) as caught:
        PipelineOrchestrator("p").add(name, work)
    assert says in str(caught.value)


def test_other_mistakes_are_refused_at_once():
    with pytest.raises(ValueError, match="there is a stage 'a' already"):
        PipelineOrchestrator("p", stages=[("a", len), ("a", len)])
    with pytest.raises(ValueError, match="save is missing"):
        PipelineOrchestrator(load=len, process=len)
    with pytest.raises(ValueError, match="has no stages"):
        PipelineOrchestrator("p").run()
    with pytest.raises(ValueError, match="does not know rum"):
        PipelineOrchestrator("p", stages=[{"name": "a", "rum": len}])


def test_a_fingerprint_follows_what_the_function_reaches():
    def outer(limit, helper):
        def work(rows):
            """Description."""
            return helper(rows) + limit + FACTOR

        return work

    def first(rows):
        return rows

    def second(rows):
        return rows + 1

    assert fingerprint(outer(1, first)) == fingerprint(outer(1, first))
    assert len({fingerprint(one) for one in (outer(1, first), outer(2, first), outer(1, second))}) == 3
    assert fingerprint(partial(outer, 1)) != fingerprint(partial(outer, 2))
    dates = (outer(date(2026, 1, 1), first), outer(date(2026, 1, 2), first), outer(re.compile("a"), first))
    assert len({fingerprint(one) for one in dates}) == 3
    assert fingerprint(len) != fingerprint(sum)
    assert fingerprint(len, "a") != fingerprint(len, "b")


def test_the_label_of_a_run_is_no_part_of_its_work():
    def job(**changes):
        values = {"run_id": "r-1", "input_path": "in", "label_column": "late", "key_columns": ("year",)}
        return fingerprint(TrainingParams(**{**values, **changes}))

    assert job() == job(name="pipeline-20130101-120000", mlflow={"tracking_uri": "http://mlflow:5000"})
    assert len({job(), job(seed=7), job(run_id="r-2")}) == 3


def test_a_fingerprint_is_the_same_in_another_process(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from ml_pipeline_framework.fingerprints import fingerprint\n"
        "NAMES = {'b', 'a', 'c'}\n"
        "def helper(rows): return rows.where('x in (1, 2)') if rows in {'p', 'q', 'r'} else NAMES\n"
        "print(fingerprint(lambda rows: helper(rows)))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    json.dumps(found.pop())
