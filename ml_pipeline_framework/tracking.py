"""MLflow, where it is configured: parameters, metrics, the report and, if wanted, the model of each run.

A failure of tracking never fails a job: it becomes one warning in the report. Nor does it hold a job up: requests are
short, they are repeated once, and all together have 20 s (a model that is stored there has more, see `MODEL_S`). Works
with ``mlflow-skinny``; MLflow is imported only when a server is configured.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_pipeline_framework.contract import METRICS_FILE, PIPELINE_FOLDER, Params
from ml_pipeline_framework.contract.tracking import DEFAULT_EXPERIMENT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Seconds for everything but the model, and for the model.
LOG_S = 20.0
MODEL_S = 300.0
# MLflow's own defaults are 120 s per request and seven repeats of it; and standard output is the driver's.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
# What one request of MLflow's REST may hold: https://mlflow.org/docs/latest/rest-api.html#log-batch
_MOST_PARAMS, _MOST_METRICS, _LONGEST_PARAM, _LONGEST_TAG = 100, 1000, 6000, 5000
_CURVES = ("curves", "confusion", "segments", "importance", "drift")


class Unavailable(Exception):
    """Tracking does not work here; the message says why and what to do."""


@dataclass
class Tracker:
    """One MLflow run for one run of a job.

    Parameters
    ----------
    settings
        The section ``mlflow``: ``tracking_uri``, ``experiment``, ``tags``, ``log_model``.

    Raises
    ------
    Unavailable
        MLflow is not installed, or is another generation.
    """

    settings: Mapping[str, Any]
    run_id: str = ""
    experiment_id: str = ""
    _client: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise Unavailable(
                f"mlflow is configured and can't be imported where the driver runs ({error}): install mlflow-skinny "
                "there, or ship it with archives"
            ) from error
        self._client = MlflowClient(str(self.settings["tracking_uri"]))

    def begin(self, name: str, tags: Mapping[str, str], started_ms: int) -> None:
        """Make the run, in its experiment; the experiment is made when there is none."""
        wanted = str(self.settings.get("experiment", DEFAULT_EXPERIMENT))
        found = self._client.get_experiment_by_name(wanted)
        self.experiment_id = found.experiment_id if found is not None else self._new_experiment(wanted)
        made = self._client.create_run(
            self.experiment_id, start_time=started_ms, tags={**tags, "mlflow.runName": name}, run_name=name
        )
        self.run_id = made.info.run_id

    def _new_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # another job made it in the meantime
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def values(self, params: Mapping[str, str], metrics: Mapping[str, float], at_ms: int) -> None:
        """Log parameters and metrics, in as few requests as may be."""
        from mlflow.entities import Metric, Param

        listed = [Param(key, value) for key, value in params.items()]
        measured = [Metric(key, value, at_ms, 0) for key, value in metrics.items()]
        while listed or measured:
            now, listed = listed[:_MOST_PARAMS], listed[_MOST_PARAMS:]
            some, measured = measured[: _MOST_METRICS - _MOST_PARAMS], measured[_MOST_METRICS - _MOST_PARAMS :]
            self._client.log_batch(self.run_id, metrics=some, params=now)

    def text(self, text: str, file: str) -> None:
        """Log a small file."""
        self._client.log_text(self.run_id, text, file)

    def folder(self, local: str, place: str) -> None:
        """Log a folder of this host."""
        self._client.log_artifacts(self.run_id, local, place)

    def end(self, at_ms: int) -> None:
        """End the run."""
        self._client.set_terminated(self.run_id, status="FINISHED", end_time=at_ms)


def log(spark: SparkSession, params: Params, report: dict[str, Any]) -> None:
    """Log a run of a job; called with its report just before that is written.

    Adds ``tracking`` (``run_id``, ``experiment_id``, ``tracking_uri``, ``seconds``) to the report, or a line to its
    ``warnings`` when anything goes wrong. Does nothing when no server is configured. Raises nothing.
    """
    if not params.mlflow:
        return
    began = time.monotonic()
    warnings: list[str] = report.setdefault("warnings", [])
    try:
        with _short_requests():
            with_model = bool(params.mlflow.get("log_model") and _model_path(report))
            tracker = _within(LOG_S, lambda: _logged(params, report, end=not with_model))
            if with_model:
                _within(MODEL_S, lambda: _log_model(spark, tracker, report))
    except Exception as error:  # whatever MLflow raises: a run is worth more than its record there
        uri = params.mlflow.get("tracking_uri")
        warnings.append(f"this run is not, or not wholly, in MLflow ({uri}): {_reason(error)}")
        return
    report["tracking"] = {
        "tracking_uri": str(params.mlflow["tracking_uri"]),
        "experiment_id": tracker.experiment_id,
        "run_id": tracker.run_id,
        "seconds": round(time.monotonic() - began, 3),
    }


def _logged(params: Params, report: Mapping[str, Any], *, end: bool) -> Tracker:
    """Make the run and log everything but the model; `end` it when no model follows."""
    tracker = Tracker(params.mlflow)
    started, finished = int(report["started_ms"]), int(report["finished_ms"])
    tracker.begin(params.name or params.run_id, tags_of(params, report), started)
    tracker.values(params_of(params), metrics_of(report), finished)
    tracker.text(_json(report), METRICS_FILE)
    curves = {key: report[key] for key in _CURVES if report.get(key)}
    if curves:
        tracker.text(_json(curves), "curves.json")
    if end:
        tracker.end(finished)
    return tracker


def tags_of(params: Params, report: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a run: the user's, and what it is known by here."""
    own = {
        "run_id": params.run_id,
        "job_type": params.job_type.value,
        "application_id": report.get("application_id"),
        "git_revision": report.get("git_revision"),
        "user": report.get("user"),
        "mlflow.user": report.get("user"),
    }
    gate = report.get("gate")
    if isinstance(gate, Mapping) and "passed" in gate:
        own["gate"] = "passed" if gate["passed"] else "failed"
    users = params.mlflow.get("tags")
    given = users if isinstance(users, Mapping) else {}
    return {str(key): str(value)[:_LONGEST_TAG] for key, value in {**given, **own}.items() if value not in (None, "")}


