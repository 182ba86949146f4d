"""The training job as a whole, on a slice of real flights."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import PipelineModel
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features
from ml_pipeline_framework.errors import DataError, ModelError, OutputError
from ml_pipeline_framework.jobs import training as job
from ml_pipeline_framework.jobs.training_report import summary


def local(uri):
    return Path(urlparse(uri).path)


@pytest.fixture(scope="module")
def trained(spark, flights_path, tmp_path_factory):
    """One finished run with cross-validation: its parameters and report."""
    from ml_pipeline_framework.contract import TrainingParams

    place = tmp_path_factory.mktemp("out")
    params = TrainingParams(
        run_id="whole-run",
        model_name="arrival-delay",
        input_path=flights_path,
        model_path=(place / "models" / "m").as_uri(),
        metrics_path=(place / "metrics" / "metrics.json").as_uri(),
        label_column="late",
        label_expression="arr_delay > 15",
        key_columns=("year", "month", "day", "carrier", "flight", "origin"),
        exclude_columns=("dep_time", "dep_delay", "arr_time", "air_time"),
        hyperparameters={"n_estimators": 5, "max_depth": 4},
        cv_folds=2,
    )
    return params, job.run(spark, params)


def test_the_report_is_what_the_file_says(trained):
    params, report = trained
    assert json.loads(local(params.metrics_path).read_text()) == json.loads(json.dumps(report))
    assert report["params"]["test_size"] == 0.2
    assert report["params"]["seed"] == 42
    assert report["spark_settings"]["numTrees"] == 5
    assert report["spark_settings"]["seed"] == 42


def test_every_row_is_accounted_for(trained, flights):
    rows = trained[1]["rows"]
    assert rows["read"] == len(flights)
    assert rows["without_label"] == flights.arr_delay.isna().sum()
    assert rows["train"] + rows["test"] + rows["without_label"] == rows["read"]
    assert trained[1]["metrics"]["rows"] == rows["test"]
    assert 0.15 < rows["test"] / (rows["train"] + rows["test"]) < 0.25


def test_it_learns_more_than_the_baseline(trained):
    measured, baseline = trained[1]["metrics"], trained[1]["baseline"]
    assert 0.58 < measured["auc"] < 0.8  # more would mean that something known only afterwards has slipped in
    assert measured["pr_auc"] > baseline["pr_auc"]
    assert measured["log_loss"] < baseline["log_loss"]
    assert measured["brier"] < baseline["brier"]


def test_every_column_is_a_feature_or_left_out_with_a_reason(trained, flights):
    report = trained[1]
    used = {one["name"]: one for one in report["features"]}
    out = {one["name"]: one["reason"] for one in report["left_out"]}
    assert set(used) | set(out) == set(flights.columns) | {"late"}
    assert not set(used) & set(out)
    assert out["arr_delay"] == "read by label_expression"
    assert out["dep_delay"] == "in exclude_columns"
    assert out["year"] == "one value in all training rows"
    assert "categories, more than max_categories 128" in out["tailnum"]
    assert used["carrier"]["role"] == "categorical"
    assert used["distance"]["role"] == "numeric"
    assert sum(one["importance"] for one in used.values()) == pytest.approx(1)
    assert report["spark_settings"]["maxBins"] == max(one.get("categories", 32) for one in used.values())


def test_cross_validation_has_each_fold_and_its_spread(trained):
    folds = trained[1]["cross_validation"]
    assert [one["fold"] for one in folds["folds"]] == [0, 1]
    assert sum(one["rows"] for one in folds["folds"]) == trained[1]["rows"]["train"]
    assert folds["mean"]["auc"] == pytest.approx(sum(one["auc"] for one in folds["folds"]) / 2)
    assert folds["std"]["auc"] >= 0


def test_the_saved_model_scores_raw_rows_with_nulls_and_unseen_values(spark, trained, flights_path):
    model = PipelineModel.load(trained[0].model_path)
    raw = spark.read.parquet(flights_path).limit(20)
    odd = raw.withColumn("carrier", F.lit("??")).withColumn("dest", F.lit(None).cast("string"))
    odd = odd.withColumn("distance", F.lit(None).cast("long"))
    for rows in (raw, odd):
        assert model.transform(rows).where("probability is not null").count() == 20


def test_the_summary_says_the_main_things(trained):
    text = summary(trained[1])
    for part in ("arrival-delay", "without label (dropped)", "auc (higher)", "left out   arr_delay", "cv mean"):
        assert part in text
    assert text.isascii()
    assert max(len(line) for line in text.splitlines()) < 200


def test_a_forest_without_a_split_is_warned_of(spark, training):
    """Stumps over few positives: Spark merges the two leaves of each, because they predict the same class."""
    report = job.run(spark, training(hyperparameters={"numTrees": 2, "maxDepth": 1}))
    assert all(one["importance"] == 0 for one in report["features"])
    assert "no tree has a split" in summary(report)


def test_nothing_temporary_is_left(trained):
    for path in (trained[0].model_path, trained[0].metrics_path):
        assert [one.name for one in local(path).parent.iterdir() if "tmp" in one.name] == []


# --- the split and the model are functions of the rows and the seed


def arranged(spark, params, partitions):
    """Features, split and model of the rows spread over so many partitions; nulls put into a number."""
    data = spark.read.parquet(params.input_path).repartition(partitions, "dest", "minute")
    data = data.withColumn("distance", F.when(F.col("flight") % 10 != 0, F.col("distance")))
    data, barred = job.with_label(data, params)
    data = job.with_split(data, params)
    names, left_out = features.candidates(data.schema, allowed=(), barred=barred)
    counts, found = job.survey(data, params, names)
    planned = features.plan(data.schema, names, found, left_out, params.max_categories)
    rows = job.prepared(data, params, planned, job.partitions_for(counts.train_rows + counts.test_rows, params))
    model = job.fit(rows.where("not _in_test"), params, planned)
    tested = {tuple(row) for row in data.where("late is not null and _in_test").select(*params.key_columns).collect()}
    return counts, planned, tested, model.stages[-1]


def test_partitions_change_neither_the_test_set_nor_the_model(spark, training):
    params = training(partitions=3, hyperparameters={"n_estimators": 2, "max_depth": 7})
    two, eight = arranged(spark, params, 2), arranged(spark, params, 8)
    assert two[:3] == eight[:3]
    assert two[3].featureImportances.numNonzeros() > 2  # a model without splits would equal any other
    assert two[3].featureImportances == eight[3].featureImportances
    trees = [[tree.toDebugString.split("\n", 1)[1] for tree in model.trees] for model in (two[3], eight[3])]
    assert trees[0] == trees[1]


def test_another_seed_is_another_test_set_and_a_key_stays_together(spark, training):
    data = spark.read.parquet(training().input_path)

    def tested(params):
        return job.with_split(data, params).where("_in_test")

    first, second = (
        {tuple(row) for row in tested(training(seed=seed)).select(*training().key_columns).collect()} for seed in (1, 2)
    )
    common = len(first & second) / len(first)
    assert 0.1 < common < 0.3  # chance: the share of the test set
    days = training(key_columns=("month", "day"))
    split = job.with_split(data, days).groupBy("month", "day").agg(F.count_distinct("_in_test").alias("sides"))
    assert split.where("sides > 1").count() == 0


# --- bad input


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"input_path": "file:///nowhere/flights.parquet"}, ["/nowhere/flights.parquet", "nothing lies there"]),
        ({"label_expression": "arr_dela > 15"}, ["arr_dela", "label_expression", "arr_delay"]),
        ({"label_expression": "arr_delay >> > 15"}, ["label_expression", "yntax error"]),
        ({"label_expression": "arr_delay"}, ["values other than 0 and 1", "label_expression"]),
        ({"label_expression": "carrier"}, ["neither boolean nor a number"]),
        ({"label_expression": "", "label_column": "lat"}, ["'lat'", "label_column"]),
        ({"label_column": "carrier"}, ["has a column 'carrier' already"]),
        ({"label_expression": "arr_delay > 100000"}, ["only the class 0"]),
        ({"label_expression": "arr_delay is null and arr_delay > 0"}, ["only the class 0"]),
        ({"label_expression": "cast(null as boolean)"}, ["null in all"]),
        ({"key_columns": ("year", "flight_no")}, ["'flight_no'", "key_columns"]),
        ({"key_columns": ("year",)}, ["no rows", "many different keys"]),
        ({"exclude_columns": ("dep_dellay",)}, ["'dep_dellay' (did you mean 'dep_delay'?)", "exclude_columns"]),
        ({"feature_columns": ("arr_delay", "month")}, ["reads arr_delay", "feature_columns"]),
        ({"feature_columns": ("year", "time_hour")}, ["no column", "year: one value", "time_hour: about"]),
    ],
)
def test_what_does_not_serve_is_said(spark, training, changes, parts):
    params = training(**changes)
    with pytest.raises(DataError) as caught:
        job.run(spark, params)
    for part in parts:
        assert part in str(caught.value)
    assert not local(params.model_path).exists()
    assert not local(params.metrics_path).exists()


def test_no_rows(spark, training, flights, tmp_path):
    flights.iloc[:0].to_parquet(tmp_path / "none.parquet", index=False)
    with pytest.raises(DataError, match="has no rows"):
        job.run(spark, training(input_path=(tmp_path / "none.parquet").as_uri()))


def test_something_that_is_not_parquet(spark, training, tmp_path):
    (tmp_path / "text.parquet").write_text("year,month\n")
    with pytest.raises(DataError, match="can't be read as parquet"):
        job.run(spark, training(input_path=(tmp_path / "text.parquet").as_uri()))


def test_too_few_bins_are_refused_with_the_number_needed(spark, training):
    with pytest.raises(ModelError, match=r"max_bins is 20.*set it to at least"):
        job.run(spark, training(hyperparameters={"n_estimators": 2, "max_bins": 20}))


def test_a_fold_of_one_class_is_refused(spark, training):
    with pytest.raises(DataError, match=r"fold \d+ of 60 holds 0 positives"):
        job.run(spark, training(label_expression="arr_delay > 120", cv_folds=60))


# --- outputs


def test_what_another_run_wrote_is_not_overwritten(spark, training):
    params = training(hyperparameters={"n_estimators": 1, "max_depth": 1}, feature_columns=("month", "origin"))
    job.run(spark, params)
    before = local(params.metrics_path).read_text()
    other = training(run_id="other-run")
    with pytest.raises(OutputError, match="belongs to run test-run"):
        job.run(spark, other)
    assert local(params.metrics_path).read_text() == before
    local(params.metrics_path).unlink()  # as if the first try had died before its last step
    job.run(spark, params)
    assert json.loads(local(params.metrics_path).read_text())["run_id"] == "test-run"
    PipelineModel.load(params.model_path)


def test_a_folder_of_unknown_origin_is_not_overwritten(spark, training):
    params = training()
    local(params.model_path).mkdir(parents=True)
    with pytest.raises(OutputError, match="nothing says which run"):
        job.run(spark, params)


def test_a_failed_save_leaves_nothing(spark, tmp_path):
    def fail(place):
        datasets.write_text(spark, f"{place}/part", "half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        datasets.save_whole(spark, (tmp_path / "out").as_uri(), fail)
    assert list(tmp_path.iterdir()) == []
