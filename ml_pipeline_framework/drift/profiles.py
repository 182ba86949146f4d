"""Histograms of columns: the reference made on training rows, and other rows counted into its bins and values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DoubleType, FloatType, TimestampNTZType, TimestampType

from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, TIME, quoted

TOP_VALUES = 50
#: Rows that a comparison looks at; see `share_for`.
ROWS_ENOUGH = 250_000
#: Values that a profile remembers per column and in all, so that unseen ones can be told; above, they can't.
KNOWN_VALUES, KNOWN_IN_ALL = 5_000, 50_000
#: A text with more values than this is not counted by value: it is a key or prose.
COUNTED_VALUES = 100_000
_TEXT_LENGTH = 200  # characters of a value that are looked at
_FEW_VALUES = 20  # a number with at most so many values gets a bin for each
_COLUMNS_PER_PASS = 300  # more aggregates in one query than this need longer to compile than to run
_ACCURACY = 1_000  # percentiles are off by at most a thousandth of the rows
_PERCENTILES = [step / 100 for step in range(101)]
_STRIDE = 64  # codes per column: 0 null, 1 below, 2 above, 3 unseen, 4 other, from 8 the bins
_NULL, _BELOW, _ABOVE, _UNSEEN, _OTHER, _FIRST = 0, 1, 2, 3, 4, 8
_NUMBERS = {NUMBER, "numeric", TIME}
_CATEGORIES = {TEXT, BOOLEAN, "category", "categorical"}


def profile(frame: DataFrame, columns: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Describe columns by histograms, in two passes over all of them together.

    Parameters
    ----------
    frame : DataFrame
        The rows of reference, best persisted.
    columns : sequence of (str, str)
        Name and kind: number, time (counted in days since 1970), text, boolean. A numeric column may be called text
        to count its values.

    Returns
    -------
    dict
        Per column, in the order given. Numbers and times: ``kind`` "number", ``rows``, ``nulls`` (NaN included),
        ``mean``, ``std``, ``min``, ``max`` (of finite values; null when there are none), ``edges`` (one more than
        ``counts``; bins hold their right edge, the first also its left), ``counts``, ``below``, ``above`` (infinite
        values). Texts and booleans: ``kind`` "category", ``rows``, ``nulls``, ``values`` (the 50 most frequent, to
        200 characters, with their counts), ``other`` (rows of other values), ``distinct_about``, ``known`` (all other
        values when there are at most 5,000; else null).
    """
    kinds = {name: _kind(kind) for name, kind in columns}
    surveyed: dict[str, dict[str, Any]] = {}
    for part in _parts(list(kinds)):
        surveyed |= _survey(frame, {name: kinds[name] for name in part})
    room = _room(kinds, surveyed)
    found: dict[str, dict[Any, int]] = {}
    for part in _parts(list(kinds)):
        found |= _count(frame, {name: kinds[name] for name in part}, surveyed, room)
    made = {NUMBER: _number, TEXT: _category}
    return {name: made[kind](surveyed[name], found[name]) for name, kind in kinds.items()}


