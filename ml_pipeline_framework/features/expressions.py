"""The SQL of the first stage: what a raw column becomes before anything is learnt."""

from __future__ import annotations

from pyspark.sql.types import DataType, DoubleType, FloatType

from ml_pipeline_framework.schemas import quoted

_LARGEST = "1.7976931348623157E308D"
_PERIODS = {"month": 12, "day": 31, "day_of_week": 7, "hour": 24}
_FUNCTIONS = {"month": "month", "day": "dayofmonth", "day_of_week": "dayofweek", "hour": "hour"}
_FIRST = {"month": 1, "day": 1, "day_of_week": 1, "hour": 0}


def literal(value: float) -> str:
    """Return a finite number as a SQL double."""
    return f"{value!r}D"


def number(data_type: DataType, name: str) -> str:
    """Return a number as a double; null where it is null, NaN or infinite."""
    text = f"CAST({quoted(name)} AS DOUBLE)"
    if not isinstance(data_type, (DoubleType, FloatType)):
        return text
    # NaN is larger than any number in Spark's order.
    return f"CASE WHEN {text} BETWEEN -{_LARGEST} AND {_LARGEST} THEN {text} END"


def mark(data_type: DataType, name: str) -> str:
    """Return 1 where a number is missing, else 0."""
    return f"CASE WHEN ({number(data_type, name)}) IS NULL THEN 1.0D ELSE 0.0D END"


def text(name: str, buckets: int = 0, *, words: bool = False) -> str:
    """Return a category as text; with `buckets` the number of its bucket; for `words` never null."""
    plain = f"CAST({quoted(name)} AS STRING)"
    if words:
        return f"coalesce({plain}, '')"
    if buckets:
        return f"CASE WHEN {plain} IS NOT NULL THEN CAST(pmod(xxhash64({plain}), {buckets}L) AS STRING) END"
    return plain


def time_part(name: str, part: str, *, cyclic: bool) -> dict[str, str]:
    """Return the columns of one part of a date or timestamp, in the session's time zone: name to expression.

    For trees the number itself, -1 where there is none. Otherwise a point on a circle, so that December is beside
    January; 0, its centre, where there is none. ``days`` since 1970-01-01 may be null.
    """
    column = quoted(name)
    if part == "days":
        return {part: f"CAST(datediff(CAST({column} AS DATE), DATE'1970-01-01') AS DOUBLE)"}
    if part == "is_weekend":
        return {part: f"CASE WHEN dayofweek({column}) IN (1, 7) THEN 1.0D ELSE 0.0D END"}
    value = f"CAST({_FUNCTIONS[part]}({column}) AS DOUBLE)"
    if not cyclic:
        return {part: f"coalesce({value}, -1.0D)"}
    angle = f"({value} - {_FIRST[part]}.0D) * {literal(2 * 3.141592653589793 / _PERIODS[part])}"
    return {f"{part}_{way}": f"coalesce({way}({angle}), 0.0D)" for way in ("sin", "cos")}
