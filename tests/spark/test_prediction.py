"""The prediction job: what it writes, what it refuses before the first task, and what is left when it fails."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier, LinearSVC, LogisticRegression
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import functions as F

from ml_pipeline_framework import drift, model_store
from ml_pipeline_framework.contract import PredictionParams
from ml_pipeline_framework.errors import DataError, ModelError, OutputError
from ml_pipeline_framework.jobs import prediction, prediction_report
from ml_pipeline_framework.jobs import training as training_job
from ml_pipeline_framework.jobs.predicted_columns import class_names
from ml_pipeline_framework.jobs.prediction_report import summary
from ml_pipeline_framework.jobs.time_limit import TimeLimitError

READS = {"größe": "double", "stadt": "string", "n": "bigint"}
LABELS = {
    "binary": {"column": "churn", "type": "string", "classes": ["no", "yes"], "positive": "yes"},
    "multiclass": {"column": "grade", "type": "int", "classes": [3, 5, 9], "positive": None},
    "regression": {"column": "value", "type": "double", "classes": None, "positive": None},
    "clustering": None,
    "raw": {"column": "late", "type": "boolean", "classes": [False, True], "positive": True},
}


def learners():
    """One of each kind; making one needs a session."""
    return {
        "binary": LogisticRegression(labelCol="_y", featuresCol="_features", maxIter=5),
        "multiclass": DecisionTreeClassifier(labelCol="_y", featuresCol="_features", maxDepth=3, seed=1),
        "regression": LinearRegression(labelCol="_y", featuresCol="_features", maxIter=5, regParam=0.1),
        "clustering": KMeans(featuresCol="_features", k=3, seed=1),
        "raw": LinearSVC(labelCol="_y", featuresCol="_features", maxIter=3),
    }


def data(spark, rows=400):
    """Rows of three features, one of them with nulls and a non-ASCII name, two keys and a label."""
    number = F.col("id")
    return spark.range(0, rows, 1, 2).select(
        number.alias("key"),
        F.concat(F.lit("k"), number % 7).alias("kunde"),
        F.when(number % 11 != 0, (number * 7 % 100).cast("double")).alias("größe"),
        F.element_at(F.array(F.lit("Köln"), F.lit("Oslo"), F.lit("Zürich")), (number % 3 + 1).cast("int")).alias(
            "stadt"
        ),
        (number % 50).alias("n"),
        F.date_add(F.lit("2026-11-01").cast("date"), (number % 2).cast("int")).alias("dt"),
    )


@pytest.fixture(scope="module")
def models(spark, tmp_path_factory):
    """One small model per task, stored as training stores them: ``<folder>/<task>/v1``."""
    folder = tmp_path_factory.mktemp("models")
    rows = data(spark).withColumn("_y", F.col("n").cast("double")).persist()
    city = StringIndexer(inputCol="stadt", outputCol="_stadt", handleInvalid="keep").fit(rows)
    filled = VectorAssembler(inputCols=["_größe", "_stadt", "n"], outputCol="_features")
    fill = SQLTransformer(statement="SELECT *, coalesce(`größe`, 50.0) AS `_größe` FROM __THIS__")
    prepared = Pipeline(stages=[fill, city, filled]).fit(rows)
    features = prepared.transform(rows).persist()
    profile = drift.profile(rows, [("größe", "number"), ("stadt", "text"), ("n", "number")])
    for name, learner in learners().items():
        y = {"binary": F.col("n") > 24, "raw": F.col("n") > 24, "multiclass": F.col("n") % 3}.get(name, F.col("n"))
        fitted = learner.fit(features.withColumn("_y", y.cast("double")))
        save(spark, folder, name, prepared.copy(), fitted, profile)
    features.unpersist()
    rows.unpersist()
    return folder


def save(spark, folder, name, prepared, fitted, profile):
    label = LABELS[name]
    metadata = {
        "schema_version": 1,
        "kind": "spark_pipeline",
        "name": name,
        "version": "v1",
        "run_id": "train",
        "task": "binary" if name == "raw" else name,
        "label": label,
        "key_columns": ["key", "kunde"],
        "input_schema": [{"name": one, "type": kind, "nullable": True, "role": ""} for one, kind in READS.items()],
        "features": [],
        "training": {"rows": 400},
        "profile": profile,
        "threshold": 0.3 if name == "binary" else None,
        "versions": {"spark": spark.version},
        "score_column": {"raw": "rawPrediction", "regression": "prediction", "clustering": "prediction"}.get(
            name, "probability"
        ),
    }
    path = (folder / name / "v1").as_uri()
    model_store.save(spark, path, PipelineModel([*prepared.stages, fitted]), metadata, replace=False)
    model_store.point_latest(spark, path, "train")


@pytest.fixture
def predicting(spark, tmp_path, models):
    """Make the parameters of a run on the small data; keywords change them, ``frame`` is the input."""

    def make(frame=None, **changes):
        values = {
            "run_id": "score-1",
            "input_path": (tmp_path / "in.parquet").as_uri(),
            "output_path": (tmp_path / "out").as_uri(),
            "metrics_path": (tmp_path / "metrics.json").as_uri(),
            "models_path": models.as_uri(),
            "model": "binary",
            **changes,
        }
        if frame is not None:
            frame.write.mode("overwrite").parquet(values["input_path"])
        return PredictionParams(**values)

    return make


def types(frame):
    return {one.name: one.dataType.simpleString() for one in frame.schema}


def test_classes_come_back_as_they_were_with_the_stored_threshold(spark, tmp_path, predicting):
    frame = data(spark).withColumn("prediction", F.lit("old")).withColumn("more", F.lit(1))
    report = prediction.run(spark, predicting(frame))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert types(written) == {
        "key": "bigint",
        "kunde": "string",
        "prediction": "string",
        "probability_no": "double",
        "probability_yes": "double",
    }
    assert report["rows"] == {"input": 400, "output": 400}
    wrong = F.when(F.col("probability_yes") >= 0.3, "yes").otherwise("no") != F.col("prediction")
    assert written.where(wrong).count() == 0
    assert written.where("probability_yes between 0.3 and 0.5").count() > 0, "else the threshold decides nothing"
    assert written.where("abs(probability_yes + probability_no - 1) > 1e-9").count() == 0
    counts = {row["prediction"]: row["count"] for row in written.groupBy("prediction").count().collect()}
    assert report["scores"]["classes"] == counts
    assert sum(report["scores"]["counts"]) == 400
    assert report["threshold"] == 0.3 and report["threshold_from"] == "the model"
    assert report["data"]["output"]["files"] == 2
    assert json.loads((tmp_path / "metrics.json").read_text())["rows"] == report["rows"]
    assert report["drift"]["share_of_rows"] == 1.0 and report["unseen"] == []
    assert {one["level"] for one in report["drift"]["columns"]} == {"none"}
    assert "rows       400" in summary(report)


@pytest.mark.parametrize(
    ("model", "kind", "columns"),
    [
        ("multiclass", "int", ["probability_3", "probability_5", "probability_9"]),
        ("regression", "double", []),
        ("clustering", "int", []),
        ("raw", "boolean", ["score"]),
    ],
)
def test_every_task(spark, tmp_path, predicting, model, kind, columns):
    report = prediction.run(spark, predicting(data(spark), model=f"{model}@v1"))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert list(types(written)) == ["key", "kunde", "prediction", *columns]
    assert types(written)["prediction"] == kind
    assert written.where("prediction is null").count() == 0
    found = report["scores"]
    if model == "regression":
        assert sum(found["counts"]) == 400 and found["min"] < found["mean"] < found["max"]
    else:
        assert sum(found["classes"].values()) == 400 and len(found["classes"]) > 1
    if model == "multiclass":
        assert set(found["classes"]) <= {"3", "5", "9"}


def test_options_of_the_output(spark, tmp_path, predicting):
    params = predicting(
        data(spark),
        keep_columns=["n", "größe"],
        output_partition_by=["dt"],
        output_format="csv",
        output_compression="none",
        output_prefix="new_",
        provenance=True,
        threshold=0.9,
        drift=False,
    )
    report = prediction.run(spark, params)
    out = tmp_path / "out"
    assert sorted(one.name for one in out.iterdir() if one.is_dir()) == ["dt=2026-11-01", "dt=2026-11-02"]
    assert report["data"]["output"]["partitions"] == 2
    written = spark.read.csv(str(out), header=True, inferSchema=True)
    assert set(written.columns) == {
        *("größe", "n", "dt", "new_prediction", "new_probability_no", "new_probability_yes"),
        *("new_model_version", "new_run_id"),
    }
    row = written.first()
    assert (row["new_model_version"], row["new_run_id"]) == ("binary@v1", "score-1")
    assert written.where("(new_probability_yes >= 0.9) != (new_prediction = 'yes')").count() == 0
    assert report["drift"] is None and report["threshold_from"] == "threshold"


def test_all_columns_and_the_names_that_clash(spark, tmp_path, predicting):
    frame = data(spark).withColumn("Prediction", F.lit("old")).withColumn("_features", F.lit(1))
    with pytest.raises(DataError, match=r"'Prediction'.*set output_prefix"):
        prediction.run(spark, predicting(frame, keep_columns="all"))
    prediction.run(spark, predicting(keep_columns="all", output_prefix="m_", drift=False))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert written.columns[: len(frame.columns)] == frame.columns
    assert written.where("Prediction = 'old' and _features = 1").count() == 400


def test_class_names_are_columns():
    assert class_names(["a b", "a-b", "Größe", True, 1.0, "", "A_B"]) == (
        *("a_b", "a_b_2", "Größe", "true", "1", "_", "A_B_3"),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop("n"), r"'n' \(bigint\) is missing"),
        (lambda f: f.withColumn("größe", F.col("n").cast("string")), "'größe' is string"),
        (lambda f: f.drop("kunde"), "'kunde'.*key columns"),
    ],
)
def test_data_that_does_not_fit_is_refused_before_the_first_task(spark, tmp_path, predicting, change, said):
    params = predicting(change(data(spark)))
    spark.sparkContext.setJobGroup("refused", "refused")
    try:
        with pytest.raises(DataError, match=said):
            prediction.run(spark, params)
        jobs = spark.sparkContext.statusTracker().getJobIdsForGroup("refused")
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    assert not (tmp_path / "out").exists()
    # Reading a Parquet footer and loading the model are Spark jobs too; none of them reads a row of the input.
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for job in jobs for stage in tracker.getJobInfo(job).stageIds]
    assert not any("save" in stage.name for stage in stages if stage is not None)


def test_wider_types_and_unseen_values(spark, tmp_path, predicting):
    frame = data(spark).withColumn("n", F.col("n").cast("int"))
    frame = frame.withColumn("stadt", F.when(F.col("key") < 40, "Ümea").otherwise(F.col("stadt")))
    frame = frame.withColumn("größe", F.col("größe") + 500)
    report = prediction.run(spark, predicting(frame, keep_columns=["key", "n"]))
    assert types(spark.read.parquet(str(tmp_path / "out")))["n"] == "int", "kept as it was read"
    unseen = report["unseen"]
    assert [(one["column"], one["rows"], one["share"], one["examples"]) for one in unseen] == [
        ("stadt", 40, 0.1, ["Ümea"])
    ]
    said = "\n".join(report["warnings"])
    assert "'n' is int and was bigint" in said
    assert "40 rows (10.0%) have a stadt that training never saw: 'Ümea'" in said
    assert "major drift" in said and "größe" in said


def test_drift_of_a_sample_is_the_same_each_time(spark, models):
    metadata = model_store.open_model(spark, "binary", models.as_uri()).metadata
    frame = data(spark, 4000).withColumn("stadt", F.when(F.col("key") % 10 == 0, "Ümea").otherwise(F.col("stadt")))
    assert prediction_report.share_to_look_at("sample", 400_000) == 0.25
    assert prediction_report.share_to_look_at(True, 400_000) == 1.0
    drifted, unseen = prediction_report.compared(frame, metadata, 0.1, frame.count())
    assert 300 < drifted["rows"] < 500
    assert prediction_report.compared(frame, metadata, 0.1, frame.count()) == (drifted, unseen)
    (one,) = unseen
    assert one["examples"] == ["Ümea"] and not one["exact"] and 200 < one["rows"] < 600


def test_no_rows(spark, tmp_path, predicting):
    report = prediction.run(spark, predicting(data(spark).where("key < 0"), output_partition_by=["dt"]))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert written.count() == 0
    assert types(written)["dt"] == "date" and "probability_yes" in written.columns
    assert report["rows"]["output"] == 0 and report["scores"] is None
    assert report["warnings"] == ["the input has no rows: the output is empty"]
    assert "rows       0" in summary(report)


def test_text_is_read_with_the_types_of_the_training(spark, tmp_path, predicting):
    lines = ["key,kunde,größe,stadt,n,extra"] + [
        f"{i},k{i},,{'007' if i % 2 else 'Köln'},{i % 50},x" for i in range(60)
    ]
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    report = prediction.run(spark, predicting(input_path=path.as_uri()))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert written.count() == 60 and types(written)["key"] == "int"
    assert report["unseen"][0]["examples"] == ["007"]
    path.write_bytes(gzip.compress("\n".join([*lines, "60,k,viel,Köln,1,x"]).encode()))
    with pytest.raises(DataError, match="can't be read"):
        prediction.run(spark, predicting(input_path=path.as_uri(), run_id="score-1"))
    assert spark.read.parquet(str(tmp_path / "out")).count() == 60, "the old result stays"


def test_a_damaged_file_is_named_and_nothing_is_left(spark, tmp_path, predicting):
    params = predicting(data(spark))
    whole = sorted((tmp_path / "in.parquet").glob("part-*.parquet"))
    whole[-1].write_bytes(whole[-1].read_bytes()[:200])
    for one in (tmp_path / "in.parquet").glob(".*.crc"):
        one.unlink()
    with pytest.raises(DataError, match=rf"in.parquet can't be read: .*{whole[-1].name}"):
        prediction.run(spark, params)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.parquet"]


def test_reruns_replace_their_own_output_only(spark, tmp_path, predicting):
    prediction.run(spark, predicting(data(spark)))
    again = prediction.run(spark, predicting(data(spark, 100)))
    assert again["rows"]["output"] == 100
    other = {"run_id": "score-2", "metrics_path": (tmp_path / "m2.json").as_uri()}
    with pytest.raises(OutputError, match=r"run score-1 \(this is score-2\)"):
        prediction.run(spark, predicting(**other))
    assert prediction.run(spark, predicting(data(spark, 50), overwrite=True, **other))["rows"]["output"] == 50
    assert spark.read.parquet(str(tmp_path / "out")).count() == 50
    with pytest.raises(OutputError, match="score-2"):
        prediction.run(spark, predicting())


def test_a_threshold_that_the_model_has_no_use_for(spark, predicting):
    with pytest.raises(ModelError, match="no threshold"):
        prediction.run(spark, predicting(data(spark), model="regression", threshold=0.5))
    with pytest.raises(ModelError, match="no probabilities"):
        prediction.run(spark, predicting(model="raw", threshold=0.5))
    with pytest.raises(DataError, match=r"no version 'v7' of the model 'binary'.*versions there: v1"):
        prediction.run(spark, predicting(model="binary@v7"))


def test_the_time_limit_cancels_the_work_and_leaves_nothing(spark, tmp_path, predicting, monkeypatch):
    params = predicting(data(spark), prediction_timeout="500ms")
    slow = F.udf(lambda n: time.sleep(30) or n, "bigint")
    opened = prediction.scoring_input.opened

    def slowly(*given):
        frame = opened(*given)
        return frame.withColumn("n", slow("n"))

    monkeypatch.setattr(prediction.scoring_input, "opened", slowly)
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"prediction_timeout 500ms has passed \(\d+ s\).*nothing was written"):
        prediction.run(spark, params)
    assert time.monotonic() - began < 25
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.parquet"]


KILLED = """
    import sys, time
    from pyspark.sql import SparkSession, functions as F
    from ml_pipeline_framework.contract import PredictionParams
    from ml_pipeline_framework.jobs import prediction, prediction_report
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
             .config("spark.log.level", "OFF").getOrCreate())
    opened = prediction.scoring_input.opened
    slow = F.udf(lambda n: time.sleep(0.2) or n, "bigint")
    prediction.scoring_input.opened = lambda *given: opened(*given).withColumn("n", slow("n"))
    prediction.run(spark, PredictionParams.from_json(sys.argv[1]))
