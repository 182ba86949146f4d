"""Rows counted once for the whole and once per value of each segment column, in the same pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics.measured import OTHER_VALUES
from ml_pipeline_framework.schemas import OTHER, kind_of, quoted, require_columns

#: Values of one segment column that are measured apart, the most frequent ones; the rest is one segment.
MAX_VALUES = 50
#: Which part a counted row belongs to: 0 the whole, i the i-th segment column (from 1); a task may use numbers below 0.
#: A text that tells its rows apart, and a number that does.
PART, VALUE, KEY = "_part", "_value", "_key"
WHOLE = 0


def check_columns(frame: DataFrame, columns: Sequence[str]) -> None:
    """Check that the segment columns are there and have plain values.

    Raises
    ------
    DataError
        Naming those that are missing or nested.
    """
    require_columns(frame, columns, "segments", "the data")
    nested = [name for name in columns if kind_of(frame.schema[name].dataType) == OTHER]
    if nested:
        raise DataError(
            f"segments: {', '.join(nested)} holds no plain values (text, number, boolean, time) to tell rows apart by"
        )


def part(number: int | Column, value: Column | None = None, key: Column | None = None) -> Column:
    """Return one part that a row belongs to, as `parted` takes them."""
    return F.struct(
        F.lit(number).cast("int").alias(PART),
        (F.lit(None) if value is None else value).cast("string").alias(VALUE),
        (F.lit(None) if key is None else key).cast("long").alias(KEY),
    )


def parted(
    frame: DataFrame, columns: Sequence[str], wanted: Mapping[str, Column], extra: Column | None = None
) -> DataFrame:
    """Return the `wanted` columns of every row once for the whole, once per segment column and once per extra part.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of str
        The segment columns.
    wanted : mapping
        Expressions on `frame` by the name that they get.
    extra : Column, optional
        An array of `part`, with numbers below 0.

    Returns
    -------
    DataFrame
        The wanted columns, `PART`, `VALUE` (text; null for nulls) and `KEY` (of the extra parts). Without segments and
        extra parts no row is repeated.
    """
    picked = [expression.alias(name) for name, expression in wanted.items()]
    if not columns and extra is None:
        whole = part(WHOLE)
        return frame.select(*picked, whole.alias("_one")).select(*wanted, *_fields())
    # Two selects: beside a generator, Spark takes a column of the data for the new column of the same name.
    names = [f"_segment_{at}" for at in range(len(columns))]
    values = [F.col(quoted(one)).cast("string").alias(name) for one, name in zip(columns, names, strict=True)]
    more = [] if extra is None else [extra.alias("_extra")]
    parts = F.array(part(WHOLE), *(part(at, F.col(name)) for at, name in enumerate(names, start=1)))
    if more:
        parts = F.concat(parts, F.col("_extra"))
    first = frame.select(*picked, *values, *more)
    return first.select(*wanted, F.explode(parts).alias("_one")).select(*wanted, *_fields())


def _fields() -> list[Column]:
    return [F.col(f"_one.{name}").alias(name) for name in (PART, VALUE, KEY)]


@contextmanager
def counted_once(grouped: DataFrame) -> Iterator[DataFrame]:
    """Keep counts that are read several times, so that the data are read once; they are dropped at the end.

    A cached frame keeps the number of partitions of the shuffle (Spark's default: 200) whatever it holds, because
    adaptive execution leaves cached plans alone. Counts are small, so there is one partition per core.
    """
    cores = grouped.sparkSession.sparkContext.defaultParallelism
    kept = grouped.coalesce(max(cores, 1)).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield kept
    finally:
        kept.unpersist()


@dataclass(frozen=True)
class Kept:
    """Which values of each segment column stay apart, and what is said about the others."""

    values: Mapping[int, Sequence[str]]  # by part; absent where all stay
    notes: Sequence[str]


def most_frequent(grouped: DataFrame, columns: Sequence[str], rows: Column) -> Kept:
    """Find the values that stay apart; `grouped` is read once or twice and should be cached.

    Parameters
    ----------
    grouped : DataFrame
        With `PART` and `VALUE`.
    rows : Column
        How many rows one row of `grouped` stands for.
    """
    totals = (
        grouped.where((F.col(PART) > WHOLE) & F.col(VALUE).isNotNull()).groupBy(PART, VALUE).agg(F.sum(rows).alias("n"))
    )
    ranked = F.row_number().over(Window.partitionBy(PART).orderBy(F.desc("n"), VALUE))
    best = totals.withColumn("rank", ranked).where(F.col("rank") <= MAX_VALUES + 1).select(PART, VALUE, "rank")
    found: dict[int, list[str]] = {}
    crowded = set()
    for row in best.collect():
        if row["rank"] > MAX_VALUES:
            crowded.add(row[PART])
        else:
            found.setdefault(row[PART], []).append(row[VALUE])
    if not crowded:
        return Kept({}, [])
    distinct = {row[PART]: row["count"] for row in totals.groupBy(PART).count().collect()}
    notes = [
        f"segments: {columns[part - 1]} has {distinct[part]:,} values; the {MAX_VALUES} most frequent are measured "
        f"apart, the rows of the others together as {OTHER_VALUES!r}"
        for part in sorted(crowded)
    ]
    return Kept({part: found[part] for part in crowded}, notes)


def with_rest(grouped: DataFrame, kept: Kept) -> DataFrame:
    """Return `grouped` with the values that do not stay apart replaced by one name."""
    value = F.col(VALUE)
    for part, values in kept.values.items():
        rare = (F.col(PART) == part) & value.isNotNull() & ~value.isin(list(values))
        value = F.when(rare, F.lit(OTHER_VALUES)).otherwise(value)
    return grouped.withColumn(VALUE, value) if kept.values else grouped


def in_order(
    columns: Sequence[str], found: Iterable[tuple[int, str | None, int, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return segments as reports hold them: by column as named, the largest first, the rest and nulls last."""
    ordered = sorted(found, key=lambda one: (one[0], one[1] is None, one[1] == OTHER_VALUES, -one[2], one[1] or ""))
    return [
        {"column": columns[part - 1], "value": value, "rows": rows, "metrics": metrics}
        for part, value, rows, metrics in ordered
    ]
