"""What every job reports alike: the head of its ``metrics.json``, seconds per step, and how it is written."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyspark
from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets
from ml_pipeline_framework.contract import FRAMEWORK_VERSION, GIT_REVISION_KEY, Params
from ml_pipeline_framework.errors import DataError, OutputError

REPORT_SCHEMA_VERSION = 2


class Stopwatch:
    """Seconds per step, in order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Note the time since the last lap under `step`."""
        now = self._clock()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + now - self._last, 3)
        self._last = now


def head(spark: SparkSession, params: Params, *, started_ms: int, seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return the keys that every job's ``metrics.json`` begins with; `started_ms` is Unix time in milliseconds."""
    return {
        "schema_version": REPORT_SCHEMA_VERSION,
        "job_type": params.job_type.value,
        "run_id": params.run_id,
        "name": params.name,
        "application_id": spark.sparkContext.applicationId,
        "user": spark.sparkContext.sparkUser(),
        "started_ms": started_ms,
        "finished_ms": now_ms(),
        "git_revision": git_revision(spark),
        "versions": versions(spark),
        "params": plain(params),
        "seconds": dict(seconds),
    }


def now_ms() -> int:
    """Return the present as Unix time in milliseconds."""
    return int(time.time() * 1000)


def git_revision(spark: SparkSession) -> str:
    """Return the revision that the submitter named; "" when it named none."""
    return spark.sparkContext.getConf().get(GIT_REVISION_KEY, "") or ""


def versions(spark: SparkSession) -> dict[str, str]:
    """Return the versions of what took part."""
    return {
        "ml_pipeline_framework": FRAMEWORK_VERSION,
        "python": platform.python_version(),
        "pyspark": pyspark.__version__,
        "spark": spark.version,
    }


def plain(params: Params) -> dict[str, Any]:
    """Return parameters as JSON would hold them, sorted."""
    values: dict[str, Any] = json.loads(params.to_json())
    return values


def check_free(spark: SparkSession, path: str, run_id: str, said_by: str) -> bool:
    """Check that nobody else's report lies at `path`; True when an earlier try of this very run left one there.

    Raises
    ------
    OutputError
        When another run's report, or anything else, lies there.
    """
    if not datasets.exists(spark, path):
        return False
    try:
        owner = json.loads(datasets.read_text(spark, path)).get("run_id")
    except (ValueError, AttributeError, DataError):
        owner = None
    if owner != run_id:
        whose = f"it belongs to run {owner}" if owner else "nothing says which run it belongs to"
        raise OutputError(
            f"{path} exists already, and {whose} (this is {run_id}): give another {said_by}, or remove it first"
        )
    return True


def write(spark: SparkSession, path: str, report: Mapping[str, Any], *, replace: bool) -> None:
    """Write a report whole; the last thing that a job does, so that who finds it finds a complete run."""
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    datasets.save_whole(spark, path, lambda place: datasets.write_text(spark, place, text), replace=replace)
