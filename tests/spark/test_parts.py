"""The parts of the jobs: metrics against Spark's own, features, settings, reading and writing."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("pyspark")

from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.linalg import Vectors
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features, metrics, models
from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.errors import DataError, OutputError
from ml_pipeline_framework.schemas import columns_read_by, require_columns

# --- metrics


@pytest.fixture(scope="module")
def predictions(spark):
    """Four hundred scores between 0 and 1, some tied, some certain, related to their label."""
    rows = []
    for number in range(400):
        score = (number * 37 % 101) / 100
        label = float((number * 53 % 97) / 97 < score * 0.7 + 0.1)
        rows.append((label, Vectors.dense(1 - score, score), float(score > 0.5)))
    return spark.createDataFrame(rows, ["y", "probability", "prediction"])


def test_metrics_agree_with_spark_and_with_the_definitions(predictions):
    found = metrics.measure(metrics.bins(predictions, "y"))
    auc = BinaryClassificationEvaluator(labelCol="y", rawPredictionCol="probability", numBins=0)
    assert found["auc"] == pytest.approx(auc.evaluate(predictions), abs=1e-9)
    rows = [(row["y"], row["probability"][1], row["prediction"]) for row in predictions.collect()]
    assert found["rows"] == len(rows)
    assert found["accuracy"] == pytest.approx(sum(y == c for y, _, c in rows) / len(rows))
    assert found["brier"] == pytest.approx(sum((p - y) ** 2 for y, p, _ in rows) / len(rows))
    losses = [-math.log(max(p if y else 1 - p, 1e-15)) for y, p, _ in rows]
    assert found["log_loss"] == pytest.approx(sum(losses) / len(rows))
    assert found["confusion"]["true_positive"] == sum(y == c == 1 for y, _, c in rows)
    assert found["confusion"]["false_negative"] == sum(y == 1 and c == 0 for y, _, c in rows)
    assert 0 < found["auc_standard_error"] < 0.05


def test_average_precision_and_auc_by_hand():
    one = metrics.Bin
    found = metrics.measure(
        [one(10, 0, 1, 0, 0.1, 0.1), one(40, 0, 0, 1, 0.9, 0.9), one(60, 1, 1, 0, 0.9, 0.9), one(90, 1, 0, 1, 0.1, 0.1)]
    )
    assert found["auc"] == 0.75
    assert found["pr_auc"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found["auc_resolution"] == 0


def test_a_score_of_no_use_has_an_auc_of_one_half():
    found = metrics.measure([metrics.Bin(50, 0, 30, 10, 1.0, 1.0)])
    assert found["auc"] == 0.5
    assert found["auc_resolution"] == 0.5
    assert found["pr_auc"] == 0.25


def test_the_baseline_is_the_measure_of_a_constant_score(spark):
    train, test = (30, 10), (15, 9)
    rows = [(float(n < test[1]), Vectors.dense(0.75, 0.25), 0.0) for n in range(sum(test))]
    constant = metrics.measure(metrics.bins(spark.createDataFrame(rows, ["y", "probability", "prediction"]), "y"))
    said = metrics.baseline(train, test)
    for name in metrics.NAMES:
        assert said[name] == pytest.approx(constant[name]), name


# --- features


@pytest.fixture(scope="module")
def small(spark):
    """Columns of every kind, with nulls."""
    rows = [
        (1, 1.0, "a", True, None, "k", None, "x y"),
        (2, None, "b", None, None, "k", 5.0, "x y"),
        (3, float("nan"), None, False, None, "k", None, None),
        (4, 4.0, "a", True, None, "k", 5.0, "x y"),
    ]
    schema = "id long, n double, t string, b boolean, empty double, same string, one double, `odd.name` string"
    return spark.createDataFrame(rows, schema).withColumn("at", F.current_timestamp()).withColumn("many", F.array("id"))


def planned_for(frame, **options):
    names, out = features.candidates(frame.schema, allowed=(), barred={"id": "a key"})
    found = frame.agg(*features.profile(frame.schema, names, F.lit(True))).first().asDict()
    return features.plan(frame.schema, names, found, out, options.get("max_categories", 10))


def test_the_plan_gives_each_column_a_role_or_a_reason(small):
    planned = planned_for(small)
    assert {one.name: (one.role, one.nulls) for one in planned.features} == {
        "n": ("numeric", 2),
        "t": ("categorical", 1),
        "b": ("categorical", 1),
        "odd.name": ("categorical", 1),
    }
    reasons = {one.name: one.reason for one in planned.left_out}
    assert list(reasons) == ["id", "empty", "same", "one", "at", "many"]
    assert reasons["empty"] == "null in every training row"
    assert reasons["one"] == "one value in all training rows"
    assert "timestamp" in reasons["at"]
    assert planned_for(small, max_categories=1).names("categorical") == ["odd.name"]


def test_stages_fill_numbers_keep_nulls_apart_and_lose_no_row(small):
    planned = planned_for(small)
    seen = small
    fitted = []
    for stage in features.stages(planned):
        one = stage.fit(seen) if hasattr(stage, "fit") else stage
        fitted.append(one)
        seen = one.transform(seen)
    vectors = [row[features.FEATURES].toArray().tolist() for row in seen.orderBy("id").collect()]
    assert len(vectors) == 4
    assert features.category_counts(fitted, planned) == {"t": 3, "b": 3, "odd.name": 2}
    assert [vector[0] for vector in vectors] == [1.0, 1.0, 1.0, 4.0]  # the lower median of 1 and 4
    assert [vector[1] for vector in vectors] == [0.0, 1.0, 2.0, 0.0]


# --- models


def test_every_hyperparameter_of_the_contract_is_one_of_spark(spark):
    values = {"integer": 17, "number": 0.25, "flag": False, "choice": "sqrt"}
    for algorithm, table in ALGORITHMS.items():
        given = {one.name: "entropy" if one.name == "criterion" else values[one.kind] for one in table}
        made = models.estimator(algorithm, given, label="y", features="x", seed=3, categories=5)
        said = models.all_settings(made)
        assert said["seed"] == 3
        for one in table:
            assert said[one.spark_name] == given[one.name]


@pytest.mark.parametrize(("value", "stored"), [(4, "4"), (0.5, "0.5"), ("log2", "log2")])
def test_max_features_in_all_its_forms(value, stored):
    assert models.spark_settings("random_forest", {"max_features": value}) == {"featureSubsetStrategy": stored}


def test_bins_follow_the_categories(spark):
    made = [models.estimator("random_forest", {}, label="y", features="x", seed=1, categories=n) for n in (5, 106)]
    assert [models.all_settings(one)["maxBins"] for one in made] == [32, 106]


# --- schemas and data sets


def test_missing_columns_are_all_named(small):
    with pytest.raises(DataError, match=r"'sane' \(did you mean 'same'\?\), 'zzz', named in key_columns"):
        require_columns(small, ["id", "sane", "zzz"], "key_columns", "here")


def test_columns_of_an_expression(small):
    assert columns_read_by(small, "n > 1 and t = 'same' and `odd.name` is null", "it", "here") == ("n", "t", "odd.name")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/flights.parquet", "parquet"),
        ("/a/flights", "parquet"),
        ("hdfs://nn/a/flights.CSV.gz", "csv"),
        ("/a.csv/flights", "parquet"),
        ("/a/part.json/", "json"),
        ("/a/x.orc", "orc"),
    ],
)
def test_formats_by_extension(path, expected):
    assert datasets.format_of(path) == expected


def test_csv_is_read_with_its_header(spark, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,x\n2,\n")
    frame = datasets.read(spark, (tmp_path / "x.csv").as_uri())
    assert [tuple(row) for row in frame.collect()] == [(1, "x"), (2, None)]


def test_writing_whole(spark, tmp_path):
    target = (tmp_path / "deep" / "ä.json").as_uri()

    def write(text):
        return lambda place: datasets.write_text(spark, place, text)

    datasets.save_whole(spark, target, write("é1"))
    assert datasets.read_text(spark, target) == "é1"
    with pytest.raises(OutputError, match="exists already"):
        datasets.save_whole(spark, target, write("2"))
    datasets.save_whole(spark, target, write("3"), replace=True)
    assert datasets.read_text(spark, target) == "3"
