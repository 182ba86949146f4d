"""What the training job makes of data: tasks, labels, odd columns, bad input, text, validation data."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

pytest.importorskip("pyspark")

from ml_pipeline_framework import datasets, labels, model_store
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import search, training_data
from ml_pipeline_framework.jobs import training as job
from tests.spark.conftest import written

ONE_TREE = {"n_estimators": 1, "max_depth": 3}


def local(uri):
    return Path(unquote(urlparse(uri).path))


@pytest.fixture(scope="module")
def varied(flights, tmp_path_factory):
    """Flights with labels of every kind and with columns that nothing can be learnt from."""
    rows = flights[flights.arr_delay.notna()].copy().reset_index(drop=True)
    rows["spät?"] = rows.arr_delay.gt(15).map({True: "Yes", False: "No"})
    rows["grade"] = rows.arr_delay.map(lambda delay: "early" if delay < -10 else "on time" if delay < 15 else "late")
    rows["zero_one"] = rows.arr_delay.gt(15).astype(int)
    rows["stars"] = rows.flight % 5 + 1
    rows["nothing"] = None
    rows["nothing"] = rows["nothing"].astype("float64")
    rows["constant"] = "always"
    rows["4000 sorts"] = [f"sort {number % 4000}" for number in range(len(rows))]
    rows["größe in m.ü.M."] = rows.distance / 3.0
    rows.loc[rows.index % 10 == 0, "größe in m.ü.M."] = float("nan")
    file = tmp_path_factory.mktemp("varied") / "flüge.parquet"
    written(rows, file)
    return f"file://{file}"  # Hadoop takes a path as it is written, not percent-encoded


@pytest.fixture
def varied_training(training, varied):
    def make(**changes):
        values = {
            "input_path": varied,
            "label_expression": "",
            "exclude_columns": ("dep_time", "dep_delay", "arr_time", "air_time", "arr_delay", "flight", "time_hour"),
            "feature_columns": (),
            "hyperparameters": ONE_TREE,
        }
        return training(**{**values, **changes})

    return make


OTHERS = ("spät?", "grade", "zero_one", "stars", "arr_delay", "dep_delay", "dep_time", "arr_time", "air_time", "flight")


def but(label):
    return tuple(name for name in OTHERS if name != label)


@pytest.mark.parametrize(
    ("label", "task", "classes", "positive"),
    [
        ("spät?", "binary", ("No", "Yes"), "Yes"),
        ("zero_one", "binary", (0, 1), 1),
        ("grade", "multiclass", ("early", "late", "on time"), None),
        ("stars", "multiclass", (1, 2, 3, 4, 5), None),
        ("arr_delay", "regression", None, None),
    ],
)
def test_the_task_is_told_from_the_label(spark, varied_training, label, task, classes, positive):
    params = varied_training(label_column=label, exclude_columns=but(label))
    loaded = training_data.load(datasets.read(spark, params.input_path), params)
    assert (loaded.label.task, loaded.label.classes, loaded.label.positive) == (task, classes, positive)
    assert loaded.reason
    assert ("set model_config.task" in " ".join(loaded.warnings)) == (label == "stars")
    assert labels.Label.from_metadata(json.loads(json.dumps(loaded.label.to_dict()))) == loaded.label
    if classes:
        assert sum(loaded.counts.train["classes"]) == loaded.counts.train["rows"]
    else:
        assert loaded.counts.train["mean"] == pytest.approx(7, abs=3)


def test_a_positive_class_of_ones_own(spark, varied_training):
    params = varied_training(label_column="spät?", positive_class="No", exclude_columns=but("spät?"))
    loaded = training_data.load(datasets.read(spark, params.input_path), params)
    assert (loaded.label.classes, loaded.label.positive) == (("Yes", "No"), "No")
    with pytest.raises(DataError, match=r"positive_class 'Maybe' is not a value of the label 'spät\?'.*'No', 'Yes'"):
        job.run(spark, varied_training(label_column="spät?", positive_class="Maybe"))


def test_odd_columns_are_left_out_or_learnt_and_say_why(spark, varied_training):
    """All null, constant, 4,000 categories, NaN, names outside ASCII with dots and spaces; a text label."""
    params = varied_training(
        label_column="spät?", exclude_columns=but("spät?"), key_columns=("month", "day", "tailnum")
    )
    report = job.run(spark, params)
    out = {one["name"]: one["reason"] for one in report["left_out"]}
    assert out["nothing"] == "null in every training row"
    assert out["constant"] == out["year"] == "one value in all training rows"
    assert "identifier" in out["4000 sorts"]
    used = {one["name"]: one for one in report["features"]}
    assert used["größe in m.ü.M."]["nulls"] > 0
    assert used["tailnum"]["encoding"] == "target"  # some 2,000 of them: one target-encoded number
    assert report["label"]["positive"] == "Yes"
    model = model_store.open_model(spark, params.model_path, "")
    scored = model.pipeline().transform(spark.read.parquet(params.input_path).drop("spät?", "grade"))
    assert scored.where("prediction is not null").count() == report["rows"]["read"]


def test_a_regression_and_a_clustering_end_to_end(spark, varied_training):
    names = ("month", "hour", "distance", "carrier")
    linear = varied_training(
        label_column="arr_delay", algorithm="linear_regression", hyperparameters={}, feature_columns=names
    )
    report = job.run(spark, linear)
    assert report["task"] == "regression"
    assert report["metrics"]["rmse"] < report["baseline"]["rmse"]
    assert report["threshold"] is None
    assert {one["name"] for one in report["features"]} == set(names)
    groups = varied_training(
        label_column="",
        algorithm="kmeans",
        hyperparameters={"n_clusters": [2, 3]},
        feature_columns=names,
        run_id="groups",
        **{name: getattr(linear, name).replace("/one", "/two") for name in ("model_path", "metrics_path")},
    )
    report = job.run(spark, groups)
    assert report["task"] == "clustering"
    assert len(report["grid"]) == 2
    assert -1 <= report["metrics"]["silhouette"] <= 1
    assert report["spark_settings"]["k"] == report["best"]["hyperparameters"]["n_clusters"]
    assert report["leakage"] == []


def test_balanced_weights_are_scikit_learns():
    weights = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is not installed")
    import numpy

    labels_of_rows = numpy.repeat([0, 1, 2], [70, 20, 10])
    expected = weights.compute_class_weight("balanced", classes=numpy.arange(3), y=labels_of_rows)
    assert search.class_weights([70, 20, 10]) == pytest.approx(expected)
    assert search.class_weights([70, 0, 10]) == pytest.approx([80 / 140, 0.0, 80 / 20])


# --- text, and other data to choose on


def test_gzip_text_is_staged_once_and_swept(spark, training, flights, tmp_path, monkeypatch):
    text = tmp_path / "flights.csv.gz"
    text.write_bytes(gzip.compress(flights.iloc[:1500].to_csv(index=False).encode()))
    params = training(input_path=text.as_uri(), hyperparameters=ONE_TREE, leakage="off")
    folder = local(params.model_path).parent
    old = folder / ".staged-killed-training"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    seen = []
    whole = job.load

    def looked(data, params):
        seen.append(([one.name for one in folder.iterdir()], data.inputFiles()))
        return whole(data, params)

    monkeypatch.setattr(job, "load", looked)
    report = job.run(spark, params)
    (names, files) = seen[0]
    assert names == [".staged-one-training"]
    assert all(name.endswith(".parquet") for name in files)
    assert report["rows"]["read"] == 1500
    assert report["data"]["input"]["format"] == "csv"
    assert not any(one.name.startswith(".staged") for one in folder.iterdir())
    with pytest.raises(DataError):
        job.run(spark, training(input_path=text.as_uri(), key_columns=("nokey",), run_id="test-run"))
    assert not any(one.name.startswith(".staged") for one in folder.iterdir())


def test_csv_files_with_other_columns_or_a_word_for_null_are_not_misread(spark, training, flights, tmp_path):
    folder = tmp_path / "flights.csv"
    folder.mkdir()
    flights.iloc[:1000].to_csv(folder / "a.csv", index=False)
    other = flights.iloc[1000:2000]
    other[list(reversed(other.columns))].to_csv(folder / "b.csv", index=False)
    with pytest.raises(DataError, match=r"can't be read.*header"):
        job.run(spark, training(input_path=folder.as_uri()))
    rows = flights.iloc[:2000].astype({"distance": object})
    rows.loc[7, "distance"] = "n/a"
    rows.to_csv(tmp_path / "words.csv", index=False)
    loaded = training_data.load(
        datasets.read(spark, (tmp_path / "words.csv").as_uri()),
        training(input_path=(tmp_path / "words.csv").as_uri()),
    )
    assert any("distance is text, and" in one and "null_value" in one for one in loaded.warnings)


def test_what_names_a_row_or_its_group_is_not_learnt_from(spark, training, flights, tmp_path):
    rows = flights.iloc[:2000].assign(
        number=range(2000), customer=[{0: None, 1: "c3"}.get(one % 10, "c0") for one in range(2000)]
    )
    path = written(rows, tmp_path / "groups.parquet")
    data = spark.read.parquet(path)
    params = training(input_path=path, key_columns=("number",), group_column="customer")
    loaded = training_data.load(data, params)
    out = {one.name: one.reason for one in loaded.planned.left_out}
    assert "the group that the split goes by" in out["customer"] and "the key of the row" in out["number"]
    labelled = rows[rows.arr_delay.notna()]
    assert loaded.counts.without_group == labelled.customer.isna().sum()
    assert any("rows have no customer: they are taken for one group" in one for one in loaded.warnings)
    assert any("the test set holds" in one and "not 20.0%" in one for one in loaded.warnings)
    asked = training(input_path=path, key_columns=("number",), feature_columns=("number", "hour"))
    assert {one.name for one in training_data.load(data, asked).planned.features} == {"number", "hour"}


def test_an_infinite_number_is_no_label(spark, training, tmp_path):
    rows = spark.range(200).selectExpr("id", "id % 7 x", "id % 5 y", "if(id = 3, double('Infinity'), double(id)) label")
    rows.coalesce(1).write.parquet(str(tmp_path / "inf.parquet"))
    params = training(
        input_path=(tmp_path / "inf.parquet").as_uri(),
        label_expression="",
        label_column="label",
        key_columns=("id",),
        exclude_columns=(),
    )
    loaded = training_data.load(spark.read.parquet(params.input_path), params)
    assert (loaded.label.task, loaded.counts.without_label) == ("regression", 1)


def test_validation_data_choose_and_their_model_is_the_final_one(spark, training, flights, tmp_path):
    some = flights.iloc[::4]
    some.to_csv(tmp_path / "validation.csv", index=False)
    other = (tmp_path / "validation.csv").as_uri()
    params = training(validation_path=other, threshold="cost:fp=1,fn=5", leakage="off")
    report = job.run(spark, params)
    assert report["cross_validation"]["kind"] == "validation data"
    assert report["cross_validation"]["folds"][0]["rows"] == some.arr_delay.notna().sum()
    said = [one for one in report["warnings"] if "validation" in one]
    assert f"{some.arr_delay.isna().sum()} of {len(some):,} rows of {other} have no label" in said[0]
    assert "validation rows have the key of a training row" in said[1]
    assert report["threshold"] < 0.5  # a miss costs five times as much
    known = model_store.open_model(spark, params.model_path, "").metadata
    assert known["training"]["validation_data"]["path"] == other


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: rows.drop(columns="hour"), "column 'hour' (bigint) is missing"),
        (lambda rows: rows.assign(hour=rows.hour + 0.5), "column 'hour' is double, the model was trained on bigint"),
        (lambda rows: rows.assign(arr_delay=float("nan")), "has no labelled rows"),
    ],
)
def test_validation_data_must_be_like_the_training_data(spark, training, flights, tmp_path, spoil, says):
    other = written(spoil(flights.iloc[:500]), tmp_path / "validation.parquet")
    params = training(validation_path=other, threshold="f1", leakage="off")
    with pytest.raises(DataError) as caught:
        job.run(spark, params)
    assert says in str(caught.value) and other in str(caught.value)
    assert not local(params.model_path).exists()


# --- bad input


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"input_path": "file:///nowhere/flights.parquet"}, ["/nowhere/flights.parquet", "nothing lies there"]),
        ({"label_expression": "arr_dela > 15"}, ["arr_dela", "label_expression", "arr_delay"]),
        ({"label_expression": "arr_delay >> > 15"}, ["label_expression", "yntax error"]),
        ({"label_expression": "array(arr_delay)"}, ["neither boolean, number nor text"]),
        ({"label_expression": "", "label_column": "lat"}, ["'lat'", "label_column"]),
        ({"label_column": "carrier"}, ["has a column 'carrier' already"]),
        ({"label_expression": "arr_delay", "threshold": 0.5}, ["makes this regression", "threshold", "leave it out"]),
        ({"label_expression": "arr_delay", "scoring": "auc"}, ["model_config.scoring: 'auc' is no metric of regr"]),
        ({"label_expression": "arr_delay > 100000"}, ["only the class False"]),
        ({"label_expression": "if(arr_delay > 100000, 'a', 'b')"}, ["fewer than two classes", "'b'"]),
        ({"label_expression": "cast(null as boolean)"}, ["null in all"]),
        ({"label_expression": "cast(null as string)"}, ["null in all"]),
        ({"label_expression": "tailnum"}, ["more than 100 values"]),
        ({"label_expression": "carrier", "task": "binary"}, ["a binary task two", "model_config.task"]),
        ({"label_expression": "carrier", "algorithm": "linear_regression", "hyperparameters": {}}, ["is text"]),
        ({"label_expression": "carrier", "algorithm": "linear_svc", "task": "binary", "hyperparameters": {}}, ["two"]),
        ({"label_expression": "carrier", "task": "regression"}, ["is text", "label_expression"]),
        ({"key_columns": ("year", "flight_no")}, ["'flight_no'", "key_columns"]),
        ({"key_columns": ("year",)}, ["no rows", "many different keys"]),
        ({"exclude_columns": ("dep_dellay",)}, ["'dep_dellay' (did you mean 'dep_delay'?)", "exclude_columns"]),
        ({"feature_columns": ("arr_delay", "month")}, ["reads arr_delay", "feature_columns"]),
        ({"feature_columns": ("year",)}, ["no column", "year: one value"]),
        ({"time_column": "carrier"}, ["can't be read as a timestamp"]),
        ({"time_column": "year"}, ["training set has no rows"]),
        ({"group_column": "nobody"}, ["'nobody'", "group_column"]),
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
    empty = written(flights.iloc[:0], tmp_path / "none.parquet")
    for expression in ("arr_delay > 15", "if(arr_delay > 15, 'y', 'n')"):
        with pytest.raises(DataError, match="has no rows"):
            job.run(spark, training(input_path=empty, label_expression=expression))


def test_what_is_not_parquet_or_damaged_is_named(spark, training, flights, tmp_path):
    (tmp_path / "text.parquet").write_text("year,month\n")
    with pytest.raises(DataError, match="can't be read as parquet"):
        job.run(spark, training(input_path=(tmp_path / "text.parquet").as_uri()))
    folder = tmp_path / "many.parquet"
    folder.mkdir()
    written(flights.iloc[:2000], folder / "good.parquet")
    damaged = folder / "zdamaged.parquet"
    written(flights.iloc[2000:], damaged)
    content = bytearray(damaged.read_bytes())
    content[4:20_000] = bytes(20_000 - 4)  # pages of zeros; the footer at the end is whole
    damaged.write_bytes(content)
    with pytest.raises(DataError, match=r"many\.parquet can't be read: .*zdamaged\.parquet"):
        job.run(spark, training(input_path=folder.as_uri()))


# --- killed


SCRIPT = """
import sys
from ml_pipeline_framework.jobs.training import main
main(sys.argv[1:])
"""


@pytest.mark.full  # two JVM starts; test_outputs.py kills a write in every run
def test_a_run_that_is_killed_leaves_the_old_model_and_the_next_try_tidies_up(training, flights, tmp_path):
    text = tmp_path / "flights.csv"
    flights.iloc[:800].to_csv(text, index=False)
    params = training(input_path=text.as_uri(), hyperparameters=ONE_TREE, leakage="off")
    folder = local(params.model_path).parent
    folder.mkdir(parents=True)
    (folder / "latest.json").write_text('{"version": "older"}')
    file = tmp_path / "params.json"
    file.write_text(params.to_json())
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_CONF_DIR": str(tmp_path)}
    (tmp_path / "spark-defaults.conf").write_text("spark.ui.enabled false\nspark.master local[1]\n")
    command = [sys.executable, "-c", SCRIPT, "--params", str(file)]
    first = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True, stdout=subprocess.PIPE
    )
    for line in first.stderr:
        if "fitting random_forest" in line:
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert (folder / ".staged-one-training").exists()
    assert not local(params.model_path).exists()
    assert json.loads((folder / "latest.json").read_text()) == {"version": "older"}
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "auc (higher)" in again.stdout
    assert json.loads((folder / "latest.json").read_text()) == {"run_id": "test-run", "version": "one"}
    assert not any(one.name.startswith(".staged") for one in folder.iterdir())
