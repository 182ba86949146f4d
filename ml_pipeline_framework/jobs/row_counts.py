"""Rows per step, counted by the tasks that do the work anyway: no Spark job of its own for a count.

``DataFrame.observe`` counts what passes a point of the plan. What is known of it, and what it means here:

* A count is whole once the first action over the point has ended; actions after it don't add to it.
* A point whose plan Spark leaves out (a join with a side that turned out empty) has no count: ``None``, not 0.
* Sorting a whole table reads its input twice, to sample the bounds and to sort, and would count it twice. Such an input
  is persisted by whoever sorts.
* When executors are lost, tasks behind a shuffle run again and are counted again: then all counts are withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

_ROWS = "rows"
#: How long the driver's listeners may take to bring the counts after an action (milliseconds).
_SETTLE_MS = 30_000


class Rows:
    """The number of rows at one point: not known before the work is done, and perhaps never.

    Steps that neither add nor remove rows share the object of the step before them.
    """

    def __init__(self, find: Callable[[], int | None] = lambda: None) -> None:
        self._find = find
        self.known: int | None = None

    def value(self) -> int | None:
        """Return the count; None when nobody has it."""
        return self.known if self.known is not None else self._find()

    @classmethod
    def total(cls, parts: list[Rows]) -> Rows:
        """Return the sum of several; unknown as long as one is."""

        def find() -> int | None:
            found = [one.value() for one in parts]
            return None if any(one is None for one in found) else sum(one for one in found if one is not None)

        return cls(find)


class Counted:
    """What is counted at one point of a plan."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self.withdrawn = False

    @property
    def done(self) -> bool:
        """Whether an action over this point has ended. Never waits, unlike ``Observation.get``."""
        return bool(self._observation._jo.future().isCompleted())

    def values(self) -> Mapping[str, Any] | None:
        """Return the counts by name; None when there are none."""
        if self.withdrawn or not self.done:
            return None
        found = self._observation._jo.getAsJava()
        return {str(name): found[name] for name in found} or None


class RowCounter:
    """Puts counts into plans and reads them afterwards."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._first_job = max(self._jobs(), default=-1)
        self._all: list[Counted] = []

    def observed(self, frame: DataFrame, **more: Column) -> tuple[DataFrame, Rows, Counted]:
        """Return the frame with a count in it; `more` are further aggregates to compute on the way."""
        observation = Observation()
        counted = Counted(observation)
        self._all.append(counted)
        columns = [F.count(F.lit(1)).alias(_ROWS), *(column.alias(name) for name, column in more.items())]

        def find() -> int | None:
            values = counted.values()
            return None if values is None else int(values[_ROWS])

        return frame.observe(observation, *columns), Rows(find), counted

    def settle(self) -> None:
        """Wait until the driver's listeners have brought what the actions so far have counted."""
        bus: Any = self._spark.sparkContext._jsc.sc().listenerBus()
        bus.waitUntilEmpty(_SETTLE_MS)

    def withdraw_done(self) -> bool:
        """Withdraw every count that exists already; True when there was one.

        For the time before the job's own first action: somebody else's action may have read only a part.
        """
        self.settle()
        done = [one for one in self._all if one.done and not one.withdrawn]
        for one in done:
            one.withdrawn = True
        return bool(done)

    def withdraw_repeated(self) -> bool:
        """Withdraw all counts when a stage had to run again, which counts its rows again; True when one had to."""
        tracker = self._spark.sparkContext.statusTracker()
        for job in self._jobs():
            info = tracker.getJobInfo(job) if job > self._first_job else None
            stages = [tracker.getStageInfo(stage) for stage in info.stageIds] if info is not None else []
            if any(stage is not None and stage.currentAttemptId > 0 for stage in stages):
                for one in self._all:
                    one.withdrawn = True
                return True
        return False

    def _jobs(self) -> list[int]:
        return list(self._spark.sparkContext.statusTracker().getJobIdsForGroup(None))
