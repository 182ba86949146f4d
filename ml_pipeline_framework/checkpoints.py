"""Which stages of a pipeline are complete, and what they gave, kept in a folder: so that a repeat can go on.

One JSON file per complete stage, written last and whole; a stage's data frame lies beside it as Parquet.
``_complete.json`` says that the whole pipeline has ended well: the next run then begins anew.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, model_store
from ml_pipeline_framework.errors import DataError, OutputError
from ml_pipeline_framework.jobs import placing

SCHEMA_VERSION = 2
_COMPLETE = "_complete.json"
_WAIT_FOR_COUNT_S = 10.0

#: What a stage gave: nothing, a plain value, a data frame, a job's report (``metrics.json``), or what can't be kept.
NOTHING, VALUE, FRAME, REPORT, NOT_KEPT = "nothing", "value", "frame", "report", "not_kept"


@dataclass(frozen=True)
class Record:
    """A stage that is complete.

    Parameters
    ----------
    fingerprint
        Of its work and of all before it.
    about
        What its report said: seconds, rows, where its metrics lie.
    result
        ``{"kind": …}`` with ``value`` or ``type``.
    outputs
        Paths that the stage's job wrote, with the run that each belonged to then ("" when nothing says it).
    """

    fingerprint: str
    about: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


class Checkpoints:
    """The state of one pipeline in its folder.

    Parameters
    ----------
    spark : SparkSession
    folder : str
        A place of its own; made when something is kept there.
    pipeline : str
        The pipeline's name; a folder of another one is refused.
    """

    def __init__(self, spark: SparkSession, folder: str, pipeline: str) -> None:
        self._spark = spark
        self.folder = folder.rstrip("/")
        self._pipeline = pipeline

    def read(self, stage: str) -> Record | None:
        """Return the record of a stage; None when it is not complete.

        Raises
        ------
        OutputError
            When the record is another pipeline's.
        """
        found = self._json(f"{stage}.json")
        if found is None:
            return None
        if found.get("pipeline") != self._pipeline:
            raise OutputError(
                f"{self.folder} holds the state of the pipeline {found.get('pipeline')!r}, and this is "
                f"{self._pipeline!r}: give this one another folder, or remove that one"
            )
        if found.get("schema_version") != SCHEMA_VERSION:
            return None  # another version of this package wrote it: the stage runs again
        return Record(str(found["fingerprint"]), found["about"], found["result"], found["outputs"])

    def keep_frame(self, stage: str, frame: DataFrame) -> tuple[DataFrame, int]:
        """Write a stage's data frame; return it as read back, and its rows, counted while it was written."""
        place = self._frame(stage)
        seen = Observation()
        counted = frame.observe(seen, F.count(F.lit(1)).alias("rows"))
        datasets.save_whole(self._spark, place, lambda waiting: counted.write.parquet(waiting), replace=True)
        kept = self._spark.read.parquet(place)
        rows = _observed(seen)
        return kept, kept.count() if rows is None else rows  # without a count from the listener: from the footers

    def keep(
        self,
        stage: str,
        fingerprint: str,
        about: Mapping[str, Any],
        result: Mapping[str, Any],
        outputs: Sequence[str] = (),
    ) -> None:
        """Note that a stage is complete: the last thing that is done for it. `result` is as `kept` makes it."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "pipeline": self._pipeline,
            "stage": stage,
            "fingerprint": fingerprint,
            "application_id": self._spark.sparkContext.applicationId,
            "about": dict(about),
            "result": dict(result),
            "outputs": {path: self._owner(path) for path in outputs},
        }
        datasets.replace_text(self._spark, f"{self.folder}/{stage}.json", json.dumps(record, indent=2) + "\n")

    def lost(self, stage: str, record: Record) -> str:
        """Say what of a complete stage's work is no longer as it left it; "" when all is."""
        places = [self._frame(stage)] if record.result["kind"] == FRAME else []
        places += [str(record.about["metrics_path"])] if record.about.get("metrics_path") else []
        for place in (*places, *record.outputs):
            if not datasets.exists(self._spark, place):
                return f"what an earlier run wrote is gone: {place}"
        for place, owner in record.outputs.items():
            if (now := self._owner(place)) != owner:
                return f"what an earlier run wrote was replaced by {f'run {now}' if now else 'something else'}: {place}"
        return ""

    def _owner(self, path: str) -> str:
        """Return the run that wrote a folder of results or a model; "" when nothing says it."""
        return placing.owner(self._spark, path) or model_store.owner(self._spark, path) or ""

    def result(self, stage: str, record: Record) -> Any:
        """Return what a complete stage gave."""
        kind = record.result["kind"]
        if kind == FRAME:
            return self._spark.read.parquet(self._frame(stage))
        if kind == REPORT:
            return json.loads(datasets.read_text(self._spark, record.about["metrics_path"]))
        return record.result.get("value")

    def forget(self, stages: Sequence[str]) -> None:
        """Remove the records of stages that run now: none must speak of data that are being replaced."""
        for stage in stages:
            datasets.remove(self._spark, f"{self.folder}/{stage}.json")

    def complete(self) -> None:
        """Note that the whole pipeline has ended well."""
        text = json.dumps({"pipeline": self._pipeline, "application_id": self._spark.sparkContext.applicationId})
        datasets.replace_text(self._spark, f"{self.folder}/{_COMPLETE}", text + "\n")

    def is_complete(self) -> bool:
        """Say whether the last run of this pipeline ended well."""
        found = self._json(_COMPLETE)
        return found is not None and found.get("pipeline") == self._pipeline

    def clear(self, stages: Sequence[str]) -> None:
        """Remove what this pipeline kept, and the folder when nothing else lies in it."""
        self.forget(stages)
        for stage in stages:
            datasets.remove(self._spark, self._frame(stage))
        datasets.remove(self._spark, f"{self.folder}/{_COMPLETE}")
        datasets.sweep(self._spark, self.folder)
        if datasets.exists(self._spark, self.folder) and not datasets.sizes_in(self._spark, self.folder):
            datasets.remove(self._spark, self.folder)

    def _frame(self, stage: str) -> str:
        return f"{self.folder}/{stage}.parquet"

    def _json(self, name: str) -> dict[str, Any] | None:
        path = f"{self.folder}/{name}"
        if not datasets.exists(self._spark, path):
            return None
        try:
            found = json.loads(datasets.read_text(self._spark, path))
        except (ValueError, DataError):
            return None
        return found if isinstance(found, dict) else None


def kept(result: Any) -> dict[str, Any]:
    """Return a plain value in the form in which a later run can have it; of anything else, its type."""
    if result is None:
        return {"kind": NOTHING}
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError):
        return {"kind": NOT_KEPT, "type": type(result).__name__}
    value = json.loads(text)
    return {"kind": VALUE, "value": value} if value == result else {"kind": NOT_KEPT, "type": type(result).__name__}


def _observed(seen: Observation) -> int | None:
    """Return the count that Spark's listener brings; None when it never does."""
    found: list[int] = []
    waiter = threading.Thread(target=lambda: found.append(int(seen.get["rows"])), daemon=True)
    waiter.start()
    waiter.join(_WAIT_FOR_COUNT_S)
    return found[0] if found else None
