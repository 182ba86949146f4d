"""The evaluation job: real models of the training job on real flights, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from ml_pipeline_framework import model_store
from ml_pipeline_framework.contract import EvaluationParams
from ml_pipeline_framework.errors import DataError, GateError, ModelError, OutputError
from ml_pipeline_framework.jobs import evaluation, scoring, training
from ml_pipeline_framework.jobs.evaluation_report import summary

from .conftest import written


def local(uri):
    return Path(urlparse(uri).path)


@pytest.fixture(scope="module")
def place(spark, flights, tmp_path_factory):
    """A model of flights in the first half of 2013, a smaller one before it, and flights of the second half."""
    from ml_pipeline_framework.contract import TrainingParams

    folder = tmp_path_factory.mktemp("evaluation")
    old = written(flights[flights.month <= 6], folder / "old.parquet")
    written(flights[flights.month > 6], folder / "new.parquet")
    training.run(
        spark,
        TrainingParams(
            run_id="v2",
            model_name="delay",
            input_path=old,
            model_path=f"{folder.as_uri()}/models/delay/v2",
            metrics_path=f"{folder.as_uri()}/metrics/v2.json",
            label_column="late",
            label_expression="arr_delay > 15",
            key_columns=("year", "month", "day", "carrier", "flight", "origin"),
            exclude_columns=("dep_time", "dep_delay", "arr_time", "air_time", "tailnum", "time_hour"),
            hyperparameters={"n_estimators": 5, "max_depth": 6},
            leakage="off",
        ),
    )
    metadata = dict(model_store.open_model(spark, "delay@v2", f"{folder.as_uri()}/models").metadata)
    schema = [{"name": one, "type": "bigint", "nullable": True, "role": "numeric"} for one in ("hour", "month")]
    metadata |= {"version": "v1", "run_id": "v1", "created_ms": metadata["created_ms"] - 1, "input_schema": schema}
    rows = spark.read.parquet(old).selectExpr("hour", "month", "double(arr_delay > 15) y").dropna()
    vector = VectorAssembler(inputCols=["hour", "month"], outputCol="_features")
    pipeline = Pipeline(stages=[vector, LogisticRegression(featuresCol="_features", labelCol="y")]).fit(rows)
    model_store.save(spark, f"{folder.as_uri()}/models/delay/v1", pipeline, metadata, replace=False)
    return folder


@pytest.fixture
def asked(place, tmp_path):
    """Make the parameters of an evaluation; keywords change them."""

    def make(**changes):
        values = {
            "run_id": "e1",
            "input_path": (place / "new.parquet").as_uri(),
            "model": "delay@v2",
            "models_path": (place / "models").as_uri(),
            "metrics_path": (tmp_path / "metrics.json").as_uri(),
            "drift": False,
        }
        return EvaluationParams(**{**values, **changes})

    return make


@pytest.fixture(scope="module")
def whole(spark, place):
    """One evaluation that was asked for everything."""
    params = EvaluationParams(
        run_id="whole",
        input_path=(place / "new.parquet").as_uri(),
        model="delay",
        models_path=(place / "models").as_uri(),
        metrics_path=(place / "whole.json").as_uri(),
        segment_columns=("origin",),
        choose_threshold="f1",
        compare_with="previous",
        permutation_importance=True,
        permutation_rows=500,
        permutation_repeats=2,
        gate={"min_auc": 0.5, "max_regression": 0.2, "min_rows": 100},
    )
    return params, evaluation.run(spark, params)


# --- flights


def test_the_report_is_the_file_and_every_row_is_accounted_for(whole, flights):
    params, report = whole
    assert json.loads(local(params.metrics_path).read_text()) == json.loads(json.dumps(report))
    later = flights[flights.month > 6]
    assert report["rows"] == {
        "read": len(later),
        "held_out": len(later),
        "without_label": later.arr_delay.isna().sum(),
        "unknown_class": 0,
        "measured": later.arr_delay.notna().sum(),
    }
    assert report["model"]["version"] == "v2"
    assert report["data"]["input"]["files"] == 1
    assert report["gate"]["passed"]
    assert [one["name"] for one in report["gate"]["conditions"]] == ["min_auc", "max_regression", "min_rows"]


def test_the_metrics_are_those_of_scikit_learn(spark, place, whole):
    sklearn = pytest.importorskip("sklearn.metrics")
    report = whole[1]
    model = model_store.open_model(spark, "delay", (place / "models").as_uri())
    rows = spark.read.parquet((place / "new.parquet").as_uri()).where("arr_delay is not null")
    scored = model.pipeline().transform(rows)
    wanted = scored.select((F.col("arr_delay") > 15).cast("int"), vector_to_array("probability")[1], "prediction")
    truth, score, predicted = zip(*wanted.collect(), strict=True)
    found = report["metrics"]
    assert found["auc"] == pytest.approx(sklearn.roc_auc_score(truth, score), abs=found["auc_resolution"] + 1e-9)
    assert found["brier"] == pytest.approx(sklearn.brier_score_loss(truth, score))
    assert found["log_loss"] == pytest.approx(sklearn.log_loss(truth, score))
    assert report["confusion"]["matrix"] == sklearn.confusion_matrix(truth, predicted).tolist()
    assert found["auc_low"] < found["auc"] < found["auc_high"]
    assert report["curves"]["roc"]["fpr"][0] == 0


def test_segments_comparison_threshold_and_importance(whole):
    report = whole[1]
    assert {one["value"] for one in report["segments"]} == {"EWR", "JFK", "LGA"}
    assert sum(one["rows"] for one in report["segments"]) == report["rows"]["measured"]
    other = report["comparison"]
    assert other["model"]["version"] == "v1"
    assert other["rows"] == report["rows"]["measured"]
    assert other["difference"]["auc"] == pytest.approx(report["metrics"]["auc"] - other["metrics"]["auc"])
    choice = report["threshold_choice"]
    assert (choice["stored"], report["threshold"]) == (0.5, 0.5)
    assert choice["value"] >= report["metrics"]["f1"]
    assert any("chosen on the rows that it is measured on" in one for one in report["warnings"])
    told = report["importance"]
    assert (told["kind"], told["metric"], told["repeats"]) == ("permutation", "auc", 2)
    assert {one["feature"] for one in told["values"]} == {
        one["feature"] for one in report["importance_of_model"]["values"]
    }
    assert told["values"][0]["importance"] > 0


def test_drift_sees_the_other_half_of_the_year(whole):
    drifted = {one["column"]: one for one in whole[1]["drift"]["columns"]}
    assert drifted["month"]["level"] == "major"
    assert drifted["month"]["above_share"] == 1.0
    assert drifted["hour"]["level"] == "none"
    assert whole[1]["drift"]["share_of_rows"] == 1.0
    assert any("month is far" in one for one in whole[1]["warnings"])


def test_the_summary_names_the_numbers(whole):
    text = summary(whole[1])
    assert f"{whole[1]['metrics']['auc']:.4f}" in text
    assert "min_auc 0.5: found" in text
    assert len(text.splitlines()) <= 40


def test_the_rows_that_training_held_out_give_its_test_metrics(spark, place, asked):
    old = (place / "old.parquet").as_uri()
    stored = model_store.open_model(spark, "delay@v2", (place / "models").as_uri()).metadata
    report = evaluation.run(spark, asked(input_path=old, held_out_only=True))
    assert report["metrics"]["rows"] == stored["metrics"]["rows"]
    for name in ("auc", "log_loss", "accuracy"):
        assert report["metrics"][name] == pytest.approx(stored["metrics"][name])
        assert report["baseline"][name] == pytest.approx(stored["baseline"][name])
    again = evaluation.evaluate(spark, asked(input_path=old))  # the same run id replaces its own report
    assert any("was trained on" in one for one in again["warnings"])
    assert again["metrics"]["auc"] > report["metrics"]["auc"]


def test_a_key_of_another_type_is_refused_where_it_tells_who_was_held_out(spark, place, asked, flights, tmp_path):
    old = flights[flights.month <= 6]
    other = written(old.assign(year=old.year.astype(float)), tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"held_out_only: column 'year' .* is double, .* made with bigint.*cast"):
        evaluation.run(spark, asked(input_path=other, held_out_only=True))
    old.to_csv(tmp_path / "same.csv", index=False)  # read with the types of the training, keys too
    report = evaluation.run(spark, asked(input_path=(tmp_path / "same.csv").as_uri(), held_out_only=True))
    stored = model_store.open_model(spark, "delay@v2", (place / "models").as_uri()).metadata
    assert report["metrics"]["rows"] == stored["metrics"]["rows"]


def test_a_failed_gate_is_an_error_after_the_report(spark, asked):
    params = asked(gate={"min_auc": 0.99, "min_rows": 1}, compare_with="delay@v1")
    with pytest.raises(GateError, match=r"min_auc: limit 0.99, found 0\.\d+\. The report is at"):
        evaluation.run(spark, params)
    gate = json.loads(local(params.metrics_path).read_text())["gate"]
    assert not gate["passed"]
    assert [one["passed"] for one in gate["conditions"]] == [False, True]


@pytest.fixture
def champion(place, asked, tmp_path):
    """Both versions in a folder of their own, without a pointer; asks for an evaluation that is to move it."""
    shutil.copytree(place / "models" / "delay", tmp_path / "models" / "delay")
    (tmp_path / "models" / "delay" / "latest.json").unlink()
    (tmp_path / "models" / "delay" / ".latest.json.crc").unlink(missing_ok=True)

    def make(run_id, **changes):
        values = {"compare_with": "latest", "register": True, "gate": {"max_regression": 1.0}}
        places = {
            "models_path": (tmp_path / "models").as_uri(),
            "metrics_path": (tmp_path / f"{run_id}.json").as_uri(),
        }
        return asked(run_id=run_id, **{**values, **places, **changes})

    return make


def test_who_passes_the_gate_is_the_latest_and_the_next_yardstick(spark, champion, tmp_path):
    def latest():
        return json.loads((tmp_path / "models" / "delay" / "latest.json").read_text())

    first = evaluation.run(spark, champion("e1", model="delay@v1"))
    assert first["comparison"] is None and latest() == {"version": "v1", "run_id": "e1"}
    note = "no version of its name is the latest yet"
    assert note in first["gate"]["conditions"][0]["note"] and any(note in one for one in first["warnings"])
    with pytest.raises(GateError, match=r"not passed, and latest stays as it was: min_auc.*keeps its parameters"):
        evaluation.run(spark, champion("e2", gate={"min_auc": 0.99}))
    assert latest()["version"] == "v1"
    evaluation.run(spark, champion("e3", register=False))
    assert latest()["version"] == "v1"
    passed = evaluation.run(spark, champion("e4"))
    assert passed["comparison"]["model"]["version"] == "v1" and latest() == {"version": "v2", "run_id": "e4"}
    # A run that is lost right after it has moved the pointer is repeated against the same yardstick.
    again = evaluation.run(spark, champion("e4"))
    assert again["comparison"] == passed["comparison"] and latest() == {"version": "v2", "run_id": "e4"}
    with pytest.raises(ModelError, match="is the model itself"):
        evaluation.run(spark, champion("e5"))


def test_a_model_outside_its_names_folder_becomes_no_latest(spark, champion, tmp_path):
    shutil.move(tmp_path / "models" / "delay", tmp_path / "elsewhere")
    params = champion("e1", model=(tmp_path / "elsewhere" / "v1").as_uri())
    with pytest.raises(ModelError, match=r"register: .*/elsewhere/v1 can't become the latest of 'delay'"):
        evaluation.run(spark, params)
    assert not local(params.metrics_path).exists()


def test_one_class_only_leaves_holes_and_fails_a_gate_on_them(spark, asked, flights, tmp_path):
    punctual = written(flights[flights.arr_delay <= 15], tmp_path / "punctual.parquet")
    params = asked(input_path=punctual, gate={"min_auc": 0.1}, choose_threshold="f1")
    with pytest.raises(GateError, match=r"min_auc: limit 0.1, found none .*class"):
        evaluation.run(spark, params)
    report = json.loads(local(params.metrics_path).read_text())
    assert report["metrics"]["auc"] is None
    assert report["metrics"]["accuracy"] > 0.5
    assert report["threshold_choice"]["threshold"] is None


def test_text_data_is_measured_like_parquet(spark, asked, flights, tmp_path, whole):
    flights[flights.month > 6].to_csv(tmp_path / "new.csv.gz", index=False)
    report = evaluation.run(spark, asked(input_path=(tmp_path / "new.csv.gz").as_uri()))
    assert report["metrics"]["auc"] == pytest.approx(whole[1]["metrics"]["auc"])
    assert report["warnings"] == [], "types are those of the training, not what the text looks like"


# --- what does not fit


def bad_data(flights, tmp_path, kind):
    rows = flights[flights.month == 7]
    if kind == "no rows":
        return written(rows.iloc[:0], tmp_path / "bad.parquet")
    elif kind == "no label":
        rows = rows.assign(arr_delay=float("nan"))
    elif kind == "label missing":
        rows = rows.drop(columns="arr_delay")
    elif kind == "column missing":
        rows = rows.drop(columns=["carrier"]).rename(columns={"dest": "Dest"})
    elif kind == "other type":
        rows = rows.assign(hour=rows.hour.astype(str), day=rows.day + 0.5)
    path = written(rows, tmp_path / "bad.parquet")
    if kind == "corrupt":
        file = tmp_path / "bad.parquet"
        whole = file.read_bytes()
        file.write_bytes(whole[:400] + b"\0" * 4000 + whole[4400:])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no rows", "has no rows"),
        ("no label", r"arr_delay > 15\) is null in"),
        ("label missing", "the model's label_expression 'arr_delay > 15' does not work"),
        ("column missing", r"'carrier' \(string\) is missing.*'dest' \(string\) is missing; did you mean 'Dest'\?"),
        ("other type", "column 'day' is double, the model was trained on bigint.*'hour' is string"),
        ("corrupt", "bad.parquet can't be read"),
    ],
)
def test_data_that_does_not_serve(spark, asked, flights, tmp_path, kind, message):
    params = asked(input_path=bad_data(flights, tmp_path, kind))
    with pytest.raises(DataError, match=f"(?s){message}"):
        evaluation.run(spark, params)
    assert not local(params.metrics_path).exists()


def test_types_that_widen_are_cast_and_nothing_runs_to_find_out(spark):
    metadata = {
        "name": "m",
        "version": "1",
        "input_schema": [
            {"name": "a", "type": "bigint"},
            {"name": "odd.b", "type": "double"},
            {"name": "c", "type": "string"},
        ],
    }
    frame = spark.sql("select cast(1 as int) a, cast(2 as float) `odd.b`, 'x' c, 5 more")
    spark.sparkContext.setJobGroup("schema", "schema")
    said = scoring.check_schema(frame, metadata, "here")
    typed = scoring.as_trained(frame, metadata)
    assert spark.sparkContext.statusTracker().getJobIdsForGroup("schema") == []
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    assert [one.split()[1] for one in said] == ["'a'", "'odd.b'"]
    assert dict(typed.dtypes) == {"a": "bigint", "odd.b": "double", "c": "string", "more": "int"}
    assert typed.first()["odd.b"] == 2.0
    instants = {"name": "m", "timezone": "Europe/Berlin", "input_schema": [{"name": "t", "type": "timestamp"}]}
    assert "were those of Europe/Berlin" in scoring.check_schema(spark.sql("select now() t"), instants, "here")[0]
    assert scoring.check_schema(spark.sql("select now() t"), instants | {"timezone": "UTC"}, "here") == []
    for found, wanted, good in (
        ("bigint", "int", False),
        ("double", "float", False),
        ("int", "double", True),
        ("decimal(10,2)", "decimal(12,2)", True),
        ("decimal(12,2)", "decimal(10,2)", False),
        ("date", "timestamp", False),
        ("boolean", "int", False),
        ("void", "string", True),
    ):
        assert scoring.widens(found, wanted) is good, (found, wanted)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"compare_with": "latest"}, ModelError, "is the model itself"),
        ({"compare_with": "delay@v9"}, DataError, "versions there: v1, v2"),
        ({"model": "dealy"}, DataError, "models there:.*delay"),
        ({"gate": {"max_rmse": 3}}, ModelError, "gate.max_rmse: is no condition on a metric of binary models"),
        ({"segment_columns": ("orgin",)}, DataError, "did you mean 'origin'"),
        ({"label_column": "lat"}, DataError, "named in label_column"),
    ],
)
def test_wishes_that_can_not_be_met(spark, asked, changes, error, message):
    with pytest.raises(error, match=message):
        evaluation.run(spark, asked(**changes))


def change(file, old, new):
    """Change a stored file without changing its size, which the manifest holds."""
    assert len(old) == len(new)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    (file.parent / f".{file.name}.crc").unlink()


def test_models_that_are_not_whole_or_of_another_spark(spark, asked, place, tmp_path):
    copy = tmp_path / "models" / "delay" / "v1"
    shutil.copytree(place / "models" / "delay" / "v1", copy)
    change(copy / "metadata.json", f'"spark": "{spark.version}"', '"spark": "2.4.8"')
    report = evaluation.run(spark, asked(model=copy.as_uri(), compare_with="previous", gate={"max_regression": 0.0}))
    assert any("written by Spark 2.4.8" in one for one in report["warnings"])
    assert report["comparison"] is None  # the first of its name: nothing to be worse than
    assert report["gate"]["conditions"][0]["note"] == "there is no earlier version to compare with"
    stage = next((copy / "pipeline" / "stages").glob("1_*/metadata/part-*"))
    change(stage, "classification.LogisticRegressionModel", "classification.LogisticRegressionOther")
    with pytest.raises(ModelError, match=r"written by Spark 2.4.8"):
        evaluation.run(spark, asked(model=copy.as_uri()))
    (copy / "manifest.json").unlink()
    with pytest.raises(DataError, match="was not written whole"):
        evaluation.run(spark, asked(model=copy.as_uri()))


def test_a_report_of_another_run_is_not_overwritten(spark, asked):
    params = asked()
    local(params.metrics_path).write_text('{"run_id": "somebody"}')
    with pytest.raises(OutputError, match="belongs to run somebody"):
        evaluation.run(spark, params)
