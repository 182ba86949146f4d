"""What a job does now: a line on standard error, and a description on each Spark job that follows.

The description is shown by Spark's web interface and read by ``monitor`` on the edge host.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def say(text: str) -> None:
    """Write one line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def step(spark: SparkSession, text: str) -> None:
    """Begin a step: say it, and describe the Spark jobs of this thread with it."""
    spark.sparkContext.setJobDescription(text)
    say(text)
