"""Features: what becomes of each column, and the stages that do it."""

from __future__ import annotations

import datetime
import math

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import PipelineModel
from pyspark.sql import functions as F

from ml_pipeline_framework import features
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.features import Options

KINDS = (
    "id long, y double, n double, whole int, t string, b boolean, empty double, same string, one double, "
    "`odd. näme``s` string, at timestamp, day date"
)
NOON = datetime.datetime(2024, 12, 31, 12)


@pytest.fixture(scope="module")
def small(spark):
    """Columns of every kind, with nulls, NaN and infinity."""
    day = datetime.date(2024, 6, 1)
    rows = [
        (1, 0.0, 1.0, 7, "a", True, None, "k", None, "x y", NOON, day),
        (2, 1.0, None, 8, "b", None, None, "k", 5.0, "x y", None, day),
        (3, 0.0, math.nan, 9, None, False, None, "k", None, None, NOON.replace(hour=3), None),
        (4, 1.0, 4.0, 9, "a", True, None, "k", 5.0, "x y", NOON, day.replace(month=7)),
        (5, 0.0, math.inf, 9, "a", True, None, "k", 5.0, "x y", NOON, day),
    ]
    frame = spark.createDataFrame(rows, KINDS).withColumn("many", F.array("id")).coalesce(1).cache()
    yield frame
    frame.unpersist()


def planned_for(frame, *, barred=("id", "y"), style="tree", task="binary", **options):
    """Return the plan of a frame, with one look at all of its rows."""
    names, out = features.candidates(frame.schema, allowed=(), barred=dict.fromkeys(barred, "barred"))
    found = frame.agg(*features.profile(frame.schema, names, F.lit(True))).first().asDict()
    return features.plan(frame.schema, names, found, out, style=style, task=task, options=Options(**options))


def vectors(fitted, frame, order="id"):
    """Return the feature vectors that the fitted stages make of `frame`."""
    made = PipelineModel(fitted.stages).transform(frame).orderBy(order).select(features.FEATURES).collect()
    return [[round(value, 6) for value in row[0].toArray().tolist()] for row in made]


# --- the plan


def test_the_plan_gives_each_column_a_role_or_a_reason(small):
    planned = planned_for(small)
    assert planned.rows == 5
    assert {one.name: (one.role, one.encoding, one.nulls) for one in planned.features} == {
        "n": ("numeric", "number", 3),
        "whole": ("numeric", "number", 0),
        "t": ("categorical", "index", 1),
        "b": ("categorical", "index", 1),
        "odd. näme`s": ("categorical", "index", 1),
        "at": ("time", "time_parts", 1),
        "day": ("time", "time_parts", 1),
    }
    assert {one.name: one.reason for one in planned.left_out} == {
        "id": "barred",
        "y": "barred",
        "empty": "null in every training row",
        "same": "one value in all training rows",
        "one": "one value in all training rows",
        "many": "type array<bigint> is not learnt from",
    }
    by_name = {one["name"]: one for one in planned.to_dict()["features"]}
    assert by_name["n"]["marks_nulls"] is True
    assert "marks_nulls" not in by_name["whole"]
    assert by_name["at"]["parts"] == ["month", "day", "day_of_week", "hour", "is_weekend"]
    assert by_name["day"]["parts"] == ["month", "day", "day_of_week", "is_weekend"]  # a date has no hour
    assert features.schema_of(planned, small.schema)[2] == {
        "name": "t",
        "type": "string",
        "nullable": True,
        "role": "categorical",
    }


