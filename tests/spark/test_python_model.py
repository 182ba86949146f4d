"""Scoring with scikit-learn: the same numbers as scikit-learn gives, keys untouched, and clear words when it can't."""

from __future__ import annotations

import pickle
import warnings

import pytest

pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")
pytest.importorskip("pyarrow")
pytest.importorskip("pandas")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install '.[dev]'")

import joblib
import pandas
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ml_pipeline_framework.contract import PredictionParams
from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.jobs import prediction

HUGE = 2**60 + 1  # has no double of its own


@pytest.fixture
def predicting(spark, tmp_path):
    """Store a fitted model and rows with a key and a null key, and return the parameters that score them."""

    def make(fitted, rows, **changes):
        name = changes.pop("file", "model.joblib")
        if fitted is not None:
            joblib.dump(fitted, tmp_path / name)
        path = tmp_path / "in.parquet"
        if rows is not None:
            spark.createDataFrame(rows).withColumn(
                "key", F.when(F.rand(1) < 0.9, F.lit(HUGE) + F.monotonically_increasing_id())
            ).write.mode("overwrite").parquet(path.as_uri())
        values = {
            "run_id": "score-1",
            "input_path": path.as_uri(),
            "output_path": (tmp_path / "out").as_uri(),
            "metrics_path": (tmp_path / "metrics.json").as_uri(),
            "model": (tmp_path / name).as_uri(),
            "model_format": "sklearn",
            "overwrite": True,
        }
        (tmp_path / "metrics.json").unlink(missing_ok=True)
        return PredictionParams(**{**values, **changes})

    return make


def test_a_pipeline_of_three_classes(spark, tmp_path, predicting):
    x, y = load_iris(return_X_y=True, as_frame=True)
    y = y.map({0: "Setosa", 1: "Versicolor", 2: "Wirgínica"})
    model = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=1)).fit(x, y)
    report = prediction.run(spark, predicting(model, x.iloc[:, ::-1], batch_size=7))
    written = spark.read.parquet(str(tmp_path / "out"))
    assert [(one.name, one.dataType.simpleString()) for one in written.schema][-5:] == [
        ("key", "bigint"),
        ("prediction", "string"),
        ("probability_Setosa", "double"),
        ("probability_Versicolor", "double"),
        ("probability_Wirgínica", "double"),
    ]
    assert report["task"] == "multiclass" and report["rows"]["output"] == 150
    assert report["model"]["name"] == "Pipeline(… RandomForestClassifier)"
    found = written.toPandas()
    assert list(found["prediction"]) == list(model.predict(found[x.columns]))
    assert abs(found.filter(like="probability_").to_numpy() - model.predict_proba(found[x.columns])).max() < 1e-12
    keys = spark.read.parquet(str(tmp_path / "in.parquet")).select("key")
    assert keys.where("key is null").count() > 0
    assert keys.exceptAll(written.select("key")).count() == 0, "64-bit keys beside nulls come back as they were"


@pytest.mark.parametrize("threshold", [None, 0.2])
def test_two_classes_with_and_without_a_threshold(spark, tmp_path, predicting, threshold):
    x, y = make_classification(200, 4, random_state=3)
    model = LogisticRegression().fit(x, y)
    rows = pandas.DataFrame(x, columns=list("abcd"))
    params = predicting(model, rows, threshold=threshold, feature_columns=list("abcd"), keep_columns=list("abcd"))
    report = prediction.run(spark, params)
    found = spark.read.parquet(str(tmp_path / "out")).toPandas()
    probabilities = model.predict_proba(found[list("abcd")].to_numpy())[:, 1]
    assert list(found["prediction"]) == [int(one >= (threshold or 0.5)) for one in probabilities]
    assert report["scores"]["column"] == "probability_1" and sum(report["scores"]["counts"]) == 200


def test_what_predict_says_counts_where_it_is_not_the_largest_probability(spark, tmp_path, predicting):
    x, y = make_classification(120, 4, flip_y=0.3, random_state=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # probability=True is on its way out
        model = SVC(probability=True, random_state=1).fit(x, y)
    rows = pandas.DataFrame(x, columns=list("abcd"))
    params = predicting(model, rows, feature_columns=list("abcd"), keep_columns=list("abcd"))
    prediction.run(spark, params)
    found = spark.read.parquet(str(tmp_path / "out")).toPandas()
    assert list(found["prediction"]) == list(model.predict(found[list("abcd")].to_numpy()))


def test_numbers_and_clusters(spark, tmp_path, predicting):
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    report = prediction.run(spark, predicting(LinearRegression().fit(x, y), x, file="m.pkl"))
    assert report["task"] == "regression" and report["scores"]["mean"] == pytest.approx(y.mean())
    report = prediction.run(spark, predicting(KMeans(3, n_init=1, random_state=1).fit(x), x))
    assert report["task"] == "clustering" and len(report["scores"]["classes"]) == 3


def test_what_can_not_be_scored_is_said_before_the_work(spark, tmp_path, predicting):
    x, y = make_classification(60, 3, n_redundant=0, random_state=3)
    rows = pandas.DataFrame(x, columns=list("abc"))
    model = LogisticRegression().fit(rows, y)
    with pytest.raises(DataError, match=r"no column 'a', named in the model's features"):
        prediction.run(spark, predicting(model, rows.drop(columns="a")))
    with pytest.raises(ModelError, match=r"does not say which columns.*feature_columns"):
        prediction.run(spark, predicting(LogisticRegression().fit(x, y), rows))
    with pytest.raises(ModelError, match=r"names 2 columns, the model .* reads 3"):
        prediction.run(spark, predicting(None, None, feature_columns=["a", "b"]))
    (tmp_path / "bad.pkl").write_bytes(b"no pickle")
    with pytest.raises(ModelError, match=r"bad.pkl can't be loaded with scikit-learn"):
        prediction.run(spark, predicting(None, None, model=(tmp_path / "bad.pkl").as_uri()))
    (tmp_path / "dict.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="a dict, which has no predict"):
        prediction.run(spark, predicting(None, None, model=(tmp_path / "dict.pkl").as_uri()))
    with pytest.raises(DataError, match="no model at"):
        prediction.run(spark, predicting(None, None, model=(tmp_path / "none.pkl").as_uri()))
    assert not (tmp_path / "out").exists()


def test_nulls_that_the_model_does_not_take_are_named(spark, tmp_path, predicting):
    x, y = make_classification(60, 3, n_redundant=0, random_state=3)
    rows = pandas.DataFrame(x, columns=list("abc"))
    model = LogisticRegression().fit(rows, y)
    rows.loc[5, "b"] = None
    with pytest.raises(PySparkException, match=r"columns with nulls in this batch: b"):
        prediction.run(spark, predicting(model, rows))
    assert not (tmp_path / "out").exists()


def test_another_version_of_scikit_learn_is_a_warning_that_names_both(spark, tmp_path, predicting):
    x, y = make_classification(60, 3, n_redundant=0, random_state=3)
    model = LogisticRegression().fit(pandas.DataFrame(x, columns=list("abc")), y)
    state = model.__getstate__()
    old = pickle.dumps(model).replace(state["_sklearn_version"].encode(), b"0.9.9"[: len(state["_sklearn_version"])])
    (tmp_path / "old.pkl").write_bytes(old)
    rows = pandas.DataFrame(x, columns=list("abc"))
    report = prediction.run(spark, predicting(None, rows, model=(tmp_path / "old.pkl").as_uri()))
    assert f"written by scikit-learn 0.9.9 and is read by {state['_sklearn_version']}" in report["warnings"][0]
