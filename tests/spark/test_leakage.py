"""The leakage screen: what tells the label alone, and what only seems to."""

from __future__ import annotations

import pytest

pytest.importorskip("pyspark")

from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import leakage
from ml_pipeline_framework.jobs import training as job

LIMITS = {"max_auc": 0.85, "max_correlation": 0.95}
# What the shipped configuration leaves out: known only after take-off, or the name of a single flight.
SHIPPED = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "time_hour", "flight", "tailnum")


@pytest.fixture(scope="module")
def labelled(spark, flights_path):
    rows = spark.read.parquet(flights_path).where("arr_delay is not null")
    rows = rows.withColumn("_label", F.expr("cast(arr_delay > 15 as double)")).persist()
    yield rows
    rows.unpersist()


def found(rows, names, classes=2):
    rows = rows.withColumn("_key", F.xxhash64("year", "month", "day", "carrier", "flight", "origin"))
    screened = leakage.screen(rows, names, "_label", key="_key", classes=classes, total=rows.count(), **LIMITS)
    return {one.column: one for one in screened}


def test_the_departure_delay_is_caught_and_the_shipped_list_is_clean(labelled):
    names = [name for name in labelled.columns if name not in ("_label", "arr_delay")]
    screened = found(labelled, names)
    assert [name for name, one in screened.items() if one.is_leak] == ["dep_delay"]
    assert screened["dep_delay"].value == pytest.approx(0.90, abs=0.02)  # of all 327,346 rows: 0.8996
    # four thousand tail numbers, most of them rare, and an hour that hardly two rows share: no leak for that
    assert max(screened[name].value for name in ("tailnum", "time_hour")) < 0.7
    assert not any(screened[name].is_leak for name in names if name not in SHIPPED)


def test_the_auc_of_one_feature_is_scikit_learns(labelled):
    measures = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    exact = labelled.select("_label", "dep_delay", "sched_dep_time").toPandas()
    screened = found(labelled, ["dep_delay", "sched_dep_time"])
    for name, one in screened.items():
        area = measures.roc_auc_score(exact["_label"], exact[name])
        assert one.value == pytest.approx(max(area, 1 - area), abs=0.005)


def test_every_disguise_of_the_label_is_seen_and_an_identifier_is_none(labelled):
    rows = labelled.withColumns(
        {
            "upside_down": -F.col("arr_delay"),
            "in_words": F.when(F.col("_label") == 1, "zu spät").otherwise("pünktlich"),
            "flag": F.col("arr_delay") > 15,
            "null_says_it": F.when(F.col("_label") == 0, F.col("month")),
            "identifier": F.expr("uuid()"),
            "noise": F.rand(1),
        }
    ).persist()
    names = ["upside_down", "in_words", "flag", "null_says_it", "identifier", "noise"]
    screened = found(rows, names)
    rows.unpersist()
    assert {name for name, one in screened.items() if one.is_leak} == set(names[:4])
    assert screened["identifier"].value < 0.6
    assert screened["noise"].value < 0.6


def test_a_category_that_is_the_only_feature_can_not_hide(labelled):
    rows = labelled.withColumn("in_words", F.when(F.col("_label") == 1, "late").otherwise("on time"))
    assert found(rows, ["in_words"])["in_words"].value > 0.99


def test_numbers_are_screened_by_correlation_and_classes_one_by_one(labelled):
    delay = labelled.withColumn("_label", F.col("arr_delay").cast("double"))
    delay = delay.withColumn("seconds", F.col("arr_delay") * -60)
    screened = found(delay, ["seconds", "dep_delay", "carrier"], classes=0)
    assert screened["seconds"].is_leak
    assert screened["seconds"].value == pytest.approx(1)
    assert screened["dep_delay"].value == pytest.approx(labelled.corr("dep_delay", "arr_delay"), abs=0.03)
    assert screened["carrier"].value < 0.3
    three = labelled.withColumn("_label", F.expr("array_position(array('EWR', 'JFK', 'LGA'), origin) - 1.0"))
    screened = found(three, ["origin", "month"], classes=3)
    assert screened["origin"].value == 1.0
    assert not screened["month"].is_leak


def test_a_leak_warns_or_fails_as_told(spark, training, capsys):
    quick = {"hyperparameters": {"n_estimators": 1, "max_depth": 1}, "feature_columns": ("dep_delay", "hour")}
    params = training(**quick, exclude_columns=())
    report = job.run(spark, params)
    assert report["leakage"][0]["column"] == "dep_delay"
    assert report["leakage"][0]["action"] == "warned"
    assert any("dep_delay tells the label alone" in one for one in report["warnings"])
    assert "WARNING dep_delay" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"dep_delay tells the label alone.*known_after_columns"):
        job.run(spark, training(**quick, exclude_columns=(), leakage="fail"))
