"""The evaluation of models of every other kind than the flights': regression, several classes, clusters."""

from __future__ import annotations

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import functions as F

from ml_pipeline_framework import drift, model_store
from ml_pipeline_framework.contract import EvaluationParams
from ml_pipeline_framework.errors import ModelError
from ml_pipeline_framework.jobs import evaluation
from ml_pipeline_framework.jobs.evaluation_report import summary
from ml_pipeline_framework.jobs.reporting import versions


def stored(spark, folder, task, learner, rows, classes=None):
    """Fit a small model of two columns and save it as the training job would."""
    pipeline = Pipeline(stages=[VectorAssembler(inputCols=["ä", "noise"], outputCol="_features"), learner]).fit(rows)
    path = f"{folder.as_uri()}/models/{task}/1"
    profile = drift.profile(rows, [("ä", "number"), ("noise", "number")]) if task == "clustering" else {}
    label = {"column": "y", "expression": "", "task": task, "type": "", "classes": classes, "positive": None}
    metadata = {
        "schema_version": 1,
        "name": task,
        "version": "1",
        "run_id": "r",
        "created_ms": 1,
        "task": task,
        "algorithm": "small",
        "label": label if task != "clustering" else {**label, "column": ""},
        "input_schema": [
            {"name": one, "type": "double", "nullable": True, "role": "numeric"} for one in ("ä", "noise")
        ],
        "features": [],
        "training": {"rows": rows.count(), "classes": dict.fromkeys(classes, 100) if classes else None},
        "profile": profile,
        "split": {"kind": "hash", "hashed_columns": ["ä"], "seed": 1, "test_size": 0.2},
        "threshold": None,
        "versions": versions(spark),
        "metrics": {},
        "baseline": {"prediction": 100.0} if task == "regression" else {},
        "score_column": "prediction",
    }
    model_store.save(spark, path, pipeline, metadata, replace=False)
    return path


@pytest.fixture(scope="module")
def small(spark, tmp_path_factory):
    """Rows of three groups with a label of each kind, and their folder."""
    folder = tmp_path_factory.mktemp("small")
    rows = spark.range(600, numPartitions=2).select(
        F.expr("cast(id % 3 * 10 + (id * 37 % 11) / 5 as double)").alias("ä"),
        F.expr("cast(id * 53 % 17 as double)").alias("noise"),
        F.expr("element_at(array('null', 'eins', 'zwölf'), cast(id % 3 + 1 as int))").alias("group"),
        F.expr("cast(id % 3 as double)").alias("y_index"),
    )
    rows = rows.withColumn("amount", F.col("ä") * 10 + F.col("noise") / 100).persist()
    yield folder, rows
    rows.unpersist()


def evaluated(spark, folder, tmp_path, model, rows, **changes):
    rows.write.mode("overwrite").parquet((tmp_path / "rows").as_uri())
    params = EvaluationParams(
        run_id="e",
        model=model,
        input_path=(tmp_path / "rows").as_uri(),
        metrics_path=(tmp_path / "m.json").as_uri(),
        models_path=(folder / "models").as_uri(),
        **changes,
    )
    report = evaluation.run(spark, params)
    assert summary(report)
    return report


def test_a_regression_with_residuals_and_permutation(spark, small, tmp_path):
    folder, rows = small
    model = stored(spark, folder, "regression", LinearRegression(featuresCol="_features", labelCol="amount"), rows)
    wish = {"permutation_importance": True, "permutation_rows": 200, "permutation_repeats": 3, "drift": False}
    named = rows.withColumnRenamed("amount", "y")
    report = evaluated(spark, folder, tmp_path, model, named, gate={"max_rmse": 1, "min_r2": 0.9}, **wish)
    assert report["metrics"]["r2"] > 0.99
    assert report["baseline"]["prediction"] == 100.0
    assert report["curves"]["residuals"]["counts"]
    assert [one["feature"] for one in report["importance"]["values"]] == ["ä", "noise"]
    assert report["importance"]["values"][0]["importance"] > 50  # the spread of the amounts
    assert abs(report["importance"]["values"][1]["importance"]) < 1
    again = evaluated(spark, folder, tmp_path, model, named.repartition(5), **wish)
    assert [one["importance"] for one in again["importance"]["values"]] == pytest.approx(
        [one["importance"] for one in report["importance"]["values"]]
    )


def test_classes_that_training_has_not_seen_are_counted_and_left_out(spark, small, tmp_path):
    folder, rows = small
    learner = LogisticRegression(featuresCol="_features", labelCol="y_index", family="multinomial")
    classes = ["null", "eins", "zwölf"]
    model = stored(spark, folder, "multiclass", learner, rows, classes)
    changed = rows.withColumn("y", F.when(F.col("noise") == 3, F.lit("fünf")).otherwise(F.col("group")))
    fives = changed.where("y = 'fünf'").count()
    wish = {"permutation_importance": True, "permutation_rows": 200, "permutation_repeats": 1}
    report = evaluated(spark, folder, tmp_path, model, changed, segment_columns=("group",), **wish)
    assert report["rows"]["unknown_class"] == fives
    assert report["metrics"]["rows"] == 600 - fives
    assert report["metrics"]["f1_macro"] == 1.0
    assert any(f"'fünf' {fives}" in one for one in report["warnings"])
    assert len(report["segments"]) == 3
    assert report["confusion"]["labels"] == classes
    told = {one["feature"]: one["importance"] for one in report["importance"]["values"]}
    assert told["ä"] > 0.5
    assert told["noise"] == pytest.approx(0, abs=0.05)


def test_clusters_need_no_label(spark, small, tmp_path):
    folder, rows = small
    model = stored(spark, folder, "clustering", KMeans(k=3, seed=1, featuresCol="_features"), rows.select("ä", "noise"))
    report = evaluated(spark, folder, tmp_path, model, rows.select("ä", "noise"), gate={"min_silhouette": 0.1})
    assert report["rows"]["measured"] == 600
    assert report["metrics"]["clusters"] == 3
    assert report["drift"]["columns"][0]["level"] == "none"
    with pytest.raises(ModelError, match=r"permutation_importance: clusters have no label.*segment_columns"):
        evaluated(spark, folder, tmp_path, model, rows, permutation_importance=True, segment_columns=("group",))