def profile_like(
    frame: DataFrame,
    reference: Mapping[str, Mapping[str, Any]],
    *,
    categories: Mapping[str, Collection[str]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Count `frame` into the bins and values of a reference profile, in one pass.

    Parameters
    ----------
    frame : DataFrame
        Columns of the reference that it lacks are passed over.
    reference : mapping
        What `profile` returned.
    categories : mapping, optional
        Column to all values known for it, where the reference does not say it.

    Returns
    -------
    dict
        As `profile`, with ``mean``, ``std``, ``min``, ``max``, ``distinct_about`` and ``known`` left out. Categories
        have ``unseen``: rows with a value that the reference does not know (part of ``other``); null when the
        reference does not say all its values.
    """
    present = [name for name in reference if name in frame.columns]
    known = {name: _known(reference[name], (categories or {}).get(name)) for name in present}
    result: dict[str, dict[str, Any]] = {}
    for part in _parts(present):
        codes = []
        for place, name in enumerate(part):
            one, value = reference[name], f"v{place}"
            if one["kind"] == "number":
                codes.append((_bin_of(value, one["edges"], place * _STRIDE), "NULL"))
            else:
                codes.append(_value_of(value, place * _STRIDE, list(one["values"]), known[name]))
        values = _values(frame, {name: NUMBER if reference[name]["kind"] == "number" else TEXT for name in part})
        found = _by_column(_exploded(values, codes).groupBy("code", "text").count(), part)
        rows = max(sum(one.values()) for one in found.values())
        result |= {name: _like(reference[name], rows, found[name], known[name]) for name in part}
    return result


def share_for(rows: int) -> float:
    """Return the share of `rows` that tells drift well enough: about 250,000 rows, where there are more.

    The share of a bin is then known with a standard error of at most 0.1 %. Counting 100 columns of all rows would cost
    more than scoring them with most models.
    """
    return 1.0 if rows <= 1.2 * ROWS_ENOUGH else ROWS_ENOUGH / rows


# --- the first pass ---------------------------------------------------------------------------------------------------


def _kind(kind: str) -> str:
    if kind in _NUMBERS:
        return NUMBER
    if kind in _CATEGORIES:
        return TEXT
    raise ValueError(f"{kind!r} is not a kind of column that has a profile: {NUMBER}, {TIME}, {TEXT}, {BOOLEAN}")


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    """Return the columns in the groups that one query can hold."""
    return [names[start : start + _COLUMNS_PER_PASS] for start in range(0, len(names), _COLUMNS_PER_PASS)]


def _values(frame: DataFrame, kinds: Mapping[str, str]) -> DataFrame:
    """Return the columns as v0, v1, ...: numbers as double without NaN, the others as text."""
    made = [_number_of(frame, name) if kind == NUMBER else _text_of(name) for name, kind in kinds.items()]
    return frame.select(*(F.expr(one).alias(f"v{place}") for place, one in enumerate(made)))


def _number_of(frame: DataFrame, name: str) -> str:
    """Return SQL for a column as double, times in days since 1970; null where it is NaN."""
    column, kind = quoted(name), frame.schema[name].dataType
    if isinstance(kind, DateType):
        return f"CAST(unix_date({column}) AS DOUBLE)"
    if isinstance(kind, (TimestampType, TimestampNTZType)):
        return f"CAST(CAST({column} AS TIMESTAMP) AS DOUBLE) / 86400"
    if isinstance(kind, (DoubleType, FloatType)):
        return f"CASE WHEN NOT isnan({column}) THEN CAST({column} AS DOUBLE) END"
    return f"CAST({column} AS DOUBLE)"


def _text_of(name: str) -> str:
    return f"substring(CAST({quoted(name)} AS STRING), 1, {_TEXT_LENGTH})"


def _survey(frame: DataFrame, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what has to be known before rows can be counted: percentiles of numbers, distinct values of the others."""
    percentiles = f"array({', '.join(f'{one}D' for one in _PERCENTILES)})"
    wanted = ["count(1) AS `rows`"]
    for place, kind in enumerate(kinds.values()):
        value = f"v{place}"
        if kind == NUMBER:
            value = f"CASE WHEN abs({value}) < double('Infinity') THEN {value} END"
            wanted += [
                f"percentile_approx({value}, {percentiles}, {_ACCURACY}) AS `{place}_percentiles`",
                f"min({value}) AS `{place}_min`",
                f"max({value}) AS `{place}_max`",
                f"avg({value}) AS `{place}_mean`",
                f"stddev_samp({value}) AS `{place}_std`",
            ]
        else:
            wanted.append(f"approx_count_distinct({value}) AS `{place}_distinct`")
    row = _values(frame, kinds).agg(*(F.expr(one) for one in wanted)).first()
    assert row is not None  # an aggregate without groups has one row
    found = row.asDict()
    parts = ("percentiles", "min", "max", "mean", "std", "distinct")
    surveyed = {}
    for place, name in enumerate(kinds):
        one = {part: found.get(f"{place}_{part}") for part in parts}
        surveyed[name] = {"rows": row["rows"], **one, "edges": _edges(one["percentiles"], one["min"], one["max"])}
    return surveyed


def _edges(percentiles: Sequence[float] | None, low: float | None, high: float | None) -> list[float]:
    """Return the edges of a number's bins: its range, cut at the deciles, or between values that many rows share."""
    if not percentiles or low is None or high is None:
        return []
    values = sorted({low, high, *percentiles})
    following = {one: other for one, other in itertools.pairwise(values)}
    before = {other: one for one, other in following.items()}
    if len(values) <= _FEW_VALUES:
        cuts = {_between(one, other) for one, other in following.items()}
    else:
        cuts = set()
        for one in percentiles[10:100:10]:
            cuts.add(one)
            if percentiles.count(one) > 10 and one in before:  # a tenth of all rows or more: a bin of its own
                cuts.add(_between(before[one], one))
    return [low, *sorted(one for one in cuts if low <= one < high), high]


def _between(low: float, high: float) -> float:
    """Return a number from `low` up to but not including `high`, halfway where there is room."""
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low


def _room(kinds: Mapping[str, str], surveyed: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return how many values of each category are brought to the driver; the small columns come first."""
    left = KNOWN_IN_ALL
    room = {}
    categories = [name for name, kind in kinds.items() if kind == TEXT]
    for name in sorted(categories, key=lambda one: surveyed[one]["distinct"]):
        about = surveyed[name]["distinct"]
        if about > COUNTED_VALUES:
            room[name] = 0
            continue
        all_of_them = about <= KNOWN_VALUES and about <= left
        room[name] = KNOWN_VALUES * 6 // 5 if all_of_them else TOP_VALUES + 1  # the distinct count is an estimate
        left -= about if all_of_them else 0
    return room


# --- the second pass --------------------------------------------------------------------------------------------------


def _bin_of(value: str, edges: Sequence[float], base: int) -> str:
    """Return SQL for the code of the bin that a number falls into."""
    steps = [f"WHEN {value} IS NULL THEN {base + _NULL}"]
    if edges:
        steps.append(f"WHEN {value} < {edges[0]!r}D THEN {base + _BELOW}")
        steps += [f"WHEN {value} <= {one!r}D THEN {base + _FIRST + place}" for place, one in enumerate(edges[1:])]
    return f"CASE {' '.join(steps)} ELSE {base + _ABOVE} END"


def _value_of(text: str, base: int, top: Sequence[str], known: Collection[str] | None) -> tuple[str, str]:
    """Return SQL for the code and the text under which a value is counted against a reference."""
    in_top = f"{text} IN ({', '.join(map(_literal, top))})" if top else "false"
    rest = [one for one in known or () if one not in set(top)]
    seen = f"WHEN {text} IN ({', '.join(map(_literal, rest))}) THEN {base + _OTHER}" if rest else ""
    last = base + (_OTHER if known is None else _UNSEEN)
    code = f"CASE WHEN {text} IS NULL THEN {base + _NULL} WHEN {in_top} THEN {base + _FIRST} {seen} ELSE {last} END"
    return code, f"CASE WHEN {in_top} THEN {text} END"


def _literal(text: str) -> str:
    """Return a text as SQL, whatever it holds: backslashes and quotes are escaped as Spark's parser reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _by_column(counts: DataFrame, names: Sequence[str]) -> dict[str, dict[Any, int]]:
    """Return the counted rows by column, then by code and text."""
    found: dict[str, dict[Any, int]] = {name: {} for name in names}
    for row in counts.collect():
        found[names[row["code"] // _STRIDE]][row["code"] % _STRIDE, row["text"]] = row["count"]
    return found


def _exploded(values: DataFrame, parts: Iterable[tuple[str, str]]) -> DataFrame:
    """Return one row per row and column: ``code`` (int) and ``text`` (null for numbers)."""
    pairs = ", ".join(f"struct({code} AS code, CAST({text} AS STRING) AS text)" for code, text in parts)
    return values.select(F.expr(f"inline(array({pairs}))"))


def _count(
    frame: DataFrame, kinds: Mapping[str, str], surveyed: Mapping[str, Mapping[str, Any]], room: Mapping[str, int]
) -> dict[str, dict[Any, int]]:
    """Count the rows of every bin and value; of a category only the most frequent values that there is room for."""
    codes, limits = [], []
    for place, (name, kind) in enumerate(kinds.items()):
        value, base = f"v{place}", place * _STRIDE
        if kind == NUMBER:
            codes.append((_bin_of(value, surveyed[name]["edges"], base), "NULL"))
            continue
        code = f"CASE WHEN {value} IS NULL THEN {base + _NULL} ELSE {base + _FIRST} END"
        codes.append((code, value if room[name] else "NULL"))
        limits.append(f"WHEN {base + _FIRST} THEN {max(room[name], 1)}")
    counts = _exploded(_values(frame, kinds), codes).groupBy("code", "text").count()
    if (
        limits
    ):  # a category's values share one code, a number's bin is alone in its own: the rank within the code counts
        rank = "row_number() OVER (PARTITION BY code ORDER BY count DESC, text)"
        limit = F.expr(f"CASE code {' '.join(limits)} ELSE 1 END")
        counts = counts.withColumn("rank", F.expr(rank)).where(F.col("rank") <= limit)
    return _by_column(counts, list(kinds))


# --- what the counts say ----------------------------------------------------------------------------------------------


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _bins(edges: Sequence[float], found: Mapping[Any, int]) -> dict[str, Any]:
    return {
        "edges": list(edges),
        "counts": [found.get((_FIRST + place, None), 0) for place in range(max(len(edges) - 1, 0))],
        "below": found.get((_BELOW, None), 0),
        "above": found.get((_ABOVE, None), 0),
    }


def _number(surveyed: Mapping[str, Any], found: Mapping[Any, int]) -> dict[str, Any]:
    head = {"kind": "number", "rows": surveyed["rows"], "nulls": found.get((_NULL, None), 0)}
    moments = {part: _finite(surveyed[part]) for part in ("mean", "std", "min", "max")}
    return {**head, **moments, **_bins(surveyed["edges"], found)}


def _category(surveyed: Mapping[str, Any], found: Mapping[Any, int]) -> dict[str, Any]:
    nulls, rows = found.get((_NULL, None), 0), surveyed["rows"]
    named = [(n, text) for (code, text), n in found.items() if code == _FIRST and text is not None]
    ranked = sorted(named, key=lambda one: (-one[0], one[1]))
    top = ranked[:TOP_VALUES]
    complete = rows - nulls == sum(n for n, _ in ranked)
    return {
        "kind": "category",
        "rows": rows,
        "nulls": nulls,
        "values": {text: n for n, text in top},
        "other": rows - nulls - sum(n for n, _ in top),
        "distinct_about": len(ranked) if complete else surveyed["distinct"],
        "known": sorted(text for _, text in ranked[TOP_VALUES:]) if complete else None,
    }


def _known(one: Mapping[str, Any], given: Collection[str] | None) -> Collection[str] | None:
    """Return all values that a reference knows of a category; None when it does not say all of them."""
    if one["kind"] == "number":
        return None
    if given is not None:
        return [text[:_TEXT_LENGTH] for text in given]
    rest = one.get("known")
    if rest is None and one["other"] != 0:
        return None
    return [*one["values"], *(rest or ())]


def _like(one: Mapping[str, Any], rows: int, found: Mapping[Any, int], known: Collection[str] | None) -> dict[str, Any]:
    head = {"kind": one["kind"], "rows": rows, "nulls": found.get((_NULL, None), 0)}
    if one["kind"] == "number":
        return head | _bins(one["edges"], found)
    unseen = found.get((_UNSEEN, None), 0)
    return head | {
        "values": {text: found.get((_FIRST, text), 0) for text in one["values"]},
        "other": found.get((_OTHER, None), 0) + unseen,
        "unseen": None if known is None else unseen,
    }
