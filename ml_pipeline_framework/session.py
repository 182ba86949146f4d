"""The only place that makes a SparkSession."""

from __future__ import annotations

from pyspark import SparkConf
from pyspark.sql import SparkSession

# Keys made of timestamps are hashed as text: that must not depend on the zone of the host that runs the driver.
_UNLESS_SET = {"spark.sql.session.timeZone": "UTC"}


def build_session(app_name: str) -> SparkSession:
    """Return the session of this job, under spark-submit on YARN as on a laptop.

    What spark-submit was told (name, master, properties) stands: a value set here would silently win over it.

    Parameters
    ----------
    app_name : str
        Name of the application when nobody gave it one.
    """
    submitted = SparkConf()
    wanted = {**_UNLESS_SET, "spark.app.name": app_name, "spark.master": "local[*]"}
    builder = SparkSession.builder
    for key, value in wanted.items():
        if not submitted.contains(key):
            builder = builder.config(key, value)
    return builder.getOrCreate()