@pytest.mark.parametrize(
    ("style", "task", "way", "encoding", "buckets"),
    [
        ("tree", "binary", "auto", "target", 0),
        ("tree", "multiclass", "auto", "hash", 20),
        ("linear", "regression", "auto", "target", 0),
        ("linear", "multiclass", "auto", "hash", 1024),
        ("distance", "clustering", "auto", "hash", 1024),
        ("linear", "binary", "hash", "hash", 1024),
        ("tree", "binary", "drop", "", 0),
    ],
)
def test_many_categories_by_learner_and_task(spark, style, task, way, encoding, buckets):
    schema = spark.createDataFrame([], "c string").schema
    found = {"profiled": 5000, "0_nulls": 0, "0_values": 400, "0_sentences": 0}
    said = Options(max_categories=20, one_hot_max=20, high_cardinality=way)
    planned = features.plan(schema, ["c"], found, [], style=style, task=task, options=said)
    if encoding:
        assert [(one.encoding, one.buckets) for one in planned.features] == [(encoding, buckets)]
    else:
        assert "about 400 categories" in planned.left_out[0].reason
    few = features.plan(schema, ["c"], {**found, "0_values": 20}, [], style=style, task=task, options=said)
    assert few.features[0].encoding == ("index" if style == "tree" else "one_hot")


def test_identifiers_are_left_out_and_sentences_are_learnt_by_their_words(spark):
    schema = spark.createDataFrame([], "c string").schema
    found = {"profiled": 5000, "0_nulls": 0, "0_values": 4900, "0_sentences": 0}
    assert "an identifier" in features.plan(schema, ["c"], found, []).left_out[0].reason
    hashed = features.plan(schema, ["c"], found, [], options=Options(high_cardinality="hash"))
    assert hashed.features[0].encoding == "hash"
    prose = features.plan(schema, ["c"], {**found, "0_sentences": 4900}, []).features[0]
    assert (prose.role, prose.encoding, prose.buckets) == ("text", "words", 128)
    huge = {"profiled": 10**7, "0_nulls": 0, "0_values": 10**6, "0_sentences": 0}
    shared = features.plan(schema, ["c"], huge, []).features[0]
    assert (shared.encoding, shared.buckets) == ("target", 16_384)  # the driver keeps no million categories


def test_what_a_user_says_wrongly_is_named(small):
    with pytest.raises(DataError, match=r"text_columns names 'n', .* texts are t, same, odd"):
        planned_for(small, text_columns=("n",))
    with pytest.raises(DataError, match="target needs a label"):
        planned_for(small, task="multiclass", high_cardinality="target")
    with pytest.raises(DataError, match="'Prediction', and the model adds one"):
        features.candidates(small.withColumnRenamed("n", "Prediction").schema, allowed=(), barred={})
    assert planned_for(small, time_parts=()).names("time") == []


# --- the stages


def test_trees_get_numbers_filled_and_categories_indexed(small, tmp_path):
    fitted = features.fit(small, planned_for(small), label="y")
    assert [slot["name"] for slot in fitted.slots] == [
        *("n", "n is missing", "whole"),
        *("at month", "at day", "at day_of_week", "at hour", "at is_weekend"),
        *("day month", "day day", "day day_of_week", "day is_weekend"),
        *("t", "b", "odd. näme`s"),
    ]
    assert fitted.categories["t"] == {"values": ["a", "b"], "arity": 3}
    assert fitted.arity == 3
    found = vectors(fitted, small)
    assert len(found) == 5
    assert [row[0] for row in found] == [1.0, 2.5, 2.5, 4.0, 2.5]  # the median of 1 and 4
    assert [row[1] for row in found] == [0.0, 1.0, 1.0, 0.0, 1.0]
    assert [row[3:8] for row in found[:2]] == [[12.0, 31.0, 3.0, 12.0, 0.0], [-1.0, -1.0, -1.0, -1.0, 0.0]]
    assert [row[12] for row in found] == [0.0, 1.0, 2.0, 0.0, 0.0]  # null has the place of the unseen
    assert [row[14] for row in found] == [0.0, 0.0, 1.0, 0.0, 0.0]
    frame = fitted.frame.collect()
    assert fitted.frame.columns == ["y", features.FEATURES]
    assert [row[1].toArray().round(6).tolist() for row in frame] == found
    # The saved stages are Spark's own, and take rows that nobody has seen.
    assert all(type(stage).__module__.startswith("pyspark.ml.") for stage in fitted.stages)
    PipelineModel(fitted.stages).save(str(tmp_path / "stages"))
    stages = PipelineModel.load(str(tmp_path / "stages"))
    new = small.withColumn("t", F.lit("ünseen")).withColumn("n", F.lit(None).cast("double"))
    after = stages.transform(new).select(features.FEATURES).collect()
    assert len(after) == 5
    assert {(row[0][0], row[0][12]) for row in after} == {(2.5, 2.0)}


