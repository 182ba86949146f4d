"""The data processing job: read tables, change them step by step, check them, write them.

All of it is planned first: files are looked at, types told, every step checked by Spark's analysis. Then what can stop
the run is done (keys of joins, values that can't be converted, quality), and only then are outputs written. Rows are
counted by the tasks that work on them anyway (see `row_counts`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets, tracking
from ml_pipeline_framework.contract import DataProcessingParams
from ml_pipeline_framework.errors import DataError, GateError
from ml_pipeline_framework.jobs import placing, reading, reporting
from ml_pipeline_framework.jobs.operations import need
from ml_pipeline_framework.jobs.reading import Source
from ml_pipeline_framework.jobs.reporting import Stopwatch
from ml_pipeline_framework.jobs.row_counts import RowCounter, Rows
from ml_pipeline_framework.jobs.steps import Planner
from ml_pipeline_framework.jobs.tables import Table, keep_shared, release
from ml_pipeline_framework.jobs.writing import Writer
from ml_pipeline_framework.progress import step as tell
from ml_pipeline_framework.session import session_of


def run(spark: SparkSession, params: DataProcessingParams) -> dict[str, Any]:
    """Process the data; return what ``metrics.json`` says.

    Raises
    ------
    DataError
        An input, a step or a value does not serve; nothing was written.
    OutputError
        Something lies where an output goes, or it can't be written.
    GateError
        A quality check says fail; the report is written, the outputs are not.
    """
    started_ms, watch = reporting.now_ms(), Stopwatch()
    replace = _check_outputs(spark, params)
    counter = RowCounter(spark)
    planner = Planner(spark, params, counter)
    tell(spark, "[data_processing] inputs")
    sources = [reading.opened(spark, name, given) for name, given in params.tables_read().items()]
    read = [(one, planner.add_source(one)) for one in sources]
    for one in params.steps_read():
        planner.add_step(one)
    outputs = _chosen(planner, params)
    watch.lap("plan")
    kept = keep_shared([*(task.reads for task in planner.tasks), *(table for _, table, _ in outputs)])
    writer = Writer(spark, params.run_id, sources, planner.warnings)
    try:
        with _reading(sources):
            writer.clear_aside(params.aside())
            _work(spark, planner, counter, writer, outputs, watch)
    finally:
        release(kept)
    report = reporting.head(spark, params, started_ms=started_ms, seconds=watch.seconds)
    report |= _document(spark, planner, read, writer)
    tracking.log(spark, params, report)
    reporting.write(spark, params.metrics_path, report, replace=replace)
    if planner.failures:
        raise GateError(
            f"nothing was written, {len(planner.failures)} check(s) failed: {'; '.join(planner.failures)}; see "
            f"{params.metrics_path}"
        )
    return report


def _work(
    spark: SparkSession,
    planner: Planner,
    counter: RowCounter,
    writer: Writer,
    outputs: Sequence[tuple[str, Table, dict[str, Any]]],
    watch: Stopwatch,
) -> None:
    """Do what was planned: first what can stop the run, then the outputs."""
    for task in planner.tasks:
        tell(spark, f"[data_processing] {task.text}")
        task.run(writer.put_aside)
    watch.lap("check")
    for name, table, given in outputs if not planner.failures else ():
        tell(spark, f"[data_processing] output {name}")
        writer.write(name, table, given)
    watch.lap("write")
    counter.settle()
    if counter.withdraw_repeated():
        planner.warnings.append("executors were lost and their work was done again: rows per step are not known")
    for late in planner.late:
        late()


def _check_outputs(spark: SparkSession, params: DataProcessingParams) -> bool:
    """Check that this run may write where it is told to; True when its own earlier report will be replaced."""
    for name, given in params.tables_written().items():
        if given["mode"] == "error":
            placing.check_free(spark, given["path"], params.run_id, f"outputs.{name}.path")
    return reporting.check_free(spark, params.metrics_path, params.run_id, "--metrics-path")


def _chosen(planner: Planner, params: DataProcessingParams) -> list[tuple[str, Table, dict[str, Any]]]:
    """Return what is written: its name, the table, and how; with the columns checked."""
    chosen = []
    for name, given in params.tables_written().items():
        source = given["table"] or (name if name in planner.tables else params.main_table)
        table = planner.tables[source]
        try:
            need(table.frame, [*(given["columns"] or ()), *(given["partition_by"] or ())])
        except DataError as error:
            there = ", ".join(table.frame.columns)
            raise DataError(f"outputs.{name}: {error}; the table {source} has: {there}") from error
        if not table.frame.columns:
            raise DataError(f"outputs.{name}: the table {source} has no columns left")
        chosen.append((name, table, given))
    return chosen


@contextmanager
def _reading(sources: Sequence[Source]) -> Iterator[None]:
    """Turn what Spark says while it works into an error that says what can be done."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        cause = datasets.first_cause(error)
        text = f"{cause} {error}"
        named = [one.name for one in sources if any(path in text for path in one.report["path"].split(", "))]
        hint = f" (input {', '.join(named)})" if named else ""
        advice = "look at the value or file it names"
        if any(word in text for word in ("Malformed", "MALFORMED", "CSV header", "BadRecord")):
            advice = "declare the types with inputs.<name>.schema, or keep such lines aside with bad_records: keep"
        elif "CAST_INVALID_INPUT" in text:
            advice = "change the type in a step cast, which counts what can't be converted, or with try_cast in the SQL"
        raise DataError(f"the data can't be processed{hint}: {cause}; {advice}; nothing more was written") from error


