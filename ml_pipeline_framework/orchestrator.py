"""A pipeline of three stages: load, process, save. For jobs of one's own that want the stages timed and named."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

L = TypeVar("L")
R = TypeVar("R")
T = TypeVar("T")


class PipelineOrchestrator(Generic[L, R]):
    """Run load, process and save in this order; an error in one ends the run and names its stage.

    Parameters
    ----------
    load : callable
        Gets the session, returns what is to be processed.
    process : callable
        Gets what `load` returned; a pure function.
    save : callable
        Gets what `process` returned and writes it.
    clock : callable
        Seconds on a clock that never goes back.

    Examples
    --------
    >>> pipeline = PipelineOrchestrator(
    ...     load=lambda spark: spark.read.parquet("in"),
    ...     process=lambda flights: flights.where("arr_delay > 15"),
    ...     save=lambda late: late.write.parquet("out"),
    ... )
    >>> pipeline.run(spark)  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        load: Callable[[SparkSession], L],
        process: Callable[[L], R],
        save: Callable[[R], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._process, self._save, self._clock = load, process, save, clock
        self.seconds: dict[str, float] = {}

    def run(self, spark: SparkSession) -> R:
        """Run the three stages and return what `process` gave; `seconds` then holds the time of each stage.

        Spark is lazy: work that `process` only describes is done, and timed, in `save`.
        """
        loaded = self._timed("load", lambda: self._load(spark))
        processed = self._timed("process", lambda: self._process(loaded))
        self._timed("save", lambda: self._save(processed))
        return processed

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        started = self._clock()
        try:
            return work()
        except Exception as error:
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"in stage {stage!r} of the pipeline")
            raise
        finally:
            self.seconds[stage] = self._clock() - started
