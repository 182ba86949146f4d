"""From the steps of a data processing run to tables: everything is planned, and checked by Spark, before any work.

Each step makes a new `Table` out of others. Where the plan alone can't tell (are the keys of a join unique? how many
values could not be converted?) the step leaves a `Task` to be done before anything is written, in the steps' order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from ml_pipeline_framework.contract import DataProcessingParams
from ml_pipeline_framework.datasets import first_cause
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import casts, operations, quality
from ml_pipeline_framework.jobs.reading import CORRUPT, Source
from ml_pipeline_framework.jobs.row_counts import Counted, RowCounter, Rows
from ml_pipeline_framework.jobs.tables import Table

if TYPE_CHECKING:
    from ml_pipeline_framework.contract.steps import Step

#: Writes rows that are put aside; gets them, the folder under the run's own, and the base folder; returns the path.
PutAside = Callable[[DataFrame, str, str], str]


@dataclass
class Record:
    """A step and what became of it, for the report."""

    step: Step
    rows_in: Rows
    rows_out: Rows
    notes: list[str] = field(default_factory=list)


@dataclass
class Cast:
    """A cast of one column, for the report."""

    place: str
    column: str
    type: str
    bad_rows: int | None = None
    kept_at: str | None = None


@dataclass
class Task:
    """Work to be done before anything is written."""

    text: str
    reads: Table
    run: Callable[[PutAside], None]


class Planner:
    """Plans a run.

    Attributes
    ----------
    tables : dict of str to Table
        By name, as they are after the steps planned so far.
    tasks : list of Task
    late : list of callable
        Done after the outputs are written: findings that were counted on the way.
    failures, warnings : list of str
        What ends the job after its report is written; what it only mentions.
    """

    def __init__(self, spark: SparkSession, params: DataProcessingParams, counter: RowCounter) -> None:
        self._spark, self._params, self._counter = spark, params, counter
        self.tables: dict[str, Table] = {}
        self.tasks: list[Task] = []
        self.late: list[Callable[[], None]] = []
        self.records: list[Record] = []
        self.casts: list[Cast] = []
        self.findings: list[dict[str, Any]] = []
        self.failures: list[str] = []
        self.warnings: list[str] = []

    # --- inputs -------------------------------------------------------------------------------------------------------

    def add_source(self, source: Source) -> Rows:
        """Make an opened input a table; its lines that don't fit are put aside. Return its number of rows."""
        frame, name = source.frame, source.name
        if not source.is_text:  # a count would stand between the files and filters that can skip parts of them
            self.tables[name] = Table(frame, Rows(), label=f"inputs.{name}", cheap=True)
            return self.tables[name].rows
        if not source.keeps_bad:
            frame, rows, _ = self._counter.observed(frame)
            self.tables[name] = Table(frame, rows, label=f"inputs.{name}")
            return rows
        # Kept in any case: Spark refuses to look at this column alone in the files themselves.
        whole = Table(frame, Rows(), label=f"inputs.{name}", keep=True)
        good = frame.where(F.col(CORRUPT).isNull()).drop(CORRUPT)
        rows = Rows()
        self.tables[name] = Table(good, rows, [whole], label=f"inputs.{name}", thin=True)

        def put_aside(write: PutAside) -> None:
            found = frame.agg(
                F.count_if(F.col(CORRUPT).isNotNull()).alias("bad"), F.count(F.lit(1)).alias("all")
            ).first()
            assert found is not None  # an aggregate without groups has one row
            source.report["bad_records"] = int(found["bad"])
            rows.known = int(found["all"]) - int(found["bad"])
            if found["bad"]:
                bad = frame.where(F.col(CORRUPT).isNotNull()).select(F.col(CORRUPT).alias("line"))
                kept_at = write(bad, f"inputs-{name}", self._params.rejected_path)
                source.report["bad_records_kept_at"] = kept_at
                self.warnings.append(f"inputs.{name}: {found['bad']:,} lines don't fit the schema: kept at {kept_at}")

        self.tasks.append(Task(f"lines of {name} that don't fit", whole, put_aside))
        return rows

    # --- steps --------------------------------------------------------------------------------------------------------

    def add_step(self, step: Step) -> None:
        """Plan one step.

        Raises
        ------
        DataError
            When it does not work on the columns that there are: names the step, its text and those columns.
        """
        table = self.tables[step.table]
        record = Record(step, table.rows, table.rows)
        try:
            made = getattr(self, f"_{step.op}", None)
            result = made(step, table, record) if made is not None else self._plain(step, table)
            if result is not None:
                _check_names(result.frame)
                self.tables[step.into] = result
                record.rows_out = result.rows
        except (DataError, PySparkException, Py4JJavaError) as error:
            reason = str(error) if isinstance(error, DataError) else first_cause(error)
            where = f"step {step.index + 1} ({step.place})" if step.index >= 0 else step.place
            raise DataError(
                f"{where} does not work: {reason}; as written: {step.text}; the table {step.table} has: "
                f"{', '.join(table.frame.columns)}"
            ) from error
        self.records.append(record)

    def _plain(self, step: Step, table: Table) -> Table:
        """Operations that neither add nor remove rows."""
        given, frame = step.options, table.frame
        if step.op == "select":
            frame = operations.select(frame, given["columns"])
        elif step.op == "drop":
            frame = operations.drop(frame, given["columns"])
        elif step.op == "rename":
            frame = operations.rename(frame, given["columns"])
        elif step.op == "fill":
            frame = operations.fill(frame, given["columns"])
        elif step.op == "derive":
            frame = operations.derive(frame, given["columns"])
        elif step.op == "window":
            frame = operations.window(frame, given)
        else:
            frame = operations.repartition(frame, given["partitions"], given["by"])
        thin = step.op in ("select", "drop", "rename")
        return Table(frame, table.rows, [table], label=step.place, thin=thin)

    def _counted(self, step: Step, frame: DataFrame, parents: Sequence[Table]) -> Table:
        """Return the table of a step that changes the number of rows."""
        frame, rows, _ = self._counter.observed(frame)
        return Table(frame, rows, parents, label=step.place)

    def _filter(self, step: Step, table: Table, record: Record) -> Table:
        return self._counted(step, operations.keep_rows(table.frame, step.options["where"]), [table])

    def _drop_duplicates(self, step: Step, table: Table, record: Record) -> Table:
        keys, order = step.options["keys"], step.options["order_by"]
        if keys and not order:
            record.notes.append("which row of a key stays is not fixed: order_by fixes it")
        return self._counted(step, operations.drop_duplicates(table.frame, keys, order), [table])

    def _sample(self, step: Step, table: Table, record: Record) -> Table:
        given = step.options
        frame = operations.sample(table.frame, given["fraction"], given["keys"], given["seed"])
        return self._counted(step, frame, [table])

    def _aggregate(self, step: Step, table: Table, record: Record) -> Table:
        return self._counted(
            step, operations.aggregate(table.frame, step.options["by"], step.options["columns"]), [table]
        )

    def _union(self, step: Step, table: Table, record: Record) -> Table:
        others = {name: self.tables[name] for name in step.options["with"]}
        parts = [table, *others.values()]
        frames = {name: one.frame for name, one in others.items()}
        frame = operations.union(table.frame, frames, step.options["missing"])
        return Table(frame, Rows.total([one.rows for one in parts]), parts, label=step.place)

    def _sort(self, step: Step, table: Table, record: Record) -> Table:
        within = step.options["within_partitions"]
        if not within:  # Spark reads it twice: once to find the bounds
            table = Table(table.frame.select("*"), table.rows, [table], label=step.place, keep=True)
        return Table(operations.sort(table.frame, step.options["by"], within), table.rows, [table], label=step.place)

    def _function(self, step: Step, table: Table, record: Record) -> Table:
        frame = operations.call(table.frame, step.options["call"], step.options["args"] or {})
        if self._counter.withdraw_done():
            record.notes.append("the function ran Spark jobs of its own: rows of earlier steps are not known")
        return self._counted(step, frame, [table])

    def _sql(self, step: Step, table: Table, record: Record) -> Table:
        query = step.options["query"]
        read = [one for name, one in self.tables.items() if re.search(rf"\b{name}\b", query, re.IGNORECASE)]
        frame = operations.query(self._spark, query, {name: one.frame for name, one in self.tables.items()})
        return self._counted(step, frame, read)

    def _split(self, step: Step, table: Table, record: Record) -> None:
        parts = operations.split(table.frame, step.options)
        rows = {name: Rows() for name in parts}
        for name, frame in parts.items():
            self.tables[name] = Table(frame, rows[name], [table], label=f"{step.place}.{name}", thin=True)
        record.rows_out = Rows.total(list(rows.values()))
        record.notes.append("into " + ", ".join(parts))

    def _join(self, step: Step, table: Table, record: Record) -> Table:
        given = step.options
        other = self.tables[given["with"]]
        types = operations.key_types(table.frame, other.frame, given)
        frame, renamed = operations.join(table.frame, other.frame, given)
        record.notes += renamed
        parents = [table, other]
        expected = given["expect"] or "many_to_many"
        if expected in ("many_to_one", "one_to_one"):
            theirs = {their: kind for (_, their), kind in zip(given["keys"], types, strict=True)}
            self._expect_unique(step, other, theirs, f"the table {given['with']}")
        if expected in ("one_to_many", "one_to_one"):
            mine = {name: kind for (name, _), kind in zip(given["keys"], types, strict=True)}
            self._expect_unique(step, table, mine, f"the table {step.table}")
        if given["how"] == "left" and expected in ("many_to_one", "one_to_one"):
            return Table(frame, table.rows, parents, label=step.place)  # proved: no row is added or lost
        return self._counted(step, frame, parents)

    def _expect_unique(self, step: Step, table: Table, keys: Mapping[str, DataType], what: str) -> None:
        """Leave the task to check that no two rows have the same key, in the types in which the join compares."""
        doubled = operations.doubled_keys(table.frame, keys)

        def check(_: PutAside) -> None:
            shared = doubled.limit(3).collect()
            if shared:
                shown = "; ".join(
                    ", ".join(f"{name}={row[i]}" for i, name in enumerate(keys)) + f": {row['_n']}" for row in shared
                )
                raise DataError(
                    f"step {step.index + 1} ({step.place}) expects {step.options['expect']}, and {what} has several "
                    f"rows with the same {', '.join(keys)} (such as {shown}): put drop_duplicates or aggregate before "
                    "the join, or expect many_to_many"
                )

        self.tasks.append(Task(f"step {step.index + 1}: are the keys of {what} unique?", table, check))

    # --- casts --------------------------------------------------------------------------------------------------------

    def _cast(self, step: Step, table: Table, record: Record) -> Table:
        types, pattern, action = step.options["columns"], step.options["format"], step.options["on_error"]
        columns = table.frame.columns
        operations.need(table.frame, [name for name, _ in types])
        told = [Cast(step.place, name, kind) for name, kind in types]
        self.casts += told
        both = casts.with_converted(table.frame, types, pattern)
        if action == "fail":
            for one in told:
                one.bad_rows = 0  # or the job ends
            frame = casts.strictly(both, columns, types, f"step {step.index + 1} ({step.place})")
            return Table(frame, table.rows, [table], label=step.place)
        if action == "null" and step.options["max_bad_share"] is None:
            both, _, counted = self._counter.observed(both, **casts.bad_counts(types))
            self.late.append(lambda: self._tell_casts(told, casts.bad_found(types, counted.values())))
            return Table(casts.taken_over(both, columns, types), table.rows, [table], label=step.place)
        whole = Table(both, table.rows, [table], label=step.place)
        good, rows = both, table.rows
        if action == "reject":
            good, rows = both.where(~casts.any_bad(types)), Rows()

        def look(write: PutAside) -> None:
            self._look_at_casts(step, both, columns, told, rows, write)

        self.tasks.append(Task(f"step {step.index + 1}: values that can't be converted", whole, look))
        return Table(casts.taken_over(good, columns, types), rows, [whole], label=step.place, thin=True)

    def _look_at_casts(
        self, step: Step, both: DataFrame, columns: Sequence[str], told: Sequence[Cast], rows: Rows, write: PutAside
    ) -> None:
        """Count bad values, put their rows aside where asked, note when they are too many."""
        types, action, most = step.options["columns"], step.options["on_error"], step.options["max_bad_share"]
        counts = {**casts.bad_counts(types), "any": F.count_if(casts.any_bad(types)), "all": F.count(F.lit(1))}
        found = both.agg(*(column.alias(name) for name, column in counts.items())).first()
        assert found is not None  # an aggregate without groups has one row
        bad, whole = int(found["any"]), int(found["all"])
        kept_at = None
        if action == "reject":
            rows.known = whole - bad
            if bad:
                aside = casts.put_aside(both, columns, types)
                kept_at = write(aside, f"step-{step.index + 1:02}-cast", self._params.rejected_path)
        self._tell_casts(told, casts.bad_found(types, found.asDict()), kept_at)
        if most is not None and whole and bad / whole > most:
            self.failures.append(
                f"step {step.index + 1} ({step.place}): {bad:,} of {whole:,} rows have a value that can't be "
                f"converted, more than max_bad_share {most:g}"
            )

    def _tell_casts(self, told: Sequence[Cast], bad: Sequence[int | None], kept_at: str | None = None) -> None:
        for one, count in zip(told, bad, strict=True):
            one.bad_rows, one.kept_at = count, kept_at if count else None
            if count:
                where = f"rows kept at {kept_at}" if kept_at else "null now"
                self.warnings.append(f"{one.place}.{one.column}: {count:,} values are not {one.type}: {where}")

    # --- quality ------------------------------------------------------------------------------------------------------

    def _quality(self, step: Step, table: Table, record: Record) -> Table:
        checks = self._params.checks_of(step)
        columns = table.frame.columns
        for one in checks:
            if one["check"] not in ("required_columns", "row_count", "expression"):
                operations.need(table.frame, one["columns"])
        frame = quality.prepared(table.frame, checks)
        aggregates = quality.aggregates(checks, quality.tests_of(frame, checks))
        keyed = {i: one["columns"] for i, one in enumerate(checks) if one["check"] == "unique"}
        keyed = {i: keys for i, keys in keyed.items() if checks[i]["action"] != "quarantine"}
        if all(one["action"] == "warn" for one in checks) and not keyed:
            frame, rows, counted = self._counter.observed(frame, **aggregates)
            self.late.append(lambda: self._judge_late(table, checks, counted))
            return Table(frame, rows, [table], label=step.place)
        whole = Table(frame, Rows(), [table], label=step.place)
        aside = any(one["action"] == "quarantine" for one in checks)
        rows = Rows()

        def judge(write: PutAside) -> None:
            counts = _first(frame, aggregates)
            counts |= {f"duplicates_{i}": quality.duplicates(frame, keys)[0] for i, keys in keyed.items()}
            bad = int(counts.get("quarantined", 0))
            whole.rows.known, rows.known = int(counts["rows"]), int(counts["rows"]) - bad
            if not table.rows.value():
                table.rows.known = whole.rows.known
            kept_at = ""
            if bad:
                name = "quality" if step.index < 0 else f"step-{step.index + 1:02}-quality"
                kept_at = write(quality.bad_rows(frame, columns, checks), name, step.options["quarantine_path"])
                self.warnings.append(f"{bad:,} rows are in quarantine: {kept_at}")
            self._judge(quality.findings(table.frame, checks, counts))

        self.tasks.append(Task("quality checks", whole, judge))
        good = quality.good_rows(frame, columns, checks) if aside else frame
        return Table(good, rows if aside else whole.rows, [whole], label=step.place, thin=True)

    def _judge_late(self, table: Table, checks: Sequence[Any], counted: Counted) -> None:
        """Judge what was counted while the outputs were written; look again where nothing was."""
        counts = counted.values()
        if counts is None:
            counts = _first(table.frame, quality.aggregates(checks, quality.tests_of(table.frame, checks)))
        self._judge(quality.findings(table.frame, checks, counts))

    def _judge(self, found: Sequence[dict[str, Any]]) -> None:
        self.findings += found
        for one in found:
            if one["ends_job"]:
                self.failures.append(quality.said(one))
            elif not one["passed"]:
                self.warnings.append(quality.said(one))


def _first(frame: DataFrame, aggregates: dict[str, Column]) -> dict[str, Any]:
    row = frame.agg(*(column.alias(name) for name, column in aggregates.items())).first()
    assert row is not None  # an aggregate without groups has one row
    return dict(row.asDict())


def _check_names(frame: DataFrame) -> None:
    """Two columns of one name could not be told apart by any later step; Spark does not see the case of letters."""
    seen = [name.lower() for name in frame.columns]
    twice = sorted({name for name in frame.columns if seen.count(name.lower()) > 1})
    if twice:
        raise DataError(f"it would make two columns called {', '.join(twice)}: rename or leave out one of them")
