"""The pipeline job: the four jobs in one session, what they hand on, and a repeat after a failure."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from spark.conftest import KEYS, KNOWN_TOO_LATE

from ml_pipeline_framework import pipeline
from ml_pipeline_framework.contract import (
    DataProcessingParams,
    EvaluationParams,
    JobType,
    PipelineParams,
    PredictionParams,
    TrainingParams,
    handed_on,
)
from ml_pipeline_framework.errors import GateError, OutputError

#: A server that is not there: tracking must not fail a job.
NOWHERE = {"tracking_uri": "http://127.0.0.1:9"}


@pytest.fixture
def stages(tmp_path, flights_path):
    """The four jobs on a slice of the flights; keywords change a stage's parameters."""
    place = tmp_path.as_uri()

    def make(run_id="night-1", training=None, evaluation=None, prediction=None):
        common = {"run_id": run_id}
        processed = DataProcessingParams(
            **common,
            sources={"flights": {"path": flights_path}},
            steps=[{"filter": "arr_delay is not null"}, {"derive": {"late": "arr_delay > 15"}}],
            targets={"flights": {"path": f"{place}/clean", "mode": "overwrite"}},
            rejected_path=f"{place}/rejected",
            metrics_path=f"{place}/metrics/data_processing/{run_id}/metrics.json",
        )
        trained = TrainingParams(
            **common,
            input_path=f"{place}/clean",
            model_name="arrival-delay",
            model_path=f"{place}/models/arrival-delay/{run_id}",
            metrics_path=f"{place}/metrics/training/{run_id}/metrics.json",
            label_column="late",
            key_columns=KEYS,
            exclude_columns=(*KNOWN_TOO_LATE, "arr_delay"),
            hyperparameters={"n_estimators": 4, "max_depth": 5},
            **(training or {}),
        )
        evaluated = EvaluationParams(
            **{
                **common,
                **handed_on(JobType.EVALUATION, [trained]),
                "input_path": f"{place}/clean",
                "metrics_path": f"{place}/metrics/evaluation/{run_id}/metrics.json",
                **(evaluation or {}),
            }
        )
        predicted = PredictionParams(
            **{
                **common,
                **handed_on(JobType.PREDICTION, [trained]),
                "input_path": flights_path,
                "output_path": f"{place}/predictions",
                "metrics_path": f"{place}/metrics/prediction/{run_id}/metrics.json",
                **(prediction or {}),
            }
        )
        return processed, trained, evaluated, predicted

    return make


@pytest.fixture
def whole(tmp_path, stages):
    """The parameters of a pipeline of these; keywords as for `stages`, and those of the pipeline."""

    def make(run_id="night-1", mlflow=None, name="", **changes):
        return PipelineParams.of(
            stages(run_id, **changes),
            run_id=run_id,
            name=name,
            mlflow=mlflow or {},
            metrics_path=(tmp_path / "metrics" / "pipeline" / run_id / "metrics.json").as_uri(),
            state_path=(tmp_path / "checkpoints" / run_id).as_uri(),
        )

    return make


def report_at(uri):
    return json.loads(Path(uri.removeprefix("file://")).read_text())


def latest(folder):
    pointer = folder / "models" / "arrival-delay" / "latest.json"
    return json.loads(pointer.read_text())["version"] if pointer.exists() else ""


def states(report):
    return {one["name"]: one["state"] for one in report["stages"]}


