"""Types changed without a loss in silence: what can't be converted is counted, and kept or refused as configured.

``try_cast`` and ``try_to_timestamp`` follow ANSI rules in Spark 3.5 and in 4.x, whatever ``spark.sql.ansi.enabled``
says: ``'1.5'`` is no int in either, and nothing overflows into another number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.schemas import quoted

#: What a row that is put aside is told with.
REASONS = "_reasons"


def _new(number: int) -> str:
    return f"_cast_{number}"


def converted(name: str, kind: str, pattern: str | None) -> Column:
    """Return a column as another type; null where it can't be."""
    if pattern is None:
        return F.expr(f"try_cast({quoted(name)} AS {kind})")
    escaped = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return F.expr(f"try_cast(try_to_timestamp({quoted(name)}, '{escaped}') AS {kind})")


def with_converted(frame: DataFrame, types: Sequence[tuple[str, str]], pattern: str | None) -> DataFrame:
    """Return the frame with one more column per cast, so that each value is converted once."""
    return frame.select("*", *(converted(name, kind, pattern).alias(_new(i)) for i, (name, kind) in enumerate(types)))


def is_bad(number: int, name: str) -> Column:
    """Return whether a value of a frame of `with_converted` was there and could not be converted."""
    return F.col(quoted(name)).isNotNull() & F.col(_new(number)).isNull()


def bad_counts(types: Sequence[tuple[str, str]]) -> Mapping[str, Column]:
    """Return an aggregate per cast: how many values are bad."""
    return {_new(i): F.count_if(is_bad(i, name)) for i, (name, _) in enumerate(types)}


def bad_found(types: Sequence[tuple[str, str]], values: Mapping[str, object] | None) -> list[int | None]:
    """Return what `bad_counts` found, per cast."""
    return [None if values is None else int(str(values[_new(i)])) for i, _ in enumerate(types)]


def any_bad(types: Sequence[tuple[str, str]]) -> Column:
    """Return whether a row has a value that could not be converted."""
    found = F.lit(False)
    for i, (name, _) in enumerate(types):
        found = found | is_bad(i, name)
    return found


def taken_over(frame: DataFrame, columns: Sequence[str], types: Sequence[tuple[str, str]]) -> DataFrame:
    """Return the frame with converted columns in the place of the old ones."""
    new = {name: _new(i) for i, (name, _) in enumerate(types)}
    return frame.select(*(F.col(new[name]).alias(name) if name in new else F.col(quoted(name)) for name in columns))


def strictly(frame: DataFrame, columns: Sequence[str], types: Sequence[tuple[str, str]], said_by: str) -> DataFrame:
    """As `taken_over`; the first bad value ends the job with an error that shows it."""
    new = {}
    for i, (name, kind) in enumerate(types):
        shown = F.substring(F.col(quoted(name)).cast("string"), 1, 100)
        text = F.concat(F.lit(f"{said_by}: column {name}: '"), shown, F.lit(f"' can't be converted to {kind}"))
        new[name] = F.when(is_bad(i, name), F.raise_error(text).cast(kind)).otherwise(F.col(_new(i)))
    return frame.select(*(new[name].alias(name) if name in new else F.col(quoted(name)) for name in columns))


def put_aside(frame: DataFrame, columns: Sequence[str], types: Sequence[tuple[str, str]]) -> DataFrame:
    """Return the rows with a bad value as they were, with a list of the reasons in ``_reasons``."""
    reasons = [
        F.when(is_bad(i, name), F.lit(f"{name} can't be converted to {kind}")) for i, (name, kind) in enumerate(types)
    ]
    told = F.filter(F.array(*reasons), lambda one: one.isNotNull()).alias(REASONS)
    return frame.where(any_bad(types)).select(*(F.col(quoted(name)) for name in columns), told)
