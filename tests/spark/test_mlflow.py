"""Tracking with a real MLflow server: what it holds afterwards, and what a job does when it is not there."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from spark.mlflow_server import mlflow_server

from ml_pipeline_framework import tracking
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.jobs import reporting

# MLflow and what it imports warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("mlflow.server", reason="the whole of MLflow is in the dev extra")
    with mlflow_server(tmp_path_factory.mktemp("mlflow") / "server") as found:
        yield found


def params(uri, **more):
    return TrainingParams(
        run_id="night-1",
        name="nightly",
        input_path="in",
        label_column="late",
        key_columns=("year", "flight"),
        hyperparameters={"n_estimators": 4},
        mlflow={"tracking_uri": uri, **more},
    )


def report_of(spark, told, **more):
    now = reporting.now_ms()
    return {
        **reporting.head(spark, told, started_ms=now - 5000, seconds={"fit": 1.5}),
        "git_revision": "abc123-dirty",
        "warnings": [],
        "metrics": {"auc": 0.75, "log_loss": None, "rows": 100},
        "baseline": {"auc": 0.5},
        "curves": {"roc": {"fpr": [0, 1], "tpr": [0, 1]}},
        **more,
    }


def test_a_run_is_found_again_with_parameters_metrics_tags_and_files(spark, server):
    told = params(server.uri, tags={"team": "ml"})
    report = report_of(spark, told, gate={"passed": False, "conditions": []})
    tracking.log(spark, told, report)
    assert report["warnings"] == []
    (run,) = server.runs("hadoop_experiments")
    assert run["info"]["status"] == "FINISHED" and run["info"]["run_name"] == "nightly"
    assert report["tracking"]["run_id"] == run["info"]["run_id"]
    assert run["info"]["end_time"] - run["info"]["start_time"] >= 5000
    assert run["params"]["hyperparameters.n_estimators"] == "4"
    assert run["params"]["key_columns"] == '["year", "flight"]'
    assert {"auc": 0.75, "baseline.auc": 0.5, "rows": 100, "seconds.fit": 1.5}.items() <= run["metrics"].items()
    assert "log_loss" not in run["metrics"]
    wanted = {
        "run_id": "night-1",
        "job_type": "training",
        "application_id": spark.sparkContext.applicationId,
        "git_revision": "abc123-dirty",
        "gate": "failed",
        "team": "ml",
    }
    assert wanted.items() <= run["tags"].items()
    assert server.files(run["info"]["run_id"]) == ["curves.json", "metrics.json"]
    assert json.loads(server.text(run["info"]["run_id"], "curves.json"))["curves"] == report["curves"]
    assert json.loads(server.text(run["info"]["run_id"], "metrics.json"))["metrics"] == report["metrics"]


def test_a_stored_model_predicts_the_same(spark, server, tmp_path):
    import mlflow
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Binarizer

    path = (tmp_path / "model").as_uri()
    rows = spark.createDataFrame([(0.1,), (0.9,)], "x double")
    model = Pipeline(stages=[Binarizer(inputCol="x", outputCol="y", threshold=0.5)]).fit(rows)
    model.write().save(f"{path}/pipeline")
    told = params(server.uri, experiment="models", log_model=True)
    report = report_of(spark, told, model={"name": "m", "version": "1", "path": path})
    tracking.log(spark, told, report)
    assert report["warnings"] == []
    (run,) = server.runs("models")
    assert run["info"]["status"] == "FINISHED"
    mlflow.set_tracking_uri(server.uri)
    loaded = mlflow.spark.load_model(f"runs:/{run['info']['run_id']}/model", dfs_tmpdir=str(tmp_path / "dfs"))
    assert loaded.transform(rows).collect() == model.transform(rows).collect()


def test_a_thousand_parameters_are_logged_in_parts(spark, server):
    told = params(server.uri, experiment="wide")
    report = report_of(spark, told, metrics={f"m{number}": number for number in range(1500)})
    tracking.log(spark, told, report)
    (run,) = server.runs("wide")
    assert len([key for key in run["metrics"] if key.startswith("m")]) == 1500


def test_without_a_server_there_is_one_warning_soon(spark):
    pytest.importorskip("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    told = params(uri)
    report = report_of(spark, told)
    began = time.monotonic()
    tracking.log(spark, told, report)
    assert time.monotonic() - began < 20
    (warning,) = report["warnings"]
    assert warning.startswith(f"this run is not, or not wholly, in MLflow ({uri}): ")
    assert "tracking" not in report


def test_a_server_that_never_answers_holds_nobody_up(spark, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setattr(tracking, "LOG_S", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        told = params(f"http://127.0.0.1:{silent.getsockname()[1]}")
        report = report_of(spark, told)
        began = time.monotonic()
        tracking.log(spark, told, report)
        assert time.monotonic() - began < 10
        assert "no answer for 3 s" in report["warnings"][0]
    for thread in threading.enumerate():
        if thread.name == "mlflow":
            assert thread.daemon
            thread.join(60)  # its request ends with the socket


def test_a_missing_package_is_named(spark, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    told = params("http://127.0.0.1:1")
    report = report_of(spark, told)
    tracking.log(spark, told, report)
    assert "install mlflow-skinny there" in report["warnings"][0]


def test_nothing_is_done_without_the_section(spark):
    told = params("http://127.0.0.1:1")
    report = {"warnings": []}
    tracking.log(spark, type(told)(**{**vars(told), "mlflow": {}}), report)
    assert report == {"warnings": []}
