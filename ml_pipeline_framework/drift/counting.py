"""The bins and values that rows are counted into: the SQL of columns, codes and texts, for all columns in one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

from ml_pipeline_framework.schemas import NUMBER, quoted

TEXT_LENGTH = 200  # characters of a value that are looked at
COLUMNS_PER_PASS = 300  # more aggregates in one query than this need longer to compile than to run
STRIDE = 64  # codes per column: 0 null, 1 below, 2 above, 3 unseen, 4 other, from 8 the bins and values
NULL, BELOW, ABOVE, UNSEEN, OTHER, FIRST = 0, 1, 2, 3, 4, 8


def in_parts(names: Sequence[str]) -> list[Sequence[str]]:
    """Return the columns in the groups that one query can hold."""
    return [names[start : start + COLUMNS_PER_PASS] for start in range(0, len(names), COLUMNS_PER_PASS)]


def values_of(frame: DataFrame, kinds: Mapping[str, str]) -> DataFrame:
    """Return the columns as v0, v1, ...: numbers as double, NaN for null; the others as text."""
    made = [_number_of(frame, name) if kind == NUMBER else _text_of(name) for name, kind in kinds.items()]
    return frame.select(*(F.expr(one).alias(f"v{place}") for place, one in enumerate(made)))


def _number_of(frame: DataFrame, name: str) -> str:
    """Return SQL for a column as double, times in days since 1970; NaN where it is null."""
    column, kind = quoted(name), frame.schema[name].dataType
    if isinstance(kind, DateType):
        number = f"CAST(unix_date({column}) AS DOUBLE)"
    elif isinstance(kind, (TimestampType, TimestampNTZType)):
        number = f"CAST(CAST({column} AS TIMESTAMP) AS DOUBLE) / 86400"
    else:
        number = f"CAST({column} AS DOUBLE)"
    return f"coalesce({number}, double('NaN'))"


def _text_of(name: str) -> str:
    return f"substring(CAST({quoted(name)} AS STRING), 1, {TEXT_LENGTH})"


def codes_of(edges: Sequence[float]) -> list[int]:
    """Return the codes of a number below the first edge, in each bin, and above the last edge."""
    return [BELOW, *range(FIRST, FIRST + len(edges) - 1), ABOVE] if edges else [ABOVE]


def bin_of(value: str, edges: Sequence[float], base: int) -> str:
    """Return SQL for the code of the bin that a number falls into: a search by halves.

    A chain of CASE over a dozen edges makes a method of 20 columns so large that Java no longer compiles it.
    """
    codes = [base + one for one in codes_of(edges)]
    return f"IF(isnan({value}), {base + NULL}, {_search(value, edges, codes, 0)})"


def _search(value: str, edges: Sequence[float], codes: Sequence[int], first: int) -> str:
    """Return SQL that picks from `codes`, one more than the edges; `edges` start at the `first` of all."""
    if not edges:
        return str(codes[0])
    middle = len(edges) // 2
    above = ">=" if first + middle == 0 else ">"  # bins hold their right edge, the first also its left
    upper = _search(value, edges[middle + 1 :], codes[middle + 1 :], first + middle + 1)
    lower = _search(value, edges[:middle], codes[: middle + 1], first)
    return f"IF({value} {above} {edges[middle]!r}D, {upper}, {lower})"


def literal(text: str) -> str:
    """Return a text as SQL, whatever it holds: backslashes and quotes are escaped as Spark's parser reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def exploded(values: DataFrame, codes: Iterable[tuple[str, str]]) -> DataFrame:
    """Return one row per row and column: ``code`` (int) and ``text`` (null for numbers)."""
    pairs = ", ".join(f"struct({code} AS code, CAST({text} AS STRING) AS text)" for code, text in codes)
    return values.select(F.expr(f"inline(array({pairs}))"))


def bins(edges: Sequence[float], found: Mapping[int, int]) -> dict[str, Any]:
    """Return what a profile says of a number's rows by code."""
    return {
        "edges": list(edges),
        "counts": [found.get(FIRST + place, 0) for place in range(max(len(edges) - 1, 0))],
        "below": found.get(BELOW, 0),
        "above": found.get(ABOVE, 0),
    }
