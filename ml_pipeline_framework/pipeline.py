"""The pipeline job: data processing, training, evaluation and prediction, one after the other in one application.

Each stage is the job of its type and writes its own ``metrics.json``. The state folder tells a repeat of the same run
which stages are complete; it goes on after them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import SparkSession

from ml_pipeline_framework import tracking
from ml_pipeline_framework.contract import PipelineParams
from ml_pipeline_framework.errors import OutputError
from ml_pipeline_framework.jobs import reporting
from ml_pipeline_framework.orchestrator import PipelineOrchestrator
from ml_pipeline_framework.progress import say
from ml_pipeline_framework.session import session_of


def run(spark: SparkSession, params: PipelineParams) -> dict[str, Any]:
    """Run the stages and return what ``metrics.json`` says; it is written when a stage fails too.

    Raises
    ------
    JobError
        What a stage raises: the stages after it have not run.
    OutputError
        When another run's report lies where this one's goes; before anything is run.
    """
    started_ms = reporting.now_ms()
    replace = reporting.check_free(spark, params.metrics_path, params.run_id, "metrics_path")
    # Named after the run: the state of another one in the same folder is not taken for ours.
    pipeline = PipelineOrchestrator(params.run_id, spark, state=params.state_path)
    for job in params.jobs():
        pipeline.add(job.job_type.value, job)
    try:
        pipeline.run()
    except Exception:
        report = document(spark, params, pipeline, started_ms=started_ms, state="failed")
        try:
            reporting.write(spark, params.metrics_path, report, replace=replace)
        except OutputError as error:  # what failed before is what the caller has to hear
            say(f"the report of the failed pipeline can't be written: {error}")
        raise
    report = document(spark, params, pipeline, started_ms=started_ms, state="done")
    tracking.log(spark, params, report)
    reporting.write(spark, params.metrics_path, report, replace=replace)
    pipeline.close()
    return report


def document(
    spark: SparkSession, params: PipelineParams, pipeline: PipelineOrchestrator, *, started_ms: int, state: str
) -> dict[str, Any]:
    """Return the content of ``metrics.json``; `state` is ``done`` or ``failed``."""
    return {
        **reporting.head(spark, params, started_ms=started_ms, seconds=pipeline.seconds),
        "state": state,
        "warnings": [],
        "stages": pipeline.report()["stages"],
    }


def summary(report: Mapping[str, Any]) -> str:
    """Return the report in a line per stage."""
    lines = [f"Pipeline {report['run_id']}: {report['state']}"]
    for one in report["stages"]:
        rows = [f"{one[key]:,} rows {what}" for key, what in (("rows_in", "in"), ("rows_out", "out")) if key in one]
        seconds = [f"{one['seconds']:.1f} s"] if "seconds" in one else []
        told = ", ".join([*seconds, *rows, *([one["reason"]] if "reason" in one else [])])
        lines.append(f"  {one['name']:<16} {one['state']:<8} {told}".rstrip())
    lines += [f"  WARNING  {one}" for one in report["warnings"]]
    lines.append(f"  metrics  {report['params']['metrics_path']}")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = PipelineParams.from_argv(argv)
    with session_of(f"pipeline {params.run_id}") as spark:
        print(summary(run(spark, params)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
