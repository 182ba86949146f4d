"""The only place that makes a SparkSession, and what its threads inherit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import pyspark
from pyspark.sql import SparkSession
from pyspark.util import inheritable_thread_target

Work = TypeVar("Work", bound=Callable[..., Any])

# Keys made of timestamps are hashed as text: that must not depend on the zone of the host that runs the driver.
_UNLESS_SET = {"spark.sql.session.timeZone": "UTC"}
#: Set by spark-submit for the Python driver that it starts; absent when a script is run by hand with ``python``.
_GATEWAY = "PYSPARK_GATEWAY_PORT"


def build_session(app_name: str) -> SparkSession:
    """Return the session of this job, under spark-submit on YARN as on a laptop.

    What spark-submit was told (name, master, properties) stands. Nothing of it is known to Python before the JVM has
    been asked, so a master set here would silently win: on YARN the driver then works alone inside the application
    master, which ends with exit code 13 because no executor was ever asked for.

    Parameters
    ----------
    app_name : str
        Name of the application when the script is run by hand, without spark-submit.
    """
    builder = SparkSession.builder if _GATEWAY in os.environ else SparkSession.builder.appName(app_name)
    spark = builder.getOrCreate()
    submitted = spark.sparkContext.getConf()
    for key, value in _UNLESS_SET.items():
        if not submitted.contains(key):
            spark.conf.set(key, value)
    return spark


@contextmanager
def session_of(app_name: str) -> Iterator[SparkSession]:
    """Give a job its session and end it in any case; an error leaves its traceback and a non-zero exit code."""
    spark = build_session(app_name)
    try:
        yield spark
    finally:
        spark.stop()


def inherited(spark: SparkSession, work: Work) -> Work:
    """Return `work` for another thread, with Spark's local properties (job description, pool) of this one."""
    if pyspark.__version__.startswith("3."):  # which knows no other way
        return cast("Work", inheritable_thread_target(work))
    return cast("Work", inheritable_thread_target(spark)(work))