def params_of(params: Params) -> dict[str, str]:
    """Return a job's parameters as MLflow keeps them: texts, mappings under dotted names."""
    values = json.loads(params.to_json())
    flat: dict[str, str] = {}
    for key, value in values.items():
        if key not in ("mlflow", "schema_version", "run_id", "job_type"):
            flat.update(_flat(key, value))
    return flat


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _flat(f"{key}.{name}", one)
    elif value not in ("", None, [], {}):
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        yield _name(key), text[:_LONGEST_PARAM]


def metrics_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a report: its metrics, their baselines, and the seconds of its steps."""
    found: dict[str, float] = {}
    for section, prefix in (("metrics", ""), ("baseline", "baseline."), ("rows", "rows."), ("seconds", "seconds.")):
        values = report.get(section)
        if isinstance(values, (int, float)):
            values, prefix = {section: values}, ""
        for key, value in (values if isinstance(values, Mapping) else {}).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                found[_name(f"{prefix}{key}")] = float(value)
    for one in report.get("stages", ()):
        if "seconds" in one:
            found[_name(f"seconds.{one['name']}")] = float(one["seconds"])
    return found


def _name(text: str) -> str:
    """Return a name that MLflow takes: letters, digits, ``_ - . /`` and blanks, 250 at most."""
    return "".join(one if one.isalnum() or one in "_-. /" else "_" for one in text)[:250]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


# The model ------------------------------------------------------------------------------------------------------------


def _model_path(report: Mapping[str, Any]) -> str:
    """Return where the model lies that this job has trained; "" for the other jobs."""
    model = report.get("model")
    return str(model.get("path", "")) if isinstance(model, Mapping) and report.get("job_type") == "training" else ""


def _log_model(spark: SparkSession, tracker: Tracker, report: Mapping[str, Any]) -> None:
    """Copy the model to MLflow, as its own ``mlflow.spark`` would store it: ``mlflow.spark.load_model`` reads it.

    The files are those of the model's folder. ``mlflow.spark.log_model`` would have Spark write them a second time, and
    would need pandas.
    """
    from mlflow.models import Model

    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch, "model")
        local.mkdir()
        _copy_out(spark, f"{_model_path(report)}/{PIPELINE_FOLDER}", str(local / "sparkml"))
        model = Model(artifact_path="model", run_id=tracker.run_id)
        model.add_flavor(
            "spark",
            pyspark_version=report["versions"]["pyspark"],
            model_data="sparkml",
            code=None,
            model_class="pyspark.ml.pipeline.PipelineModel",
        )
        model.save(str(local / "MLmodel"))
        (local / "requirements.txt").write_text(f"pyspark=={report['versions']['pyspark']}\n", encoding="utf-8")
        tracker.folder(str(local), "model")
    tracker.end(int(report["finished_ms"]))


def _copy_out(spark: SparkSession, path: str, local: str) -> None:
    """Copy a folder of any file system to this host; no checksum files beside the copies."""
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    source = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    source.copyToLocalFile(False, place, jvm.org.apache.hadoop.fs.Path(Path(local).as_uri()), True)


# Limits ---------------------------------------------------------------------------------------------------------------


@contextmanager
def _short_requests() -> Iterator[None]:
    """Let MLflow's requests give up soon, unless the user has set how long; put everything back afterwards."""
    ours = {key: value for key, value in _SETTINGS.items() if key not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for key in ours:
            os.environ.pop(key, None)


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Return what `work` gives, or give up on it: it then ends by itself, in a thread that keeps no driver alive."""
    done: list[Any] = []
    failed: list[BaseException] = []

    def try_it() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=try_it, name="mlflow", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise Unavailable(f"no answer for {seconds:.0f} s")
    return done[0]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > 300:
        text = f"{text[:297]}..."
    return text if isinstance(error, Unavailable) else f"{type(error).__name__}: {text}"
