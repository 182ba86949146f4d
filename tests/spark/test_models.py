"""The algorithms: each one for each of its tasks, on real flights, through a saved pipeline."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pyspark")

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from ml_pipeline_framework import features, models
from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.errors import ModelError
from ml_pipeline_framework.models import xgboost as xgboost_learner

CLASSES = {"binary": 2, "multiclass": 3, "regression": 0, "clustering": 0}
SMALL = {"n_estimators": 4, "max_iter": 8, "max_depth": 4, "n_clusters": 3}
SPARKS_OWN = [(name, task) for name, one in ALGORITHMS.items() for task in one.tasks if not one.needs]


@pytest.fixture(scope="module")
def flown(spark, flights_path):
    """Flights with a label per task, a boolean and a column with nulls."""
    late = F.col("arr_delay")
    frame = (
        spark.read.parquet(flights_path)
        .where(late.isNotNull())
        .select(
            "dep_delay",
            "distance",
            "hour",
            "carrier",
            "origin",
            "dest",
            (F.col("month") > 6).alias("zweites Halbjahr"),
            F.when(F.col("day") > 3, F.col("sched_dep_time")).alias("with.nulls"),
            (late > 15).cast("double").alias("binary"),
            F.when(late < -10, 0.0).when(late < 15, 1.0).otherwise(2.0).alias("multiclass"),
            late.cast("double").alias("regression"),
        )
        .where(F.xxhash64("distance", "regression", "hour") % 3 == 0)
        .coalesce(1)
        .cache()
    )
    yield frame
    frame.unpersist()


@pytest.fixture(scope="module")
def fitted(flown):
    """Return the fitted features of a style and task; each is fitted once."""
    kept = {}

    def get(style, task):
        if (style, task) not in kept:
            names, out = features.candidates(flown.schema, allowed=(), barred=dict.fromkeys(CLASSES, "a label"))
            found = flown.agg(*features.profile(flown.schema, names, F.lit(True))).first().asDict()
            options = features.Options(max_categories=50, one_hot_max=20)
            planned = features.plan(flown.schema, names, found, out, style=style, task=task, options=options)
            made = features.fit(flown, planned, label=task if task != "clustering" else "", task=task, seed=1)
            kept[style, task] = (made, made.frame.cache())
        return kept[style, task]

    yield get
    for _, frame in kept.values():
        frame.unpersist()


def learnt(fitted, algorithm, task, **more):
    """Fit an algorithm; the features and the model."""
    made, frame = fitted(ALGORITHMS[algorithm].style, task)
    known = {one.name for one in ALGORITHMS[algorithm].hyperparameters}
    given = {name: value for name, value in SMALL.items() if name in known}
    learner = models.estimator(
        algorithm,
        task,
        {**given, **more},
        label=task,
        features=features.FEATURES,
        seed=5,
        categories=made.arity,
        classes=CLASSES[task],
        slots=made.slots,
    )
    return made, learner.fit(frame)


def check(task, algorithm, scored, rows):
    """Check that a model says something of every row, and knows something; in one pass."""
    score = models.score_column(algorithm, task)
    number = F.col(score) if score == "prediction" else F.element_at(vector_to_array(score), -1)
    said, delay, late = F.col("prediction"), F.col("regression"), F.col("binary") == 1
    found = scored.agg(
        F.count_if(number.isNotNull() & ~F.isnan(number) & said.isNotNull()).alias("rows"),
        (F.avg(F.when(late, number)) - F.avg(F.when(~late, number))).alias("binary"),
        (F.avg((said == F.col("multiclass")).cast("int")) - 0.4).alias("multiclass"),
        (F.stddev(delay) - F.sqrt(F.avg((said - delay) ** 2))).alias("regression"),
        (F.count_distinct(said) - 1).alias("clustering"),
    ).first()
    assert found["rows"] == rows
    assert found[task] > 0


@pytest.mark.parametrize(("algorithm", "task"), SPARKS_OWN)
def test_every_algorithm_learns_each_of_its_tasks(fitted, flown, algorithm, task):
    made, model = learnt(fitted, algorithm, task)
    check(task, algorithm, PipelineModel([*made.stages, model]).transform(flown), flown.count())
    settings = models.all_settings(model)
    json.dumps(settings, allow_nan=False)
    assert settings.get("seed", 5) == 5
    kind = models.importance_kind(model)
    found = models.importances(model, made.slots, features.deviations(made.frame) if kind == "coefficient" else None)
    if kind:
        assert set(found) <= set(flown.columns)
        assert found["dep_delay"] > found.get("distance", 0.0)
        assert kind == "coefficient" or sum(found.values()) == pytest.approx(1)
    else:
        assert found is None
        assert algorithm in ("naive_bayes", "kmeans", "bisecting_kmeans")


@pytest.mark.parametrize(("algorithm", "task"), [("random_forest", "multiclass"), ("logistic_regression", "binary")])
def test_a_saved_pipeline_says_the_same(fitted, flown, algorithm, task, tmp_path):
    made, model = learnt(fitted, algorithm, task)
    pipeline = PipelineModel([*made.stages, model])
    pipeline.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    new = flown.drop(*CLASSES).withColumn("carrier", F.lit("??")).withColumn("with.nulls", F.lit(None).cast("long"))
    before, after = (
        one.transform(new).agg(F.sum("prediction"), F.count(F.lit(1)), F.sum(F.hash("rawPrediction"))).first()
        for one in (pipeline, loaded)
    )
    assert before == after


def test_every_hyperparameter_of_the_contract_is_one_of_spark(spark):
    values = {"integer": 17, "number": 0.25, "flag": False}
    for algorithm, task in SPARKS_OWN:
        for one in ALGORITHMS[algorithm].for_task(task):
            value = 1.5 if one.name in ("epsilon", "variance_power") else values.get(one.kind)
            value = one.choices[-1] if value is None else value
            made = models.estimator(
                algorithm, task, {one.name: value}, label="y", features="x", seed=3, classes=CLASSES[task]
            )
            said = models.all_settings(made)
            assert said[one.spark_name] == value, (algorithm, one.name)


@pytest.mark.parametrize(("value", "stored"), [(4, "4"), (0.5, "0.5"), ("log2", "log2")])
def test_max_features_in_all_its_forms(value, stored):
    assert models.spark_settings("random_forest", {"max_features": value}) == {"featureSubsetStrategy": stored}


def test_words_of_scikit_learn_become_those_of_spark():
    assert models.spark_settings("gbt", {"loss": "absolute_error"}) == {"lossType": "absolute"}
    assert models.spark_settings("decision_tree", {"criterion": "log_loss"}) == {"impurity": "entropy"}


def test_bins_follow_the_categories(spark):
    made = [
        models.estimator("random_forest", "binary", {}, label="y", features="x", seed=1, categories=n) for n in (5, 106)
    ]
    assert [models.all_settings(one)["maxBins"] for one in made] == [32, 106]
    with pytest.raises(ModelError, match="max_bins is 40, but a feature has 106"):
        models.estimator("gbt", "binary", {"max_bins": 40}, label="y", features="x", seed=1, categories=106)


@pytest.mark.parametrize(
    ("algorithm", "task", "given", "weight", "part"),
    [
        ("kmeans", "binary", {}, "", "does not do binary: choose one of random_forest"),
        ("gbt", "multiclass", {}, "", "does not do multiclass: choose one of random_forest, decision_tree"),
        ("random_forest", "regression", {"criterion": "gini"}, "", "criterion is not for regression"),
        ("logistic_regression", "multiclass", {}, "", "the label has 2 classes, which is not multiclass"),
    ],
)
def test_what_does_not_fit_the_task_is_named(spark, algorithm, task, given, weight, part):
    with pytest.raises(ModelError, match=part):
        models.estimator(algorithm, task, given, label="y", features="x", seed=1, weight=weight)


def test_weights_reach_the_learner(fitted):
    made, frame = fitted("tree", "binary")
    weighted = frame.withColumn("w", F.when(F.col("binary") == 1, 1000.0).otherwise(0.001))
    learner = models.estimator(
        "decision_tree",
        "binary",
        {},
        label="binary",
        features=features.FEATURES,
        seed=1,
        categories=made.arity,
        weight="w",
    )
    said = learner.fit(weighted).transform(frame).agg(F.avg("prediction")).first()[0]
    assert said > 0.95


# --- xgboost


@pytest.fixture
def xgboost(spark):
    for package in ALGORITHMS["xgboost"].needs:
        pytest.importorskip(package)


@pytest.mark.usefixtures("xgboost")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("task", ALGORITHMS["xgboost"].tasks)
def test_xgboost_learns_and_is_saved(fitted, flown, task, tmp_path):
    made, model = learnt(fitted, "xgboost", task, num_workers=1 if task == "regression" else 2)
    pipeline = PipelineModel([*made.stages, model])
    pipeline.save(str(tmp_path / "model"))
    scored = PipelineModel.load(str(tmp_path / "model")).transform(flown)
    check(task, "xgboost", scored, flown.count())
    settings = models.all_settings(model)
    assert settings["random_state"] == 5
    assert settings["feature_types"] == ["c" if "arity" in slot else "q" for slot in made.slots]
    assert settings["feature_types"].count("c") == (4 if task == "multiclass" else 3)  # dest is indexed or a number
    json.dumps(settings, allow_nan=False)
    assert models.importance_kind(model) == "gain"
    found = models.importances(model, made.slots)
    assert max(found, key=found.get) == "dep_delay"
    assert sum(found.values()) == pytest.approx(1)


class Conf:
    """The answers of a SparkConf."""

    def __init__(self, **values):
        self.values = {key.replace("_", "."): value for key, value in values.items()}

    def get(self, key):
        return self.values.get(key)


@pytest.mark.parametrize(
    ("master", "conf", "slots"),
    [
        ("local", Conf(), 1),
        ("local[3]", Conf(), 3),
        ("local[4,2]", Conf(spark_task_cpus="2"), 2),
        ("yarn", Conf(), 2),
        ("yarn", Conf(spark_executor_instances="5", spark_executor_cores="5", spark_task_cpus="2"), 10),
    ],
)
def test_slots_of_an_application(master, conf, slots):
    assert xgboost_learner.slots(master, conf) == slots


def test_what_xgboost_needs_is_said_before_anything_runs(spark, monkeypatch):
    dynamic = Conf()
    dynamic.values["spark.dynamicAllocation.enabled"] = "true"
    with pytest.raises(ModelError, match=r"spark\.dynamicAllocation\.enabled to false"):
        xgboost_learner.slots("yarn", dynamic)
    with pytest.raises(ModelError, match="1 cores, fewer than the 2"):
        xgboost_learner.slots("yarn", Conf(spark_task_cpus="2"))
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    with pytest.raises(ModelError, match=r"needs the Python package xgboost.*batch-submit\[xgboost\]"):
        models.require("xgboost", {})
    models.require("gbt", {})


@pytest.mark.usefixtures("xgboost")
def test_more_workers_than_slots_are_refused(spark):
    with pytest.raises(ModelError, match="num_workers is 3, but the application has 2 slots"):
        models.require("xgboost", {"num_workers": [1, 3]})
