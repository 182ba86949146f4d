"""What a job does now: a line on standard error, and a description on each Spark job that follows.

The description is shown by Spark's web interface and read by ``monitor`` on the edge host.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_HEAD = re.compile(r"\[[^\]]*\]")
# Of the whole driver, not of a thread: a job may describe the work of several threads.
_place = ""


def say(text: str) -> None:
    """Write one line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def step(spark: SparkSession, text: str) -> None:
    """Begin a step: say it, and describe the Spark jobs of this thread with it.

    `text` begins with the job in brackets, ``[training] fold 2/5``; inside a pipeline the stage takes that place:
    ``[2/4 training] fold 2/5``.
    """
    if _place:
        text = f"[{_place}] {_HEAD.sub('', text, count=1).strip()}".rstrip()
    spark.sparkContext.setJobDescription(text)
    say(text)


@contextmanager
def stage(spark: SparkSession, place: str) -> Iterator[None]:
    """Describe everything inside as part of the stage called `place`, such as ``2/4 training``."""
    global _place
    before, _place = _place, place
    try:
        step(spark, "")
        yield
    finally:
        _place = before
        spark.sparkContext.setLocalProperty("spark.job.description", None)
