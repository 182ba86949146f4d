"""The evaluation job: a stored model on labelled rows, measured where the rows lie.

Passes over the data: one over the label's columns to count rows, one to score and measure, one more per model compared
with, one for drift (about 250,000 rows of it), one to draw the sample for permutation importance. Text is read once
and kept; clusters are scored once and kept, because the silhouette reads them three times.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from ml_pipeline_framework import datasets, drift, metrics, model_store, tracking
from ml_pipeline_framework.contract import EvaluationParams
from ml_pipeline_framework.contract.metric_names import gate_problems
from ml_pipeline_framework.errors import DataError, GateError, ModelError
from ml_pipeline_framework.jobs import evaluation_data, evaluation_report, importance, reporting, scoring
from ml_pipeline_framework.jobs.evaluation_data import LABEL, Rows
from ml_pipeline_framework.jobs.evaluation_report import Findings
from ml_pipeline_framework.jobs.reporting import Stopwatch
from ml_pipeline_framework.jobs.rivals import other_label, rival_of
from ml_pipeline_framework.metrics import Measured, binary
from ml_pipeline_framework.model_store import StoredModel
from ml_pipeline_framework.progress import say, step
from ml_pipeline_framework.session import session_of

CLUSTERING = "clustering"


def check_asked(params: EvaluationParams, model: StoredModel) -> None:
    """Check that what is asked for can be told of a model of this kind.

    Raises
    ------
    ModelError
        Naming everything that can't.
    """
    task = str(model.metadata["task"])
    problems = [str(replace(one, key=f"gate.{one.key}")) for one in gate_problems(params.gate, task)]
    if params.choose_threshold and task != "binary":
        problems.append(f"choose_threshold: a {task} model has no threshold")
    if params.permutation_importance and task == CLUSTERING:
        problems.append("permutation_importance: clusters have no label to be wrong about")
    if params.segment_columns and task == CLUSTERING:
        problems.append("segment_columns: clusters are not measured by segment")
    if problems:
        raise ModelError(f"{model.path} is a {task} model: {'; '.join(problems)}")


def check_place(params: EvaluationParams, model: StoredModel) -> None:
    """Check that a model which is to become the latest of its name lies in the folder of that name.

    Raises
    ------
    ModelError
        It lies elsewhere, where the pointer would be another model's, or nobody's.
    """
    folder = posixpath.dirname(model.path.rstrip("/"))
    if params.register and posixpath.basename(folder) != model.name:
        raise ModelError(
            f"register: {model.path} can't become the latest of {model.name!r}: it lies outside a folder of that name; "
            f"move it to {params.models_path.rstrip('/')}/{model.name}/{model.version}, or leave register out"
        )


@contextmanager
def kept(frame: DataFrame, wanted: bool) -> Iterator[DataFrame]:
    """Keep a frame that is read several times, serialised; or give it back as it is."""
    if not wanted:
        yield frame
        return
    frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield frame
    finally:
        frame.unpersist()


def measured(model: StoredModel, pipeline: Any, rows: Rows, params: EvaluationParams, *, whole: bool) -> Measured:
    """Score and measure; a lost row is an error, not a smaller number.

    Parameters
    ----------
    whole : bool
        Measure the segments as well.
    """
    metadata = model.metadata
    segments = params.segment_columns if whole else ()
    with kept(pipeline.transform(scoring.as_trained(rows.frame, metadata)), rows.label.task == CLUSTERING) as scored:
        if rows.label.task == CLUSTERING:
            scored = scored.select("prediction", "_features")
        with datasets.reading(params.input_path):
            found = metrics.measure(
                rows.label.task,
                scored,
                LABEL,
                classes=rows.label.classes,
                threshold=metadata.get("threshold"),
                segments=segments,
            )
    if found.rows != rows.measured:
        raise DataError(
            f"{found.rows:,} of {rows.measured:,} rows were scored: the data at {params.input_path} changed while it "
            "was read; write it whole first, then run again"
        )
    return found


def threshold_choice(found: Measured, params: EvaluationParams, stored: float | None) -> dict[str, Any] | None:
    """Return the threshold that a rule would choose on these very rows, and what it would do; None when not asked."""
    if not params.choose_threshold:
        return None
    said = {"rule": params.choose_threshold, "stored": stored}
    try:
        threshold, value = binary.choose_threshold(found.bins, params.choose_threshold)
    except DataError as error:  # one class only: said in the report, where everything else still stands
        return {**said, "threshold": None, "value": None, "note": str(error)}
    confusion = binary.confusion_at(found.bins, threshold)
    note = "chosen on the rows that it is measured on, so better than it will be on others; the stored threshold stays"
    return {**said, "threshold": threshold, "value": value, "confusion": confusion, "note": note}


def drift_of(rows: Rows, model: StoredModel, params: EvaluationParams) -> dict[str, Any] | None:
    """Compare the rows with the training rows' histograms; None when the model has none or it is not asked for."""
    reference = model.metadata.get("profile")
    if not params.drift or not reference:
        return None
    share = drift.share_for(rows.measured)
    frame = scoring.as_trained(rows.frame, model.metadata)
    if share < 1.0:
        frame = frame.sample(fraction=share, seed=params.seed)
    with datasets.reading(params.input_path):
        current = drift.profile_like(frame, reference, rows=round(rows.measured * share))
    training = model.metadata.get("training") or {}
    return {
        "reference": f"training rows of {model.name}@{model.version}",
        "reference_rows": training.get("rows"),
        "reference_window": training.get("window"),
        "rows": max((one["rows"] for one in current.values()), default=0),
        "share_of_rows": share,
        "columns": drift.compare(reference, current),
        "current": current,
    }


