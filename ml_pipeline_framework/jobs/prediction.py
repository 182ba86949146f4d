"""The prediction job: check the data against the model, score it where it lies, put the result in its place whole.

Passes over the data: one that reads, scores, counts and writes; one over a sample of the input for drift and unseen
categories (all of it, or none, when the configuration says so); and the scores' own columns of the files just written.
All of this ends before the result takes its place, and the report is written last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ml_pipeline_framework import datasets, tracking
from ml_pipeline_framework.contract import PredictionParams
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import (
    outputs,
    placing,
    predicted_columns,
    prediction_report,
    reporting,
    scorers,
    scoring_input,
)
from ml_pipeline_framework.jobs.predicted_columns import Plan
from ml_pipeline_framework.jobs.reporting import Stopwatch
from ml_pipeline_framework.jobs.scorers import About, Scorer
from ml_pipeline_framework.jobs.time_limit import time_limit
from ml_pipeline_framework.progress import say, step
from ml_pipeline_framework.session import session_of

_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
#: How Spark says that a file of the input is damaged, in 3.5 and 4.x.
_DAMAGED = (
    "FAILED_READ_FILE",
    "CANNOT_READ_FILE_FOOTER",
    "MALFORMED_RECORD",
    "MALFORMED_CSV_RECORD",
    "not a Parquet file",
    "Could not read footer",
    "error while reading file",
    "Malformed ORC file",
)


@dataclass(frozen=True)
class Found:
    """What came out."""

    rows: int
    written: Mapping[str, Any]
    columns: StructType
    scores: Mapping[str, Any] | None
    drift: Mapping[str, Any] | None
    unseen: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]


def planned_columns(frame: DataFrame, about: About, params: PredictionParams) -> Plan:
    """Decide about the columns of the output.

    Raises
    ------
    DataError
        A column that is to be kept or partitioned by is not there, or is called as one that the job adds.
    """
    where = params.input_path
    keep = predicted_columns.columns_to_keep(
        frame, params.keep_columns, about.key_columns, params.output_partition_by, where
    )
    name = f"{about.identity['name']}@{about.identity['version']}".rstrip("@")
    found = predicted_columns.plan(
        frame.columns,
        keep,
        classes=about.classes,
        has_probabilities=about.has_probabilities,
        raw=about.has_raw_score,
        prefix=params.output_prefix,
        constants={"model_version": name, "run_id": params.run_id} if params.provenance else {},
        where=where,
    )
    there = {*found.kept, *found.added}
    missing = [name for name in params.output_partition_by if name not in there]
    if missing:
        raise DataError(
            f"output_partition_by names {', '.join(map(repr, missing))}, which is neither a column of {where} nor one "
            f"that the job adds ({', '.join(found.added)})"
        )
    return found


@contextmanager
def naming_the_input(path: str) -> Iterator[None]:
    """Say which input is damaged when Spark finds it out in the middle of the work; other errors pass.

    Raises
    ------
    DataError
        A file of the input can't be read, or a line of it does not have its columns' types.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        cause = datasets.first_cause(error)
        if any(mark in cause or mark in str(error) for mark in _DAMAGED):
            raise DataError(
                f"{path} can't be read: {cause}; nothing was written; write anew the file that is named, or correct "
                "the values"
            ) from error
        raise


def predict(spark: SparkSession, params: PredictionParams, scorer: Scorer, watch: Stopwatch) -> Found:
    """Score the input and put the result in its place.

    Raises
    ------
    DataError
        Data that does not fit the model: before the first task. Damaged files, lost rows: before anything is in place.
    """
    about = scorer.about
    step(spark, f"[prediction] reading {params.input_path}")
    source = scoring_input.opened(spark, params.input_path, about.types)
    warnings = [*about.notes, *scorer.check(source, params.input_path)]
    planned = planned_columns(source, about, params)
    seen = Observation()
    counted = scoring_input.spread(spark, source).observe(seen, F.count(F.lit(1)).alias("rows"))
    result = scorer.scored(counted, planned, params.input_path)
    looked: dict[str, Any] = {}

    def inspect(folder: str, rows: int) -> None:
        watch.lap("score")
        check_complete(source, outputs.rows_seen(seen), rows, params.input_path)
        looked.update(looked_at(spark, params, about, planned, source, result.schema, folder, rows))
        watch.lap("look at")
        datasets.remove(spark, params.metrics_path)  # a report must not stand beside a result that is not its own

    watch.lap("open")
    step(spark, f"[prediction] scoring with {about.identity['name']}")
    with naming_the_input(params.input_path), outputs.temporary_settings(spark, {_BATCH: str(params.batch_size)}):
        written = outputs.write_frame(
            spark,
            result,
            params.output_path,
            outputs.Form(
                format=params.output_format,
                compression=params.codec,
                partition_by=params.output_partition_by,
                target_file_bytes=params.target_file_bytes,
            ),
            mode="overwrite" if params.overwrite else "error",
            run_id=params.run_id,
            said_by="--output-path",
            inspect=inspect,
        )
    watch.lap("put in place")
    warnings += prediction_report.warnings(written["rows"], looked["drift"], looked["unseen"], looked["scores"])
    return Found(rows=written["rows"], written=written, columns=result.schema, warnings=warnings, **looked)