def _document(
    spark: SparkSession, planner: Planner, read: Sequence[tuple[Source, Rows]], writer: Writer
) -> dict[str, Any]:
    """Return the job's own part of the report."""
    written = writer.written
    inputs = [{**one.report, "rows": rows.value()} for one, rows in read]
    for one in inputs:
        if one["rows"] == 0:
            planner.warnings.append(f"inputs.{one['name']} has no rows")
    steps = [
        {
            "number": record.step.index + 1 if record.step.index >= 0 else None,
            "op": record.step.op,
            "name": record.step.name,
            "table": record.step.table,
            "into": record.step.into,
            "rows_in": record.rows_in.value(),
            "rows_out": record.rows_out.value(),
            "note": "; ".join(record.notes),
        }
        for record in planner.records
    ]
    return {
        "warnings": planner.warnings,
        "timezone": spark.conf.get("spark.sql.session.timeZone"),
        "data": {"input": inputs[0], "inputs": inputs, **({"output": written[0]} if len(written) == 1 else {})},
        "steps": steps,
        "quality": [{key: value for key, value in one.items() if key != "ends_job"} for one in planner.findings],
        "casts": [
            {
                "step": one.place,
                "column": one.column,
                "type": one.type,
                "bad_rows": one.bad_rows,
                "kept_at": one.kept_at,
            }
            for one in planner.casts
        ],
        "outputs": written,
        "put_aside": writer.aside,
    }


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def summary(report: dict[str, Any]) -> str:
    """Return the report in lines of text: inputs, steps with rows in and out, checks, outputs, warnings."""
    lines = [f"data_processing {report['run_id']}"]
    for one in report["data"]["inputs"]:
        lines.append(f"  input    {one['name']:<20} {_number(one['rows']):>13} rows  {one['path']}")
    for one in report["steps"]:
        number = f"{one['number']:>3}" if one["number"] else "  -"
        what = f"{one['op']} {one['name']}".strip()
        note = f"  {one['note']}" if one["note"] else ""
        lines.append(f"  step {number} {what:<20} {_number(one['rows_in']):>13} -> {_number(one['rows_out'])}{note}")
    for one in report["quality"]:
        passed = "passed" if one["passed"] else one["action"]
        column = f" {one['column']}" if one["column"] else ""
        lines.append(f"  check    {one['name'] or one['check']}{column}: {passed} (found {one['found']})")
    for one in report["outputs"]:
        lines.append(
            f"  output   {one['name']:<20} {_number(one['rows']):>13} rows  {one['files']} file(s)  {one['path']}"
        )
    lines += [f"  warning  {one}" for one in report["warnings"]]
    lines.append("  seconds  " + ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items()))
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = DataProcessingParams.from_argv(argv)
    with session_of("data processing") as spark:
        print(summary(run(spark, params)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