def importances(
    pipeline: Any, rows: Rows, model: StoredModel, params: EvaluationParams
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the permutation importance, where it is asked for, and why there is none: the rest is worth its report."""
    if not params.permutation_importance:
        return None, []
    trained = replace(rows, frame=scoring.as_trained(rows.frame, model.metadata))
    try:
        with datasets.reading(params.input_path):
            found = importance.permutation_importance(
                pipeline,
                trained,
                model.metadata,
                sample_rows=params.permutation_rows,
                repeats=params.permutation_repeats,
                seed=params.seed,
            )
    except DataError as error:
        return None, [f"no permutation importance: {error}"]
    return found, []


def findings(
    spark: SparkSession, params: EvaluationParams, model: StoredModel, rival: StoredModel | None, watch: Stopwatch
) -> Findings:
    """Look at the data and return all that is found out."""
    step(spark, f"[evaluation] reading {params.input_path}")
    pipeline = model.pipeline()
    other = rival.pipeline() if rival else None
    models = [model, rival] if rival else [model]
    data = evaluation_data.opened(spark, params.input_path, models)
    watch.lap("open")
    step(spark, "[evaluation] counting rows and labels")
    prepared = evaluation_data.prepare(data, params, models)
    with kept(prepared.frame, datasets.is_text(params.input_path)) as frame:
        rows = evaluation_data.count(replace(prepared, frame=frame), params, model.metadata)
        watch.lap("count")
        step(spark, f"[evaluation] measuring {model.name}@{model.version} on {rows.measured:,} rows")
        found = measured(model, pipeline, rows, params, whole=True)
        watch.lap("measure")
        other_found = None
        if rival:
            rows = replace(rows, warnings=(*rows.warnings, *other_label(model, rival)))
            step(spark, f"[evaluation] measuring {rival.name}@{rival.version} on the same rows")
            other_found = measured(rival, other, rows, params, whole=False)
            watch.lap("compare")
        step(spark, "[evaluation] drift against the training rows")
        drifted = drift_of(rows, model, params)
        watch.lap("drift")
        if params.permutation_importance:
            step(spark, "[evaluation] permutation importance")
        shuffled, missed = importances(pipeline, rows, model, params)
        rows = replace(rows, warnings=(*rows.warnings, *missed))
        watch.lap("importance")
    return Findings(
        model=model,
        rows=rows,
        measured=found,
        rival=rival,
        rival_measured=other_found,
        drift=drifted,
        permutation=shuffled,
        threshold_choice=threshold_choice(found, params, model.metadata.get("threshold")),
    )


def evaluate(spark: SparkSession, params: EvaluationParams) -> dict[str, Any]:
    """Evaluate and write ``metrics.json``; return what it says, whether the gate is passed or not.

    Raises
    ------
    DataError, ModelError, OutputError
        Before anything is written.
    """
    started_ms, watch = reporting.now_ms(), Stopwatch()
    own = reporting.check_free(spark, params.metrics_path, params.run_id, "--metrics-path")
    model = model_store.open_model(spark, params.model, params.models_path)
    check_asked(params, model)
    check_place(params, model)
    rival = rival_of(spark, params, model, own=own)
    found = findings(spark, params, model, rival, watch)
    head = reporting.head(spark, params, started_ms=started_ms, seconds=watch.seconds)
    report = {**head, **evaluation_report.document(spark, params, found)}
    tracking.log(spark, params, report)
    reporting.write(spark, params.metrics_path, report, replace=own)
    for line in report["warnings"]:
        say(f"[evaluation] WARNING {line}")
    return report


def conclude(spark: SparkSession, params: EvaluationParams, report: Mapping[str, Any]) -> None:
    """Check what a written report says of its gate; a model that passes becomes the latest, where that is asked for.

    Raises
    ------
    GateError
        When a condition does not hold: which one, with both numbers. The pointer stays where it was.
    """
    if not report["gate"]["passed"]:
        raise GateError(evaluation_report.gate_message(report))
    if params.register:
        model = report["model"]
        model_store.point_latest(spark, model["path"], params.run_id)
        say(f"[evaluation] {model['name']}@{model['version']} has passed its gate and is the latest of its name")


def run(spark: SparkSession, params: EvaluationParams) -> dict[str, Any]:
    """Evaluate, write the report and return it; a gate that is not passed is an error then (see `conclude`)."""
    report = evaluate(spark, params)
    conclude(spark, params, report)
    return report


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = EvaluationParams.from_argv(argv)
    with session_of(f"evaluation of {params.model}") as spark:
        report = evaluate(spark, params)
        print(evaluation_report.summary(report), flush=True)
        conclude(spark, params, report)


if __name__ == "__main__":
    main(sys.argv[1:])
