"""Histograms of training rows, and how far other rows are from them."""

from __future__ import annotations

import json
import math
import random

import pytest

pytest.importorskip("pyspark")

from pyspark.sql import functions as F

from ml_pipeline_framework import drift
from ml_pipeline_framework.schemas import kind_of

ROWS = 2_000
NAMES = ("few", "even", "rain", "same", "empty", "odd.name", "city", "plane", "yes", "on", "at")
STRANGE = ("Köln", "O'Hare", 'back\\slash "quote"', "東京", "")


@pytest.fixture(scope="module")
def frame(spark):
    """Two thousand rows with a column of every kind that has ever made trouble."""
    draw = random.Random(7)
    rows = []
    for n in range(ROWS):
        few = n % 12 + 1
        even = [float(n), float("nan"), None, float("inf")][0 if n % 100 else (n // 100) % 4]
        rain = 0.0 if n % 10 < 8 else draw.random()
        city = STRANGE[n % len(STRANGE)] if n % 50 else None
        plane = f"N{min(n % 400, n % 317)}"
        rows.append((few, even, rain, 3.5, None, n % 7, city, plane, n % 3 == 0, n))
    schema = (
        "few int, even double, rain float, same double, empty double, `odd.name` long, city string, plane string, "
        "yes boolean, n int"
    )
    made = spark.createDataFrame(rows, schema).repartition(3)
    made = made.withColumn("on", F.expr("date_add(DATE'2013-01-01', n % 365)"))
    made = made.withColumn("at", F.expr("timestamp_seconds(1356998400 + n * 3600)")).drop("n").persist()
    yield made
    made.unpersist()


@pytest.fixture(scope="module")
def columns(frame):
    return [(name, kind_of(frame.schema[name].dataType)) for name in NAMES]


@pytest.fixture(scope="module")
def reference(frame, columns):
    return drift.profile(frame, columns)


def jobs_of(spark, call):
    """How many Spark jobs a call runs."""
    group = f"counted-{random.random()}"
    spark.sparkContext.setJobGroup(group, group)
    try:
        call()
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))


def test_every_row_is_in_one_bin(reference):
    assert list(reference) == list(NAMES)
    for name, one in reference.items():
        if one["kind"] == "number":
            counted = one["nulls"] + one["below"] + sum(one["counts"]) + one["above"]
            assert len(one["counts"]) == max(len(one["edges"]) - 1, 0), name
            assert one["edges"] == sorted(one["edges"]), name
        else:
            counted = one["nulls"] + sum(one["values"].values()) + one["other"]
        assert counted == one["rows"] == ROWS, name
    json.dumps(reference, allow_nan=False)


def test_numbers_are_cut_at_deciles_or_between_their_values(frame, reference):
    even = reference["even"]
    assert even["nulls"] == 10  # NaN and null
    assert (even["below"], even["above"]) == (0, 5)  # infinity
    assert (even["min"], even["max"]) == (0.0, 1999.0)
    assert all(abs(n - 198) < 12 for n in even["counts"])
    assert reference["few"]["edges"] == [1.0, *(n + 0.5 for n in range(1, 12)), 12.0]
    assert max(reference["few"]["counts"]) - min(reference["few"]["counts"]) <= 1
    rain = reference["rain"]
    assert rain["counts"][0] == 1600  # the zeros are alone, however small the least rain is
    assert reference["same"]["counts"] == [ROWS]
    assert reference["empty"]["nulls"] == ROWS
    assert reference["empty"]["mean"] is None
    exact = frame.agg(F.avg("`odd.name`"), F.stddev_samp("few")).first()
    assert reference["odd.name"]["mean"] == pytest.approx(exact[0])
    assert reference["few"]["std"] == pytest.approx(exact[1])
    assert reference["on"]["min"] == 15706  # 2013-01-01, in days since 1970
    assert reference["at"]["max"] == pytest.approx(15706 + 1999 / 24)


def test_categories_are_counted_by_value(frame, reference):
    city = reference["city"]
    expected = {row["city"]: row["count"] for row in frame.groupBy("city").count().collect()}
    assert city["nulls"] == expected.pop(None)
    assert city["values"] == expected
    assert city["known"] == []
    assert set(reference["yes"]["values"]) == {"true", "false"}
    plane = reference["plane"]
    assert len(plane["values"]) == 50
    assert plane["distinct_about"] == 50 + len(plane["known"])
    assert plane["other"] == ROWS - sum(plane["values"].values())


def test_the_same_rows_have_no_drift_and_take_one_pass(spark, frame, columns, reference):
    found = {}
    assert jobs_of(spark, lambda: found.update(drift.profile_like(frame, reference))) == 1
    for name, one in reference.items():
        kept = ("counts", "below", "above", "nulls") if one["kind"] == "number" else ("values", "other", "nulls")
        assert {key: found[name][key] for key in kept} == {key: one[key] for key in kept}, name
        assert found[name].get("unseen", 0) == 0
    for one in drift.compare(reference, found):
        assert one["psi"] == pytest.approx(0)
        assert one["level"] == "none"
    assert jobs_of(spark, lambda: drift.profile(frame, columns)) == 2


def changed_rows(frame):
    return (
        frame.withColumn("even", F.col("even") + 1500)
        .withColumn("city", F.when(F.col("few") == 1, F.lit("Atlantis ünder '")).otherwise(F.col("city")))
        .withColumn("plane", F.when(F.col("few") == 2, F.lit("N99999")).otherwise(F.col("plane")))
        .withColumn("same", F.lit(3.4))
        .withColumn("yes", F.lit(None).cast("boolean"))
        .drop("rain")
    )


