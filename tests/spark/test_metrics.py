"""Metrics of real models' predictions against scikit-learn and Spark's own evaluators."""

from __future__ import annotations

import importlib.util
import itertools
import json

import pytest

pytest.importorskip("pyspark")

import numpy as np
from pyspark.ml.classification import LinearSVC, LogisticRegression, RandomForestClassifier
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import (
    BinaryClassificationEvaluator,
    MulticlassClassificationEvaluator,
    RegressionEvaluator,
)
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import Vectors
from pyspark.ml.regression import LinearRegression
from pyspark.sql import functions as F

from ml_pipeline_framework import metrics
from ml_pipeline_framework.errors import DataError

#: Rows per class of scikit-learn's data sets; of the last one the labels are numbers.
SIZES = {"breast_cancer": (212, 357), "wine": (59, 71, 48), "iris": (50, 50, 50), "diabetes": (442,)}


def data_of(name, columns):
    """Features and labels of one of scikit-learn's data sets; where it is not installed, something of the same size."""
    if importlib.util.find_spec("sklearn"):
        from sklearn import datasets

        bundle = getattr(datasets, f"load_{name}")()
        return bundle.data[:, :columns], bundle.target
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(len(SIZES[name])), SIZES[name])
    features = rng.normal(labels[:, None] * 0.9, 1.0, (len(labels), columns))
    return features, 150 + 40 * features.sum(axis=1) + rng.normal(0, 30, len(labels)) if name == "diabetes" else labels


def rows_of(spark, name, columns=6):
    """One of these data sets: a vector of few features, the label, and two segment columns."""
    features, labels = data_of(name, columns)
    rows = [
        (
            float(y),
            Vectors.dense([float(one) for one in x]),
            None if at % 7 == 0 else f"größe {at % 3}",
            at % 2,
        )
        for at, (x, y) in enumerate(zip(features, labels, strict=True))
    ]
    return spark.createDataFrame(rows, ["y", "_features", "size", "odd"])


def predicted(estimator, frame):
    """Predictions of a model on the rows that it was fitted on, kept so that every look sees the same."""
    return estimator.setParams(featuresCol="_features").fit(frame).transform(frame).cache()


@pytest.fixture(scope="module")
def two(spark):
    frame = rows_of(spark, "breast_cancer")
    return predicted(LogisticRegression(labelCol="y", maxIter=5, regParam=0.3), frame)


@pytest.fixture(scope="module")
def three(spark):
    return predicted(RandomForestClassifier(labelCol="y", numTrees=4, maxDepth=2, seed=1), rows_of(spark, "wine", 3))


@pytest.fixture(scope="module")
def numbers(spark):
    return predicted(LinearRegression(labelCol="y"), rows_of(spark, "diabetes"))


def local(frame, score=True):
    """Labels, predictions and probabilities as lists."""
    wanted = ["y", "prediction"] + ([vector_to_array("probability").alias("p")] if score else [])
    rows = frame.select(*wanted).collect()
    return (
        [row["y"] for row in rows],
        [row["prediction"] for row in rows],
        [row["p"] for row in rows] if score else None,
    )


def subset(frame, column, value):
    return frame.where(F.col(column).eqNullSafe(F.lit(value)))


# --- two classes


def test_two_classes_agree_with_scikit_learn_and_spark(two):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, c, p = local(two)
    p = [one[1] for one in p]
    measured = metrics.measure("binary", two, "y")
    found = measured.metrics
    assert found["auc_resolution"] < 1e-4
    assert found["auc"] == pytest.approx(sklearn.roc_auc_score(y, p), abs=found["auc_resolution"])
    spark_auc = BinaryClassificationEvaluator(labelCol="y", rawPredictionCol="probability", numBins=0).evaluate(two)
    assert found["auc"] == pytest.approx(spark_auc, abs=found["auc_resolution"] + 1e-9)
    assert found["pr_auc"] == pytest.approx(sklearn.average_precision_score(y, p), abs=1e-4)
    assert found["log_loss"] == pytest.approx(sklearn.log_loss(y, p))
    assert found["brier"] == pytest.approx(sklearn.brier_score_loss(y, p))
    assert found["f1"] == pytest.approx(sklearn.f1_score(y, c))
    assert found["precision"] == pytest.approx(sklearn.precision_score(y, c))
    assert found["recall"] == pytest.approx(sklearn.recall_score(y, c))
    assert measured.confusion["matrix"] == sklearn.confusion_matrix(y, c).tolist()
    assert (found["rows"], found["positives"], found["threshold"]) == (569, sum(y), None)
    assert found["auc_low"] < found["auc"] < found["auc_high"]
    tenth = measured.curves["calibration"][3]
    inside = [(one, label) for one, label in zip(p, y, strict=True) if 0.3 <= one < 0.4]
    assert tenth["rows"] == len(inside)
    assert tenth["mean_probability"] == pytest.approx(sum(one for one, _ in inside) / len(inside))
    assert set(metrics.NAMES["binary"]) <= set(found)
    json.dumps(measured.to_dict(), allow_nan=False)