@pytest.mark.spark35_smoke
@pytest.mark.filterwarnings("ignore")  # MLflow's own, where it is installed
def test_the_four_jobs_run_in_one_session_and_hand_the_model_on(spark, whole, tmp_path, flights):
    params = whole(mlflow=NOWHERE)
    report = pipeline.run(spark, params)
    assert report == report_at(params.metrics_path)
    assert (report["job_type"], report["state"]) == ("pipeline", "done")
    assert states(report) == dict.fromkeys(("data_processing", "training", "evaluation", "prediction"), "done")
    done = {one["name"]: one for one in report["stages"]}
    assert done["prediction"]["rows_in"] == len(flights)
    assert done["data_processing"]["rows_out"] == int(flights.arr_delay.notna().sum())
    assert done["prediction"]["rows_out"] == len(flights)
    reports = {name: report_at(one["metrics_path"]) for name, one in done.items()}
    assert reports["evaluation"]["model"]["version"] == reports["prediction"]["model"]["version"] == "night-1"
    assert {one["run_id"] for one in reports.values()} == {"night-1"}
    assert spark.read.parquet((tmp_path / "predictions").as_uri()).count() == len(flights)
    # Tracking could reach no server (or has no package here): each job says so, and none failed.
    for one in (report, *reports.values()):
        assert sum("MLflow" in text for text in one["warnings"]) == 1
    assert latest(tmp_path) == "night-1"  # there is no gate: training does it
    assert not (tmp_path / "checkpoints" / "night-1").exists()
    assert "Pipeline night-1: done" in pipeline.summary(report)


def test_a_failed_gate_stops_before_prediction_and_a_repeat_goes_on(spark, whole, tmp_path):
    hard = whole(evaluation={"gate": {"min_auc": 0.999}})
    with pytest.raises(GateError) as caught:
        pipeline.run(spark, hard)
    assert "in stage 'evaluation' (3 of 4)" in caught.value.__notes__[0]
    failed = report_at(hard.metrics_path)
    assert failed["state"] == "failed"
    assert list(states(failed).values()) == ["done", "done", "failed", "waiting"]
    assert "GateError" in failed["stages"][2]["error"]
    assert not (tmp_path / "predictions").exists()
    assert not latest(tmp_path)  # the first model of its name, and refused
    trained = report_at(failed["stages"][1]["metrics_path"])

    again = pipeline.run(spark, whole(name="another-label", evaluation={"gate": {"min_auc": 0.5}}))
    assert list(states(again).values()) == ["skipped", "skipped", "done", "done"]
    assert again["state"] == "done" and again == report_at(hard.metrics_path)
    assert report_at(again["stages"][1]["metrics_path"]) == trained  # not trained again
    assert (tmp_path / "predictions").exists()
    assert latest(tmp_path) == "night-1"


@pytest.mark.full
def test_a_refused_model_is_neither_in_use_nor_the_next_yardstick(spark, stages, tmp_path):
    def night(run_id, **training):
        gate = {"gate": {"max_regression": 0.01}, "compare_with": "latest", "drift": False}
        jobs = stages(run_id, training=training, evaluation=gate)[:3]
        place = (tmp_path / "pipelines" / run_id).as_uri()
        return PipelineParams.of(jobs, run_id=run_id, metrics_path=f"{place}.json", state_path=f"{place}-state")

    pipeline.run(spark, night("night-1"))
    assert latest(tmp_path) == "night-1"  # the first of its name has nothing to be worse than
    for run_id in ("night-2", "night-3"):
        params = night(run_id, feature_columns=("flight",))  # tells next to nothing
        with pytest.raises(GateError, match="latest stays as it was"):
            pipeline.run(spark, params)
        assert latest(tmp_path) == "night-1"
        assert report_at(params.jobs()[2].metrics_path)["comparison"]["model"]["version"] == "night-1"


def test_the_report_of_another_run_is_not_touched(spark, whole):
    params = whole()
    place = Path(params.metrics_path.removeprefix("file://"))
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"run_id": "other"}))
    with pytest.raises(OutputError, match="it belongs to run other"):
        pipeline.run(spark, params)
    assert json.loads(place.read_text()) == {"run_id": "other"}


def test_parameters_travel_as_one_file(whole, tmp_path):
    params = whole()
    file = tmp_path / "pipeline-params.json"
    file.write_text(params.to_json())
    assert PipelineParams.from_argv(["--params", str(file)]) == params
    with suppress(FileNotFoundError):
        file.unlink()
