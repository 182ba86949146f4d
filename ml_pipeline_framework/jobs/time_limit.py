"""A job's own time limit: when it has passed, its Spark jobs are cancelled and the job ends with an error.

The submitting side enforces a limit too, by killing the application. This one also holds where nobody watches (a
laptop, a pipeline, a submission that was not waited for), and it leaves a traceback that says what happened.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from ml_pipeline_framework.errors import JobError

_REPEAT_S = 0.5  # a Spark job that starts between two cancellations is cancelled by the next


class TimeLimitError(JobError):
    """The job did not end within its time limit."""


@contextmanager
def time_limit(spark: SparkSession, seconds: float | None, said_by: str) -> Iterator[None]:
    """Cancel all Spark jobs once `seconds` have passed, and turn what that causes into one clear error.

    Parameters
    ----------
    seconds : float or None
        None for no limit.
    said_by : str
        The key that sets the limit, with its value, for the message.

    Raises
    ------
    TimeLimitError
        When the limit passed while the block ran; its work is undone by the block's own clean-up.
    """
    if seconds is None:
        yield
        return
    done, expired = threading.Event(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        expired.set()
        while not done.wait(_REPEAT_S):
            spark.sparkContext.cancelAllJobs()

    watcher = threading.Thread(target=watch, name="time-limit", daemon=True)
    started = time.monotonic()
    watcher.start()
    try:
        yield
    except Exception as error:
        if expired.is_set():
            raise TimeLimitError(_message(said_by, time.monotonic() - started)) from error
        raise
    finally:
        done.set()
        watcher.join()


def _message(said_by: str, passed_s: float) -> str:
    return (
        f"{said_by} has passed ({passed_s:.0f} s): the Spark jobs were cancelled, nothing was written, and what was "
        "there before is untouched; allow more time, give the job more executors, or score fewer rows at a time"
    )