def test_a_threshold_changes_what_is_predicted_and_nothing_else(two):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, _, p = local(two)
    free = metrics.measure("binary", two, "y")
    threshold, value = metrics.binary.choose_threshold(free.bins, "f_beta:2")
    measured = metrics.measure("binary", two, "y", threshold=threshold, classes=["böse", "gut"])
    assert measured.confusion == metrics.binary.confusion_at(free.bins, threshold, ["böse", "gut"])
    assert value == pytest.approx(sklearn.fbeta_score(y, [one[1] >= threshold for one in p], beta=2))
    best = max(sklearn.fbeta_score(y, [one[1] >= cut[1] for one in p], beta=2) for cut in p[::5])
    assert value >= best - 1e-3  # the candidates are the lowest scores of steps, not every score
    assert measured.metrics["threshold"] == threshold
    assert measured.metrics["auc"] == free.metrics["auc"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_segment_is_measured_like_its_rows_alone(two, three, numbers, task):
    frame = {"binary": two, "multiclass": three, "regression": numbers}[task]
    classes = ["a", "b", "c"] if task == "multiclass" else None
    measured = metrics.measure(task, frame, "y", classes=classes, segments=["size", "odd"])
    assert {(one["column"], one["value"]) for one in measured.segments} == {
        ("size", None),
        *(("size", f"größe {at}") for at in range(3)),
        ("odd", "0"),
        ("odd", "1"),
    }
    assert sum(one["rows"] for one in measured.segments) == 2 * measured.rows
    for one in [measured.segments[3], measured.segments[-1]]:
        value = int(one["value"]) if one["column"] == "odd" else one["value"]
        alone = metrics.measure(task, subset(frame, one["column"], value), "y", classes=classes).metrics
        assert one["rows"] == alone["rows"]
        shared = set(alone) & set(one["metrics"])
        assert len(shared) >= 6
        for name in shared:
            assert one["metrics"][name] == pytest.approx(alone[name], rel=1e-9, abs=1e-12), (one["value"], name)


def test_many_values_of_a_segment_become_a_rest(two):
    crowded = two.withColumn(
        "many", F.when(F.col("odd") == 1, F.lit("x")).otherwise(F.monotonically_increasing_id().cast("string"))
    )
    measured = metrics.measure("binary", crowded, "y", segments=["many", "odd"])
    of_many = [one for one in measured.segments if one["column"] == "many"]
    assert len(of_many) == 51
    assert (of_many[0]["value"], of_many[-1]["value"]) == ("x", "(other)")
    assert sum(one["rows"] for one in of_many) == 569
    assert any("many has 286 values" in note for note in measured.notes)
    assert len([one for one in measured.segments if one["column"] == "odd"]) == 2


def test_counts_do_not_depend_on_partitions(two):
    found = [metrics.measure("binary", two.repartition(n), "y").to_dict() for n in (1, 7)]
    for name in ("auc", "pr_auc", "ks", "f1", "ks_threshold", "top_decile_lift"):
        assert found[0]["metrics"][name] == found[1]["metrics"][name]
    assert found[0]["curves"]["roc"] == found[1]["curves"]["roc"]
    assert found[0]["intervals"]["pr_auc"] == found[1]["intervals"]["pr_auc"]
    assert found[0]["metrics"]["log_loss"] == pytest.approx(found[1]["metrics"]["log_loss"], rel=1e-12)


def test_raw_scores_and_bare_predictions(two, spark):
    frame = rows_of(spark, "breast_cancer")
    svc = predicted(LinearSVC(labelCol="y", maxIter=5, regParam=0.1), frame)
    assert "probability" not in svc.columns
    measured = metrics.measure("binary", svc, "y")
    exact = BinaryClassificationEvaluator(labelCol="y", rawPredictionCol="rawPrediction", numBins=0).evaluate(svc)
    assert measured.metrics["auc"] == pytest.approx(exact, abs=measured.metrics["auc_resolution"] + 1e-9)
    assert measured.metrics["auc_resolution"] < 1e-4
    assert [measured.metrics[name] for name in ("log_loss", "brier", "ece")] == [None] * 3
    assert measured.curves["calibration"] is None
    assert sum(measured.curves["scores"]["negatives"]) == 212
    bare = metrics.measure("binary", two.select("y", "prediction"), "y").metrics
    (tn, fp), _ = metrics.measure("binary", two, "y").confusion["matrix"]
    assert bare["auc"] == pytest.approx((bare["recall"] + tn / (tn + fp)) / 2)
    assert bare["auc_resolution"] > 0.01
    assert bare["f1"] == metrics.measure("binary", two, "y").metrics["f1"]
    plain = two.select("y", "prediction", vector_to_array("probability")[1].alias("probability"))
    assert metrics.measure("binary", plain, "y").metrics == metrics.measure("binary", two, "y").metrics


def test_scores_of_a_rare_event_are_told_apart(two):
    """All scores below 0.002, and raw scores in the thousands: the steps are fine enough for both."""
    score = vector_to_array("probability")[1]
    exact = BinaryClassificationEvaluator(labelCol="y", rawPredictionCol="probability", numBins=0).evaluate(two)
    rare = two.withColumn("probability", array_to_vector(F.array(1 - score * 0.002, score * 0.002)))
    far = array_to_vector(F.array(F.lit(0.0), (score - 0.6) * 9e3))
    wide = two.withColumn("rawPrediction", far).drop("probability")
    for frame in (rare, wide):
        found = metrics.measure("binary", frame, "y").metrics
        assert found["auc_resolution"] < 2e-3
        assert found["auc"] == pytest.approx(exact, abs=found["auc_resolution"] + 1e-9)


def test_one_class_only_and_no_rows(two):
    measured = metrics.measure("binary", two.where("y = 0"), "y", segments=["odd"])
    assert measured.metrics["auc"] is None
    assert measured.metrics["brier"] > 0
    assert measured.metrics["recall"] is None
    assert measured.segments[0]["metrics"]["auc"] is None
    assert "all 212 rows are of class 0" in measured.notes[0]
    for task in metrics.NAMES:
        with pytest.raises(DataError, match="no predictions to measure"):
            metrics.measure(task, two.where("y = 5"), "y", segments=["odd"])


def vectors(spark, rows):
    frame = spark.createDataFrame(rows, "y double, p array<double>, prediction double")
    return frame.select("y", array_to_vector("p").alias("probability"), "prediction")


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_rows_that_can_not_be_counted_are_an_error_with_their_number(spark, task):
    nan, good = float("nan"), (1.0, [0.4, 0.6], 1.0)
    frame = vectors(
        spark, [good, (0.0, [nan, nan], 0.0), (1.0, [nan, nan], 0.0), (2.0, [0.5, 0.5], 0.0), (1.0, [0.5, 0.5], 7.0)]
    )
    with pytest.raises(DataError) as caught:
        metrics.measure(task, frame, "y", classes=["no", "yes"], segments=[])
    for said in ("1 rows have a label", "1 rows have a prediction", "2 rows have a"):
        assert said in str(caught.value)
    with pytest.raises(DataError, match="1 rows have a label"):
        metrics.measure(task, vectors(spark, [good, (None, [0.4, 0.6], 1.0)]), "y", classes=["no", "yes"])


def test_segment_columns_must_be_there_and_plain(two):
    with pytest.raises(DataError, match=r"'sise' \(did you mean 'size'\?\)"):
        metrics.measure("binary", two, "y", segments=["sise"])
    with pytest.raises(DataError, match="_features holds no plain values"):
        metrics.measure("binary", two, "y", segments=["_features"])


# --- several classes


def test_several_classes_agree_with_scikit_learn_and_spark(three):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, c, p = local(three)
    measured = metrics.measure("multiclass", three, "y", classes=["Barolo", "Grignolino", "Barbera"])
    found = measured.metrics
    assert measured.confusion == {
        "labels": ["Barolo", "Grignolino", "Barbera"],
        "matrix": sklearn.confusion_matrix(y, c).tolist(),
    }
    assert found["f1_macro"] == pytest.approx(sklearn.f1_score(y, c, average="macro"))
    assert found["log_loss"] == pytest.approx(sklearn.log_loss(y, p))
    evaluator = MulticlassClassificationEvaluator(labelCol="y", metricName="f1")
    assert found["f1_weighted"] == pytest.approx(evaluator.evaluate(three))
    for at, one in enumerate(measured.curves["per_class"]):
        area = sklearn.roc_auc_score([label == at for label in y], [row[at] for row in p])
        assert one["auc_ovr"] == pytest.approx(area, abs=1e-3)
        assert one["rows"] == y.count(at)
        assert one["recall"] == pytest.approx(sklearn.recall_score(y, c, labels=[at], average="macro"))
    assert set(metrics.NAMES["multiclass"]) <= set(found)
    assert measured.summary == (59, 71, 48)
    unnamed = metrics.measure("multiclass", three.drop("probability", "rawPrediction"), "y")
    assert unnamed.metrics["f1_macro"] == found["f1_macro"]
    assert unnamed.metrics["log_loss"] is None
    json.dumps(measured.to_dict(), allow_nan=False)


def test_more_classes_than_a_matrix_shows(spark):
    frame = spark.range(3000).select(
        (F.col("id") % 150).cast("double").alias("y"),
        ((F.col("id") + (F.col("id") % 4 == 0).cast("int")) % 150).cast("double").alias("prediction"),
    )
    measured = metrics.measure("multiclass", frame, "y", classes=range(151))
    assert measured.metrics["accuracy"] == 0.75
    assert measured.confusion is None
    assert len(measured.curves["per_class"]) == 151
    assert "1 of 151 classes have no row: 150" in measured.notes


# --- numbers


def test_a_regression_agrees_with_scikit_learn_and_spark(numbers):
    sklearn = pytest.importorskip("sklearn.metrics")
    y, f, _ = local(numbers, score=False)
    measured = metrics.measure("regression", numbers, "y")
    found = measured.metrics
    for name in ("rmse", "mae", "r2"):
        exact = RegressionEvaluator(labelCol="y", metricName=name).evaluate(numbers)
        assert found[name] == pytest.approx(exact, rel=1e-9), name
    assert found["explained_variance"] == pytest.approx(sklearn.explained_variance_score(y, f))
    assert found["median_absolute_error"] == pytest.approx(sklearn.median_absolute_error(y, f), rel=0.02)
    assert found["mape"] == pytest.approx(sklearn.mean_absolute_percentage_error(y, f))
    assert found["rmse_low"] < found["rmse"] < found["rmse_high"]
    residuals = sorted(label - value for label, value in zip(y, f, strict=True))
    assert measured.curves["quantiles"]["0.5"] == pytest.approx(residuals[221], abs=1)
    tenths = measured.curves["by_prediction"]
    assert len(tenths) == 10
    assert all(before["mean_prediction"] < after["mean_prediction"] for before, after in itertools.pairwise(tenths))
    assert sum(one["mean_label"] * one["rows"] for one in tenths) == pytest.approx(sum(y))
    assert sum(measured.curves["residuals"]["counts"]) == 442
    assert set(metrics.NAMES["regression"]) <= set(found)
    plain = metrics.baseline("regression", {"mean": 150.0}, measured.summary)
    assert plain["mae"] == pytest.approx(sum(abs(label - 150) for label in y) / 442, rel=1e-3)
    assert plain["rmse"] == pytest.approx((sum((label - 150) ** 2 for label in y) / 442) ** 0.5)
    json.dumps(measured.to_dict(), allow_nan=False)


def test_a_large_offset_and_a_zero_label_do_no_harm(spark):
    frame = spark.range(1000).select(
        (1e9 + F.col("id") % 10).alias("y"), (1e9 + 4.5 + (F.col("id") % 2) * 0).alias("prediction")
    )
    found = metrics.measure("regression", frame, "y").metrics
    assert found["r2"] == pytest.approx(0, abs=1e-6)
    assert found["rmse"] == pytest.approx(8.25**0.5)
    zero = metrics.measure("regression", spark.range(3).selectExpr("0D y", "1D prediction"), "y")
    assert (zero.metrics["mape"], zero.metrics["r2"], zero.metrics["mae"]) == (None, None, 1.0)
    assert len(zero.notes) == 2
    bad = spark.createDataFrame([(1.0, float("inf")), (float("nan"), 1.0), (1.0, 1.0)], "y double, prediction double")
    with pytest.raises(DataError, match=r"1 rows have a label that is null, NaN.*1 rows have a prediction"):
        metrics.measure("regression", bad, "y")


# --- clusters


def test_clusters_agree_with_scikit_learn(spark):
    sklearn = pytest.importorskip("sklearn.metrics")
    frame = predicted(KMeans(k=3, seed=2), rows_of(spark, "iris", 4))
    measured = metrics.measure("clustering", frame, "")
    rows = frame.select(vector_to_array("_features").alias("x"), "prediction").collect()
    exact = sklearn.silhouette_score(
        [row["x"] for row in rows], [row["prediction"] for row in rows], metric="sqeuclidean"
    )
    assert measured.metrics["silhouette"] == pytest.approx(exact, abs=1e-6)
    assert sum(one["rows"] for one in measured.curves["clusters"]) == measured.rows == 150
    single = metrics.measure("clustering", frame.where("prediction = 1"), "")
    assert single.metrics["silhouette"] is None
    assert "one cluster" in single.notes[0]
