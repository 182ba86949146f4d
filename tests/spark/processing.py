"""Runs of the data processing job: parameters from a section, and what a run has written."""

from __future__ import annotations

from ml_pipeline_framework.contract import DataProcessingParams


def params_of(root, section, run_id="run-1", flags=()):
    made = DataProcessingParams.from_config({"job": section}, defaults={"run_id": run_id}, flags=flags)
    return made.with_paths(lambda path: f"file://{root}/{path}")


def rows_out(report):
    return [one["rows_out"] for one in report["steps"]]


def read(spark, path):
    return [row.asDict() for row in spark.read.parquet(f"file://{path}").collect()]
