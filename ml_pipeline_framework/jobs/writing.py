"""The outputs of the data processing job, and the rows that it puts aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ml_pipeline_framework import datasets
from ml_pipeline_framework.jobs.operations import columns_of
from ml_pipeline_framework.jobs.outputs import Form, write_frame
from ml_pipeline_framework.jobs.reading import Source
from ml_pipeline_framework.jobs.tables import Table

#: Our names of what a text file is like, and Spark's.
_SPARKS = {
    "header": "header",
    "sep": "sep",
    "quote": "quote",
    "escape": "escape",
    "encoding": "encoding",
    "null_value": "nullValue",
    "date_format": "dateFormat",
    "timestamp_format": "timestampFormat",
}
_COLUMNAR = ("parquet", "orc")
#: The flights of 2013: 31.1 MB of CSV are 5.5 MB of Parquet (zstd).
_TEXT_PER_COLUMNAR_BYTE = 4


class Writer:
    """Writes what a run has made.

    Attributes
    ----------
    written, aside : list of dict
        What was written so far, for the report.
    """

    def __init__(self, spark: SparkSession, run_id: str, sources: Sequence[Source], warnings: list[str]) -> None:
        self._spark, self._run_id, self._warnings = spark, run_id, warnings
        # Spark's own guess multiplies the sizes of joined tables.
        self._bytes_hint = sum(
            one.report["bytes"] // (_TEXT_PER_COLUMNAR_BYTE if one.is_text else 1) for one in sources
        )
        self.written: list[dict[str, Any]] = []
        self.aside: list[dict[str, Any]] = []

    def write(self, name: str, table: Table, given: Mapping[str, Any]) -> None:
        """Write one output, and note its rows at its table."""
        frame, kind = table.frame, given["format"]
        if given["columns"]:
            frame = frame.select(*columns_of(given["columns"]))
        found = write_frame(
            self._spark,
            frame,
            given["path"],
            Form(
                format=kind,
                compression=given["compression"] or ("zstd" if kind in _COLUMNAR else "none"),
                partition_by=given["partition_by"] or (),
                target_file_bytes=given["target_file_size"],
                options={} if kind in _COLUMNAR else _text_options(given),
                bytes_hint=self._bytes_hint,
            ),
            mode=given["mode"],
            run_id=self._run_id,
            said_by=f"outputs.{name}.path",
        )
        table.rows.known = found["rows"]
        if not found["rows"]:
            self._warnings.append(f"outputs.{name} has no rows")
        self.written.append({"name": name, **found, "format": kind, "mode": given["mode"]})

    def clear_aside(self, bases: Sequence[str]) -> None:
        """Remove what an earlier try of this run put aside: this one may find other rows, or none."""
        for base in bases:
            datasets.remove(self._spark, self._aside(base))

    def put_aside(self, frame: DataFrame, name: str, base: str) -> str:
        """Write rows aside and return where: each run has a folder of its own, so that none meets another's."""
        path = f"{self._aside(base)}/{name}"
        form = Form(bytes_hint=self._bytes_hint)
        found = write_frame(self._spark, frame, path, form, mode="overwrite", run_id=self._run_id)
        self.aside.append({"name": name, **found})
        return path

    def _aside(self, base: str) -> str:
        return f"{base.rstrip('/')}/run_id={self._run_id}"


def _text_options(given: Mapping[str, Any]) -> dict[str, str]:
    named = {_SPARKS[key]: given[key] for key in _SPARKS if given[key] is not None}
    if given["format"] == "json":
        named.pop("header", None)
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in named.items()}