"""


@pytest.mark.full  # two JVM starts; test_outputs.py kills a write in every run
def test_killed_in_the_middle(spark, tmp_path, predicting):
    params = predicting(data(spark))
    prediction.run(spark, params)
    before = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "out").iterdir()}
    command = [sys.executable, "-c", textwrap.dedent(KILLED), params.to_json()]
    job = subprocess.Popen(command, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob(".out.score-1.tmp/_temporary/0/_temporary/*")):
            assert job.poll() is None, "the job ended by itself"
            assert time.monotonic() < deadline, "the job never began to write"
            time.sleep(0.1)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    assert {one.name: one.stat().st_mtime_ns for one in (tmp_path / "out").iterdir()} == before
    assert Path(tmp_path / "metrics.json").exists(), "the old report still stands beside the old result"
    prediction.run(spark, params)
    assert sorted(one.name for one in tmp_path.iterdir() if not one.name.endswith(".crc")) == [
        *("in.parquet", "metrics.json", "out")
    ]


def test_with_a_model_of_the_training_job(spark, tmp_path, training, flights_path):
    trained = training()
    training_job.run(spark, trained)
    report = prediction.run(
        spark,
        PredictionParams(
            run_id="score-1",
            input_path=flights_path,
            output_path=(tmp_path / "out").as_uri(),
            metrics_path=(tmp_path / "metrics.json").as_uri(),
            model=trained.model_path,
        ),
    )
    written = spark.read.parquet(str(tmp_path / "out"))
    assert written.columns == [*trained.key_columns, "prediction", "probability_false", "probability_true"]
    assert types(written)["prediction"] == "boolean"
    assert written.count() == report["rows"]["output"] == spark.read.parquet(flights_path).count()
    assert written.where((F.col("probability_true") >= report["threshold"]) != F.col("prediction")).count() == 0
    assert report["drift"]["columns"], "training has left its profile"