@pytest.mark.parametrize("rows", [None, ROWS], ids=["by Spark", "on the driver"])
def test_what_has_changed_is_found(frame, reference, rows):
    found = drift.profile_like(changed_rows(frame), reference, rows=rows)
    assert "rain" not in found
    ones = frame.where("few = 1").count()
    assert found["city"]["unseen"] == ones
    assert found["city"]["unseen_examples"] == ["Atlantis ünder '"]
    assert found["plane"]["unseen_examples"] == ["N99999"]
    assert found["plane"]["unseen"] == frame.where("few = 2").count()
    assert found["same"]["below"] == ROWS
    said = {one["column"]: one for one in drift.compare(reference, found)}
    assert {name for name, one in said.items() if one["level"] == "major"} == {"even", "city", "plane", "same", "yes"}
    assert said["city"]["unseen_share"] == ones / ROWS
    assert said["yes"]["nulls_current"] == 1.0
    assert said["same"]["js"] == pytest.approx(1.0)
    assert said["few"]["psi"] == pytest.approx(0)
    assert [one["psi"] for one in drift.compare(reference, found)] == sorted(
        (one["psi"] for one in said.values()), reverse=True
    )


def test_spark_and_the_driver_count_alike(spark, frame, reference):
    """Every bin, value and null, the edges themselves and the infinities among them."""
    one = {**reference, "plane": {**reference["plane"], "known": None}}
    edges = [edge for column in reference.values() for edge in column.get("edges", ())]
    beside = [float(f"{'-' * negative}inf") for negative in (0, 1)]
    numbers = [row["number"] for row in frame.selectExpr("CAST(few AS DOUBLE) AS number").collect()]
    rows = spark.createDataFrame(
        [(value, value, value) for value in [*edges, *beside, *numbers, *(math.nextafter(edge, 0) for edge in edges)]],
        "few double, rain double, same double",
    )
    for data, known in ((frame, one), (changed_rows(frame), one), (rows, reference), (frame.limit(0), one)):
        by_spark, here = (drift.profile_like(data, known, rows=count) for count in (None, 1))
        assert by_spark == here


def test_values_unseen_are_told_only_where_all_are_known(frame, reference):
    one = {"plane": {**reference["plane"], "known": None}}
    assert drift.profile_like(frame, one)["plane"]["unseen"] is None
    known = [*reference["plane"]["values"], *reference["plane"]["known"]]
    assert drift.profile_like(frame, one, categories={"plane": known[:-1]})["plane"]["unseen"] == (
        frame.where(F.col("plane") == known[-1]).count()
    )


def test_four_thousand_categories_and_a_key(spark):
    rows = spark.range(9_000, numPartitions=2).select(
        F.concat(F.lit("c"), F.expr("id % 4000")).alias("many"), F.concat(F.lit("k"), F.col("id")).alias("key")
    )
    found = drift.profile(rows, [("many", "text"), ("key", "text")])
    assert len(found["many"]["known"]) == 3_950
    assert found["many"]["distinct_about"] == 4_000
    assert found["key"]["known"] is None  # more than are remembered
    assert found["key"]["other"] == 9_000 - sum(found["key"]["values"].values())
    like = drift.profile_like(
        rows.where("id < 100").unionByName(rows.select(F.lit("new").alias("many"), "key").limit(7)), found
    )
    assert like["many"]["unseen"] == 7
    assert like["key"]["unseen"] is None


def test_no_rows(spark, frame, reference):
    none = frame.limit(0)
    like = drift.profile_like(none, reference)
    assert all(one["rows"] == 0 for one in like.values())
    assert all(one["psi"] is None and one["level"] == "none" for one in drift.compare(reference, like))
    assert drift.profile(none, [("few", "number"), ("city", "text")])["few"]["edges"] == []
    assert drift.profile(frame, []) == {}


def number(counts, nulls=0):
    rows = nulls + sum(counts)
    return {
        "kind": "number",
        "rows": rows,
        "nulls": nulls,
        "edges": [0, 1, 2],
        "counts": counts,
        "below": 0,
        "above": 0,
    }


def test_the_index_by_hand():
    one = drift.compare({"x": number([30, 10])}, {"x": number([10, 30])})[0]
    p, q = 30.5 / 41, 10.5 / 41
    assert one["psi"] == pytest.approx(2 * (q - p) * math.log(q / p))
    middle = [0.75 * math.log2(0.75 / 0.5), 0.25 * math.log2(0.25 / 0.5)]
    assert one["js"] == pytest.approx(sum(middle))
    assert one["chance"] == pytest.approx((1 / 40 + 1 / 40) * 3.841, rel=0.05)  # chi-square, one degree of freedom
    assert one["level"] == "major"


def test_small_samples_of_the_same_are_not_called_drift():
    draw = random.Random(1)
    reference = {"x": {**number([1000] * 10), "edges": list(range(11))}}
    levels = []
    for _ in range(200):
        counts = [0] * 10
        for _ in range(60):
            counts[draw.randrange(10)] += 1
        levels.append(drift.compare(reference, {"x": {**number(counts), "edges": list(range(11))}})[0])
    assert sum(one["psi"] > 0.1 for one in levels) > 100  # the convention alone would call most of them drift
    assert sum(one["level"] != "none" for one in levels) < 20


def test_other_bins_and_other_kinds_are_refused(frame):
    with pytest.raises(ValueError, match="profile_like"):
        drift.compare({"x": number([1, 1])}, {"x": {**number([1, 1]), "edges": [0, 5, 9]}})
    with pytest.raises(ValueError, match="'nested' is not a kind"):
        drift.profile(frame, [("few", "nested")])
