"""A pipeline of named stages in one session: timed, counted, and able to go on where an earlier run failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ml_pipeline_framework.contract import Params
from ml_pipeline_framework.fingerprints import fingerprint
from ml_pipeline_framework.stages import (
    DONE,
    FAILED,
    PREVIOUS,
    SESSION,
    SKIPPED,
    Stage,
    is_frame,
    new_report,
    rows_of,
    stage_from,
    stage_of,
)

if TYPE_CHECKING:
    from types import TracebackType

    from pyspark.sql import SparkSession

    from ml_pipeline_framework.checkpoints import Checkpoints, Record


class PipelineOrchestrator:
    """Run stages in order; an error in one ends the run and names its stage.

    A stage is a function or a job's parameters. A function is handed the session (its parameter called ``spark``) and
    what the stage before gave (any other parameter); a sole parameter of the first stage is the session. What it
    returns goes to the next stage. A job gives its report, the content of its ``metrics.json``.

    Parameters
    ----------
    name : str
        The pipeline's name, in messages, in the state folder and, by hand, the application's.
    spark : SparkSession, optional
        The session; without one it is made when it is first needed, and stopped at the end of the ``with`` block.
    state : str, optional
        A folder for what is complete. With it a run that follows a failed one goes on after the last complete stage,
        and a data frame that a stage returns is written there and read back. After a whole run the next one begins
        anew.
    stages : sequence, optional
        Stages as ``(name, work)`` or ``{"name": …, "run": …}``; more are added with `add`.
    load, process, save : callable, optional
        The three stages of that name, in place of `stages`: ``load(spark)``, ``process(loaded)``, ``save(processed)``;
        `run` then returns what `process` gave.
    clock : callable
        Seconds on a clock that never goes back.

    Examples
    --------
    >>> with PipelineOrchestrator("nightly", state="checkpoints/nightly") as pipeline:  # doctest: +SKIP
    ...     pipeline.add("late", lambda spark: spark.read.parquet("in").where("arr_delay > 15"))
    ...     pipeline.add("save", lambda late: late.write.parquet("out"))
    ...     pipeline.run()
    """

    def __init__(
        self,
        name: str = "pipeline",
        spark: SparkSession | None = None,
        *,
        state: str | None = None,
        stages: Sequence[Any] = (),
        load: Callable[[SparkSession], Any] | None = None,
        process: Callable[[Any], Any] | None = None,
        save: Callable[[Any], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._spark, self._state, self._clock = name, spark, state, clock
        self._owns_session = False
        self._stages: list[Stage] = []
        self._answer = ""  # the stage whose result `run` returns; the last one
        three = {"load": load, "process": process, "save": save}
        if any(three.values()):
            self._add_three(three, stages)
        for one in stages:
            self._append(stage_from(one, first=not self._stages))
        self._begin()

    def _add_three(self, three: Mapping[str, Callable[..., Any] | None], stages: Sequence[Any]) -> None:
        missing = [name for name, work in three.items() if work is None]
        if missing or stages:
            what = f"{', '.join(missing)} is missing" if missing else "stages are given too"
            raise ValueError(f"load, process and save belong together and are all the stages there are: {what}")
        for name, work in three.items():
            if not callable(work):
                raise ValueError(f"{name} is not a function: {work!r}")
            self._append(Stage(name, work, (SESSION,) if name == "load" else (PREVIOUS,)))
        self._answer = "process"

    def add(self, name: str, work: Callable[..., Any] | Params) -> PipelineOrchestrator:
        """Add a stage; returns the pipeline.

        Parameters
        ----------
        name : str
            Unique in the pipeline; letters, digits, ``. _ -``.
        work : callable or Params
            A function, or the parameters of a job (``TrainingParams(…)``), which is run by them.

        Raises
        ------
        ValueError
            A name that is taken or no name; work that can't be run.
        """
        self._append(stage_of(name, work, first=not self._stages))
        self._begin()
        return self

    def _append(self, stage: Stage) -> None:
        if any(one.name == stage.name for one in self._stages):
            raise ValueError(f"there is a stage {stage.name!r} already: give this one another name")
        self._stages.append(stage)

    def _begin(self) -> None:
        self._reports = [new_report(stage) for stage in self._stages]
        self.results: dict[str, Any] = {}

    @property
    def spark(self) -> SparkSession:
        """The session; made when there is none."""
        if self._spark is None:
            from pyspark import SparkContext

            from ml_pipeline_framework.session import build_session

            self._owns_session = SparkContext._active_spark_context is None
            self._spark = build_session(self.name)
        return self._spark

    @property
    def seconds(self) -> dict[str, float]:
        """The time of each stage that ran, in seconds.

        Spark is lazy: work is timed in the stage that makes it happen.
        """
        ran = [one for one in self._reports if one.state in (DONE, FAILED)]
        return {one.name: one.seconds for one in ran if one.seconds is not None}

    def report(self) -> dict[str, Any]:
        """Return what is known of the run: its stages with state, seconds, rows in and out, and why one was skipped."""
        return {"name": self.name, "stages": [one.to_dict() for one in self._reports]}

    def run(self, spark: SparkSession | None = None) -> Any:
        """Run the stages and return what the last one gave.

        Parameters
        ----------
        spark : SparkSession, optional
            The session, in place of the pipeline's own.

        Raises
        ------
        Exception
            What a stage raises, with a note that names the stage.
        """
        if not self._stages:
            raise ValueError(f"the pipeline {self.name!r} has no stages: add some first")
        self._spark = spark if spark is not None else self.spark
        self._begin()
        kept = self._checkpoints()
        prints = self._fingerprints() if kept else []
        first = self._skip(kept, prints) if kept else 0
        previous = self.results.get(self._stages[first - 1].name) if first else None
        for position in range(first, len(self._stages)):
            previous = self._timed(position, previous, kept, prints)
            self.results[self._stages[position].name] = previous
        if kept:
            kept.complete()
        return self.results[self._answer or self._stages[-1].name]

    def close(self) -> None:
        """Remove what a whole run kept, and stop the session when this pipeline made it."""
        if self._spark is None:
            return
        try:
            kept = self._checkpoints()
            if kept and self._reports and all(one.state in (DONE, SKIPPED) for one in self._reports):
                kept.clear([stage.name for stage in self._stages])
        finally:
            if self._owns_session:
                self._spark.stop()
                self._spark, self._owns_session = None, False

    def __enter__(self) -> PipelineOrchestrator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Going on after a failure -----------------------------------------------------------------------------------------

    def _checkpoints(self) -> Checkpoints | None:
        if not self._state:
            return None
        from ml_pipeline_framework.checkpoints import Checkpoints

        return Checkpoints(self.spark, self._state, self.name)

    def _fingerprints(self) -> list[str]:
        found: list[str] = []
        for stage in self._stages:
            found.append(fingerprint(stage.work, f"{found[-1] if found else ''} {stage.name}"))
        return found

    def _skip(self, kept: Checkpoints, prints: Sequence[str]) -> int:
        """Note which stages need not run, and return the place of the first that does."""
        names = [stage.name for stage in self._stages]
        records = [kept.read(name) for name in names]
        if kept.is_complete():
            kept.clear(names)
            records = [None] * len(names)
        first, why = self._first_to_run(kept, records, prints)
        kept.forget(names[first:])
        for position, record in enumerate(records[:first]):
            assert record is not None  # `_first_to_run` ends at a stage without one
            report = self._reports[position]
            report.state, report.reason = SKIPPED, "an earlier run completed it"
            for key, value in record.about.items():
                setattr(report, key, value)
            self._say(position, f"skipped: {report.reason}")
            if position == first - 1 or names[position] == self._answer:
                self.results[names[position]] = kept.result(names[position], record)
        if first < len(names) and any(records):
            self._reports[first].reason = why
            self._say(first, f"runs: {why}")
        return first

    def _first_to_run(
        self, kept: Checkpoints, records: Sequence[Record | None], prints: Sequence[str]
    ) -> tuple[int, str]:
        first, why = len(records), ""
        for position, record in enumerate(records):
            if record is None:
                first, why = position, "no earlier run completed it"
            elif record.fingerprint != prints[position]:
                first, why = position, "it has changed since an earlier run completed it"
            elif lost := kept.lost(self._stages[position].name, record):
                first, why = position, lost
            else:
                continue
            break
        while 0 < first < len(records) and self._stages[first].takes_previous and _is_lost(records[first - 1]):
            first -= 1
            why = f"its result ({_lost_type(records[first])}) can't be kept for the stage after it"
        return first, why

    # One stage --------------------------------------------------------------------------------------------------------

    def _timed(self, position: int, previous: Any, kept: Checkpoints | None, prints: Sequence[str]) -> Any:
        stage, report = self._stages[position], self._reports[position]
        if stage.takes_previous and is_frame(previous):
            report.rows_in = self._reports[position - 1].rows_out
        started = self._clock()
        try:
            with self._placed(position):
                result = stage.run(self.spark, previous)
                if isinstance(stage.work, Params):
                    report.rows_in, report.rows_out = rows_of(result)
                framed = is_frame(result)
                if kept and framed:
                    result, report.rows_out = kept.keep_frame(stage.name, result)
        except BaseException as error:
            report.state, report.seconds = FAILED, round(self._clock() - started, 3)
            report.error = f"{type(error).__name__}: {error}".strip()
            self._note(position, error, kept is not None)
            raise
        report.state, report.seconds = DONE, round(self._clock() - started, 3)
        if kept:
            outputs = stage.work.outputs() if isinstance(stage.work, Params) else ()
            kept.keep(stage.name, prints[position], report.to_keep(), _kept_form(stage, result, framed), outputs)
        return result

    def _placed(self, position: int) -> AbstractContextManager[None]:
        """Say on standard error and in Spark's own pages which stage this is."""
        if not hasattr(self._spark, "sparkContext"):
            return nullcontext()
        from ml_pipeline_framework import progress

        return progress.stage(self.spark, self._place(position))

    def _place(self, position: int) -> str:
        return f"{position + 1}/{len(self._stages)} {self._stages[position].name}"

    def _say(self, position: int, text: str) -> None:
        from ml_pipeline_framework.progress import say

        say(f"[{self._place(position)}] {text}")

    def _note(self, position: int, error: BaseException, resumable: bool) -> None:
        note = f"in stage {self._stages[position].name!r} ({position + 1} of {len(self._stages)}) of {self.name!r}"
        if resumable and position:
            note += "; the stages before it are complete: run it again to go on from here"
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(note)
        else:
            self._say(position, f"failed: {note}")


def _kept_form(stage: Stage, result: Any, framed: bool) -> dict[str, Any]:
    from ml_pipeline_framework.checkpoints import FRAME, REPORT, kept

    if isinstance(stage.work, Params) and stage.metrics_path:
        return {"kind": REPORT}
    return {"kind": FRAME} if framed else kept(result)


def _is_lost(record: Record | None) -> bool:
    from ml_pipeline_framework.checkpoints import NOT_KEPT

    return record is not None and record.result["kind"] == NOT_KEPT


def _lost_type(record: Record | None) -> str:
    return str(record.result.get("type", "")) if record is not None else ""