def looked_at(
    spark: SparkSession,
    params: PredictionParams,
    about: About,
    planned: Plan,
    source: DataFrame,
    schema: StructType,
    folder: str,
    rows: int,
) -> dict[str, Any]:
    """Return what there is to say of the files just written and of the input: ``scores``, ``drift``, ``unseen``."""
    if not rows:
        return {"scores": None, "drift": None, "unseen": []}
    step(spark, f"[prediction] looking at {rows:,} scores")
    written = outputs.read_written(spark, folder, params.output_format, schema)
    told = prediction_report.scores(written, planned, about.task)
    if params.drift is False or not about.metadata.get("profile"):
        return {"scores": told, "drift": None, "unseen": []}
    step(spark, "[prediction] drift against the training data")
    share = prediction_report.share_to_look_at(params.drift, rows)
    drifted, unseen = prediction_report.compared(source, about.metadata, share, rows)
    return {"scores": told, "drift": drifted, "unseen": unseen}


def check_complete(source: DataFrame, read: int | None, written: int, where: str) -> None:
    """Check that every row that was read has a prediction.

    Raises
    ------
    DataError
        When rows were lost on the way through the model.
    """
    if read is not None and read != written:
        read = source.count()  # tasks that ran twice behind a shuffle are counted twice
    if read is not None and read != written:
        raise DataError(
            f"{written:,} of {read:,} rows of {where} came out of the model, and nothing was put in place: either the "
            "data changed while it was read, or a stage of the model drops rows (handleInvalid is skip); train it again"
        )


def document(
    spark: SparkSession, params: PredictionParams, about: About, found: Found, seconds: float
) -> dict[str, Any]:
    """Return what ``metrics.json`` says beside its head."""
    threshold_from = "" if about.threshold is None else "threshold" if params.threshold is not None else "the model"
    described = datasets.describe(spark, params.input_path)
    return {
        "warnings": list(found.warnings),
        "data": {
            "input": {**described, "rows": found.rows},
            "output": {
                **found.written,
                "format": params.output_format,
                "compression": params.codec,
                "partition_by": list(params.output_partition_by),
                "columns": [{"name": one.name, "type": one.dataType.simpleString()} for one in found.columns],
            },
        },
        "model": dict(about.identity),
        "task": about.task,
        "threshold": about.threshold,
        "threshold_from": threshold_from,
        "rows": {"input": found.rows, "output": found.rows},
        "scores": found.scores,
        "drift": found.drift,
        "unseen": list(found.unseen),
        "throughput_rows_per_s": round(found.rows / seconds, 1) if seconds else 0.0,
    }


def run(spark: SparkSession, params: PredictionParams) -> dict[str, Any]:
    """Predict; return what ``metrics.json`` says.

    Raises
    ------
    DataError, ModelError, OutputError, TimeLimitError
        Before anything is put in place; what lay there before is as it was.
    """
    started_ms, watch = reporting.now_ms(), Stopwatch()
    reporting.check_free(spark, params.metrics_path, params.run_id, "--metrics-path")
    placing.check_free(spark, params.output_path, params.run_id, "--output-path", overwrite=params.overwrite)
    with (
        time_limit(spark, params.timeout_s, f"prediction_timeout {params.prediction_timeout}"),
        scorers.opened(spark, params) as scorer,
    ):
        say_once(params)
        watch.lap("load model")
        found = predict(spark, params, scorer, watch)
    told = document(spark, params, scorer.about, found, watch.seconds["score"])
    report = {**reporting.head(spark, params, started_ms=started_ms, seconds=watch.seconds), **told}
    tracking.log(spark, params, report)
    reporting.write(spark, params.metrics_path, report, replace=False)
    for line in report["warnings"]:
        say(f"[prediction] WARNING {line}")
    return report


def say_once(params: PredictionParams) -> None:
    """Say which settings have no effect with this model."""
    default = PredictionParams.__dataclass_fields__["batch_size"].default
    if params.model_format != scorers.SKLEARN and params.batch_size != default:
        say(f"[prediction] batch_size {params.batch_size:,} has no effect: Spark itself scores this model, row by row")


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = PredictionParams.from_argv(argv)
    with session_of(f"prediction with {params.model}") as spark:
        print(prediction_report.summary(run(spark, params)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
