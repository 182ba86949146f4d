"""The training job as a whole, on a slice of real flights."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import PipelineModel
from pyspark.sql import functions as F

from ml_pipeline_framework import model_store
from ml_pipeline_framework.errors import DataError, ModelError, OutputError
from ml_pipeline_framework.jobs import search, training_data
from ml_pipeline_framework.jobs import training as job
from ml_pipeline_framework.jobs.search import Setting
from ml_pipeline_framework.jobs.splitting import IN_TEST
from ml_pipeline_framework.jobs.training_report import summary


def local(uri):
    return Path(urlparse(uri).path)


@pytest.fixture(scope="module")
def trained(spark, flights_path, tmp_path_factory):
    """One finished run with a grid, cross-validation, balanced classes and a chosen threshold; one candidate fails."""
    from ml_pipeline_framework.contract import TrainingParams

    place = tmp_path_factory.mktemp("out")
    params = TrainingParams(
        run_id="whole-run",
        model_name="arrival-delay",
        input_path=flights_path,
        model_path=(place / "models" / "arrival-delay" / "whole-run").as_uri(),
        metrics_path=(place / "metrics" / "metrics.json").as_uri(),
        label_column="late",
        label_expression="arr_delay > 15",
        key_columns=("year", "month", "day", "carrier", "flight", "origin"),
        exclude_columns=("dep_time", "arr_time", "air_time", "time_hour", "tailnum", "flight"),
        known_after_columns=("dep_delay",),
        hyperparameters={"n_estimators": 5, "max_depth": 4, "max_bins": [8, 128]},
        cv_folds=2,
        threshold="f1",
        class_weight="balanced",
        parallelism=2,
    )
    return params, job.run(spark, params)


def test_the_report_is_what_the_file_says(trained):
    params, report = trained
    assert json.loads(local(params.metrics_path).read_text()) == json.loads(json.dumps(report))
    assert (report["job_type"], report["run_id"], report["task"]) == ("training", "whole-run", "binary")
    assert report["params"]["test_size"] == 0.2
    assert report["spark_settings"]["numTrees"] == 5
    assert report["spark_settings"]["seed"] == report["seeds"]["split"] == 42
    assert report["model"] == {"name": "arrival-delay", "version": "whole-run", "path": params.model_path}
    assert report["data"]["input"]["rows"] == report["rows"]["read"]


def test_every_row_is_accounted_for(trained, flights):
    rows = trained[1]["rows"]
    assert rows["read"] == len(flights)
    assert rows["without_label"] == flights.arr_delay.isna().sum()
    assert rows["train"] + rows["test"] + rows["without_label"] == rows["read"]
    assert trained[1]["metrics"]["rows"] == rows["test"]
    assert sum(trained[1]["classes"]["train"].values()) == rows["train"]
    assert 0.15 < rows["test"] / (rows["train"] + rows["test"]) < 0.25


def test_it_learns_more_than_the_baseline(trained):
    measured, baseline = trained[1]["metrics"], trained[1]["baseline"]
    assert 0.58 < measured["auc"] < 0.8  # more would mean that something known only afterwards has slipped in
    assert measured["pr_auc"] > baseline["pr_auc"]
    assert measured["top_decile_lift"] > baseline["top_decile_lift"]


def test_every_column_is_a_feature_or_left_out_with_a_reason(trained, flights):
    report = trained[1]
    used = {one["name"]: one for one in report["features"]}
    out = {one["name"]: one["reason"] for one in report["left_out"]}
    assert set(used) | set(out) == set(flights.columns)
    assert not set(used) & set(out)
    assert out["arr_delay"] == "read by label_expression"
    assert out["dep_delay"] == "known only after the event (known_after_columns)"
    assert out["year"] == "one value in all training rows"
    assert used["carrier"]["role"] == "categorical"
    assert used["distance"]["role"] == "numeric"
    assert sum(one["importance"] for one in used.values()) == pytest.approx(1)


def test_the_grid_names_every_candidate_and_why_one_failed(trained):
    report = trained[1]
    failed, good = report["grid"]
    assert (failed["candidate"], failed["hyperparameters"]["max_bins"]) == (1, 8)
    assert "max_bins is 8" in failed["error"]
    assert any("candidate 1 failed" in one for one in report["warnings"])
    assert good["main"] == report["cross_validation"]["mean"]["auc"]
    assert report["best"] == {"candidate": 2, "hyperparameters": good["hyperparameters"], "scoring": "auc"}
    assert report["spark_settings"]["maxBins"] == 128


def test_rare_classes_weigh_more(trained):
    """The grid of this run has balanced classes: the forest says "late" of more rows than are late."""
    report = trained[1]
    assert report["spark_settings"]["weightCol"] == search.WEIGHT
    mean = sum(one["mean_probability"] * one["rows"] for one in report["curves"]["calibration"] if one["rows"])
    assert mean / report["metrics"]["rows"] == pytest.approx(0.5, abs=0.1)  # 0.23 of the rows are late


def test_cross_validation_has_each_fold_and_its_spread(trained):
    folds = trained[1]["cross_validation"]
    assert sorted(one["fold"] for one in folds["folds"]) == ["0", "1"]
    assert sum(one["rows"] for one in folds["folds"]) == trained[1]["rows"]["train"]
    assert folds["mean"]["auc"] == pytest.approx(sum(one["auc"] for one in folds["folds"]) / 2)
    assert folds["std"]["auc"] >= 0


def test_the_threshold_comes_from_the_folds_and_is_stored(spark, trained):
    params, report = trained
    assert 0 < report["threshold"] < 1
    assert report["threshold"] != 0.5
    assert report["threshold_rule"].startswith("f1")
    assert report["confusion"]["threshold"] == report["threshold"]
    assert report["metrics"]["f1"] > 0.3
    assert model_store.open_model(spark, params.model_path, "").metadata["threshold"] == report["threshold"]


def test_the_stored_model_knows_what_it_was_trained_on(spark, trained, flights_path):
    params, report = trained
    model = model_store.open_model(spark, "arrival-delay", local(params.model_path).parent.parent.as_uri())  # by latest
    known = model.metadata
    assert (known["name"], known["version"], known["run_id"]) == ("arrival-delay", "whole-run", "whole-run")
    assert known["label"] == {
        "column": "late",
        "expression": "arr_delay > 15",
        "task": "binary",
        "type": "boolean",
        "classes": [False, True],
        "positive": True,
    }
    assert {one["name"] for one in known["input_schema"]} == {one["name"] for one in report["features"]}
    assert set(known["profile"]) == {one["name"] for one in report["features"]}
    assert known["profile"]["distance"]["rows"] == known["training"]["rows"] == report["rows"]["train"]
    assert known["training"]["data"]["bytes"] == local(flights_path).stat().st_size
    assert known["metrics"] == report["metrics"]
    for key in ("schema_version", "seeds", "split", "params", "spark_settings", "versions", "git_revision", "vector"):
        assert key in known


def test_the_saved_model_scores_raw_rows_with_nulls_and_unseen_values(spark, trained, flights_path):
    model = PipelineModel.load(f"{trained[0].model_path}/pipeline")
    raw = spark.read.parquet(flights_path).limit(20)
    odd = raw.withColumn("carrier", F.lit("??")).withColumn("dest", F.lit(None).cast("string"))
    odd = odd.withColumn("distance", F.lit(None).cast("long"))
    for rows in (raw, odd):
        assert model.transform(rows).where("probability is not null").count() == 20


def test_the_summary_says_the_main_things(trained):
    text = summary(trained[1])
    for part in ("arrival-delay", "without label (dropped)", "auc (higher)", "arr_delay: read by", "cv mean", "best  "):
        assert part in text
    assert text.isascii()
    assert len(text.splitlines()) < 40


def test_a_forest_without_a_split_is_warned_of(spark, training):
    """Stumps over few positives: Spark merges the two leaves of each, because they predict the same class."""
    report = job.run(spark, training(hyperparameters={"numTrees": 2, "maxDepth": 1}, feature_columns=("month", "hour")))
    assert all(one["importance"] == 0 for one in report["features"])
    assert "no tree has a split" in summary(report)


def test_nothing_temporary_is_left(trained):
    for path in (trained[0].model_path, trained[0].metrics_path):
        left = [one.name for one in local(path).parent.iterdir()]
        assert [one for one in left if "tmp" in one or one.startswith(".staged")] == []


# --- the split and the model are functions of the rows and the seed


def arranged(spark, params, partitions, folder):
    """What is held out, and the model, of the rows spread over so many partitions; nulls put into a number."""
    data = spark.read.parquet(params.input_path).repartition(partitions, "dest", "minute")
    data = data.withColumn("distance", F.when(F.col("flight") % 10 != 0, F.col("distance")))
    data.write.mode("overwrite").parquet(folder)
    data = spark.read.option("mergeSchema", "false").parquet(folder)
    loaded = training_data.load(data, params)
    rows = training_data.prepared(loaded, params, training_data.partitions_for(loaded.counts.used, params))
    train = rows.where(~F.col(IN_TEST))
    fitted = search.fit(Setting(spark, params, loaded.label, loaded.planned), train, params.hyperparameters, ())
    tested = {tuple(row) for row in loaded.data.where("_in_test").select(*params.key_columns).collect()}
    return loaded.counts, loaded.planned, tested, fitted.pipeline.stages[-1]


def test_partitions_change_neither_the_test_set_nor_the_model(spark, training, tmp_path):
    params = training(partitions=3, hyperparameters={"n_estimators": 2, "max_depth": 6})
    two, eight = (arranged(spark, params, number, (tmp_path / str(number)).as_uri()) for number in (2, 8))
    assert two[:3] == eight[:3]
    assert two[3].featureImportances.numNonzeros() > 2  # a model without splits would equal any other
    assert two[3].featureImportances == eight[3].featureImportances
    trees = [[tree.toDebugString.split("\n", 1)[1] for tree in model.trees] for model in (two[3], eight[3])]
    assert trees[0] == trees[1]


def test_another_seed_is_another_test_set_and_a_group_stays_together(spark, training):
    data = spark.read.parquet(training().input_path)

    def tested(params):
        return training_data.load(data, params).data.where("_in_test")

    first, second = (
        {tuple(row) for row in tested(training(seed=seed)).select(*training().key_columns).collect()} for seed in (1, 2)
    )
    common = len(first & second) / len(first)
    assert 0.1 < common < 0.3  # chance: the share of the test set
    split = training_data.load(data, training(group_column="dest")).data
    assert split.groupBy("dest").agg(F.count_distinct("_in_test").alias("sides")).where("sides > 1").count() == 0


def test_a_time_split_learns_from_the_past_only(spark, training):
    """In every fold, too; and rows of one hour are never parted."""
    params = training(time_column="time_hour", cv_folds=3)
    data = spark.read.parquet(params.input_path)
    loaded = training_data.load(data, params)
    again = training_data.load(data.repartition(8, "dest"), params)
    assert (again.split.cuts, again.counts, again.planned) == (loaded.split.cuts, loaded.counts, loaded.planned)
    rows = loaded.data.where("_label is not null")
    span = {
        (row["_in_test"], row["_part"]): (row["first"], row["last"], row["n"])
        for row in rows.groupBy("_in_test", "_part")
        .agg(F.min("time_hour").alias("first"), F.max("time_hour").alias("last"), F.count("*").alias("n"))
        .collect()
    }
    blocks = [span[False, block] for block in range(4)]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(blocks))
    test = [one for (held, _), one in span.items() if held]
    assert blocks[-1][1] < min(one[0] for one in test)
    assert sum(one[2] for one in test) / loaded.counts.used == pytest.approx(0.2, abs=0.01)
    assert loaded.split.rounds() == [("0", [0], [1]), ("1", [0, 1], [2]), ("2", [0, 1, 2], [3])]
    said = loaded.split.to_dict(1, loaded.data.schema)
    assert said["kind"] == "time"
    assert said["cut_off"].startswith("2013-1")
    assert loaded.window["from"].startswith("2013-01-01")


# --- outputs


QUICK = {"hyperparameters": {"n_estimators": 1, "max_depth": 1}, "leakage": "off"}


def test_a_folder_of_unknown_origin_is_not_overwritten(spark, training):
    params = training()
    local(params.model_path).mkdir(parents=True)
    with pytest.raises(OutputError, match="nothing says which run"):
        job.run(spark, params)


def test_latest_moves_only_with_a_complete_and_registered_model(spark, training, monkeypatch):
    """The save of the second model breaks half-way: the first one, and the pointer to it, are as they were."""
    first = training(**QUICK, feature_columns=("month", "origin"))
    job.run(spark, first)
    folder = local(first.model_path).parent
    latest = folder / "latest.json"
    assert json.loads(latest.read_text())["version"] == "one"
    before = local(first.metrics_path).read_text()
    with pytest.raises(OutputError, match="belongs to run test-run"):
        job.run(spark, training(run_id="other-run"))
    assert local(first.metrics_path).read_text() == before

    def place(name):
        metrics = (folder.parent.parent / "metrics" / name / "metrics.json").as_uri()
        return {"run_id": name, "model_path": (folder / name).as_uri(), "metrics_path": metrics}

    second = training(**QUICK, feature_columns=("month", "origin"), **place("two"))
    with monkeypatch.context() as patch:
        patch.setattr(model_store.datasets, "sizes_in", lambda *_: (_ for _ in ()).throw(OutputError("disk full")))
        with pytest.raises(OutputError, match="disk full"):
            job.run(spark, second)
    assert sorted(one.name for one in folder.iterdir() if not one.name.endswith(".crc")) == ["latest.json", "one"]
    assert not local(second.metrics_path).exists()
    assert json.loads(latest.read_text())["version"] == "one"
    job.run(spark, second)
    assert json.loads(latest.read_text()) == {"run_id": "two", "version": "two"}


def test_a_run_repeated_replaces_its_own_leftovers(spark, training):
    params = training(**QUICK, feature_columns=("month", "origin"), register=False)
    job.run(spark, params)
    local(params.metrics_path).unlink()  # as if the first try had died before its last step
    job.run(spark, params)
    assert json.loads(local(params.metrics_path).read_text())["run_id"] == "test-run"
    PipelineModel.load(f"{params.model_path}/pipeline")
    assert not (local(params.model_path).parent / "latest.json").exists()


def test_all_candidates_failing_is_the_runs_failure(spark, training):
    with pytest.raises(ModelError, match=r"all 2 candidates failed; the first one: ModelError: .*max_bins is 5"):
        job.run(spark, training(hyperparameters={"max_bins": [5, 6], "n_estimators": 1}, leakage="off"))


def test_the_only_candidates_error_is_the_runs(spark, training):
    with pytest.raises(ModelError, match=r"max_bins is 5.*set it to at least"):
        job.run(spark, training(hyperparameters={"n_estimators": 2, "max_bins": 5}, leakage="off"))


def test_a_fold_of_one_class_is_refused(spark, training):
    with pytest.raises(DataError, match=r"fold \d+ of 60 holds 0 positives"):
        job.run(spark, training(label_expression="arr_delay > 120", cv_folds=60, leakage="off"))