def test_other_learners_get_one_hot_circles_and_the_scale_they_need(small):
    chosen = small.select("id", "y", "whole", "t", "at")
    linear = features.fit(chosen, planned_for(chosen, style="linear", time_parts=("month", "days")), label="y")
    names = [slot["name"] for slot in linear.slots]
    assert names == ["whole", "at month_sin", "at month_cos", "at days", "t=a", "t=b"]
    assert linear.arity == 0
    found = vectors(linear, chosen)
    assert [row[-2:] for row in found] == [[1, 0], [0, 1], [0, 0], [1, 0], [1, 0]]  # null: neither
    assert found[0][1:4] == [-0.5, 0.866025, 20088.0]  # a twelfth of the circle before January
    assert found[1][1:4] == [0.0, 0.0, 20088.0]
    assert features.deviations(linear.frame)[0] == pytest.approx(0.894427)
    nonnegative = features.fit(chosen, planned_for(chosen, style="nonnegative"), label="y")
    assert all(0 <= value <= 1 for row in vectors(nonnegative, chosen) for value in row)
    distance = features.fit(chosen, planned_for(chosen, style="distance", task="clustering"), task="clustering")
    assert distance.frame.columns == [features.FEATURES]
    assert features.deviations(distance.frame)[0] == pytest.approx(1.0)


def test_words_and_buckets(spark):
    rows = [(1, "Große Überraschung, große!", "p"), (2, "grosse", "q"), (3, None, None), (4, "überraschung", "zzz")]
    frame = spark.createDataFrame(rows, "id long, said string, code string").coalesce(1)
    options = {"text_columns": ("said",), "text_buckets": 64, "one_hot_max": 2, "hash_buckets": 16}
    planned = planned_for(frame, barred=("id",), style="linear", task="multiclass", **options)
    assert [one.encoding for one in planned.features] == ["words", "hash"]
    fitted = features.fit(frame, planned)
    found = vectors(fitted, frame)
    assert {len(row) for row in found} == {80}
    words = [{place: value for place, value in enumerate(row[:64]) if value} for row in found]
    assert sorted(words[0].values()) == [1.0, 2.0]
    assert words[2] == {}
    assert set(words[3]) < set(words[0])
    assert [sum(row[64:]) for row in found] == [1.0, 1.0, 0.0, 1.0]
    tree = planned_for(
        frame, barred=("id",), task="multiclass", max_categories=2, hash_buckets=2, text_columns=("said",)
    )
    indexed = features.fit(frame, tree)
    assert indexed.slots[0] == {"name": "code", "feature": "code", "arity": indexed.arity}
    assert 2 <= indexed.arity <= 3
    assert vectors(indexed, frame)[2][0] == indexed.arity - 1  # null


# --- target encoding


@pytest.fixture(scope="module")
def many(spark):
    """Twenty thousand rows of 4,000 categories: of one the label follows, of the other it does not."""
    number = F.col("id")
    frame = spark.range(20_000).select(
        "id",
        F.format_string("ärm %04d", F.pmod(F.xxhash64(number, F.lit("told")), F.lit(4000))).alias("täll"),
        F.format_string("b%04d", F.pmod(F.xxhash64(number, F.lit("noise")), F.lit(4000))).alias("noise"),
    )
    chance = F.pmod(F.xxhash64("id"), F.lit(100)) < 20 + 60 * (F.xxhash64("täll") % 2 == 0).cast("int")
    frame = frame.withColumn("y", chance.cast("double")).repartition(2).cache()
    yield frame
    frame.unpersist()


def correlation(frame, slot):
    from pyspark.ml.functions import vector_to_array

    return frame.select(F.corr(vector_to_array(features.FEATURES)[slot], "y")).first()[0]


def test_four_thousand_categories(many):
    planned = planned_for(many)
    assert [(one.name, one.encoding) for one in planned.features] == [("täll", "target"), ("noise", "target")]
    fitted = features.fit(many, planned, label="y", seed=3)
    assert fitted.arity == 0
    assert fitted.categories["täll"]["arity"] > 3900
    assert len(fitted.categories["täll"]["values"]) == 200
    # Its own label tells a row nothing: where categories say nothing, their means do not either.
    assert correlation(fitted.frame, 0) > 0.35
    assert abs(correlation(fitted.frame, 1)) < 0.03
    pipeline = PipelineModel(fitted.stages)
    naive = pipeline.transform(many)
    assert correlation(naive, 1) > 0.35  # what it would be, were the rows encoded by their own labels
    overall = many.agg(F.avg("y")).first()[0]
    strange = many.limit(2).select("id", F.lit("nie gesehen").alias("täll"), F.lit(None).cast("string").alias("noise"))
    assert {tuple(row) for row in vectors(fitted, strange)} == {(round(overall, 6), round(overall, 6))}


@pytest.mark.full
def test_the_stages_do_not_depend_on_the_partitions(many):
    planned = planned_for(many.withColumn("half", F.col("id") / 2 + 0.125), barred=("y",))
    assert [one.encoding for one in planned.features] == ["number", "target", "target", "number"]

    def fitted(partitions):
        rows = many.withColumn("half", F.col("id") / 2 + 0.125).repartition(partitions, "noise")
        made = features.fit(rows, planned, label="y", seed=3)
        total = made.frame.select(F.sum(F.xxhash64(F.col(features.FEATURES).cast("string")).cast("decimal(38,0)")))
        stages = made.stages
        texts = [stage.getStatement() for stage in stages if hasattr(stage, "getStatement")]
        return texts, [stage.labelsArray for stage in stages if hasattr(stage, "labelsArray")], total.first()[0]

    assert fitted(2) == fitted(8)


def test_medians_of_many_rows_come_from_a_part_of_them(many, monkeypatch):
    from ml_pipeline_framework.features import fitting

    monkeypatch.setattr(fitting, "_EXACT_ROWS", 2_000)
    monkeypatch.setattr(fitting, "_FEW_ROWS", 500)
    planned = planned_for(many.select("id", F.pmod("id", F.lit(3)).alias("few")), barred=())
    medians = fitting._medians(many.withColumn("few", F.col("id") % 3), {"a": "id", "b": "id % 3"}, planned)
    assert medians["a"] == pytest.approx(10_000, rel=0.1)
    assert medians["a"] != 9_999.5  # that of all rows
    assert medians["b"] == 1.0
    # Of equal rows a part by hash has all or none: then all rows are taken.
    alike = many.select((F.col("id") % 3).alias("few"))
    assert fitting._medians(alike, {"b": "few"}, planned_for(alike, barred=())) == {"b": 1.0}


def test_a_fold_without_a_value_is_no_failure(small):
    planned = planned_for(small.select("id", "y", "n", "t"), style="linear")
    fold = small.select("id", "y", "n", "t").where("id = 3")
    fitted = features.fit(fold, planned, label="y")
    assert [slot["name"] for slot in fitted.slots] == ["n", "n is missing"]
    assert vectors(fitted, small)[:2] == [[1.0, 0.0], [0.0, 1.0]]  # there is no median: 0
    with pytest.raises(DataError, match="all of t is null"):
        features.fit(fold, planned_for(small.select("id", "y", "t"), style="linear"), label="y")
    tree = features.fit(fold, planned_for(small.select("id", "y", "t"), max_categories=2), label="y")
    assert [row[-1] for row in vectors(tree, small)] == [0.0] * 5
