"""Histograms of columns: the reference made on training rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.drift.counting import (
    FIRST,
    NULL,
    STRIDE,
    bin_of,
    bins,
    exploded,
    in_parts,
    values_of,
)
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, TIME

TOP_VALUES = 50
#: Rows that a comparison looks at; see `share_for`.
ROWS_ENOUGH = 250_000
#: Values that a profile remembers per column and in all, so that unseen ones can be told; above, they can't.
KNOWN_VALUES, KNOWN_IN_ALL = 5_000, 50_000
#: A text with more values than this is not counted by value: it is a key or prose.
COUNTED_VALUES = 100_000
_FEW_VALUES = 20  # a number with at most so many values gets a bin for each
_ACCURACY = 1_000  # percentiles are off by at most a thousandth of the rows
_PERCENTILES = [step / 100 for step in range(101)]
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
    for part in in_parts(list(kinds)):
        surveyed |= _survey(frame, {name: kinds[name] for name in part})
    room = _room(kinds, surveyed)
    found: dict[str, dict[Any, int]] = {}
    for part in in_parts(list(kinds)):
        found |= _count(frame, {name: kinds[name] for name in part}, surveyed, room)
    made = {NUMBER: _number, TEXT: _category}
    return {name: made[kind](surveyed[name], found[name]) for name, kind in kinds.items()}


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
    row = values_of(frame, kinds).agg(*(F.expr(one) for one in wanted)).first()
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


def _by_column(counts: DataFrame, names: Sequence[str]) -> dict[str, dict[Any, int]]:
    """Return the counted rows by column, then by code and text."""
    found: dict[str, dict[Any, int]] = {name: {} for name in names}
    for row in counts.collect():
        found[names[row["code"] // STRIDE]][row["code"] % STRIDE, row["text"]] = row["count"]
    return found


def _count(
    frame: DataFrame, kinds: Mapping[str, str], surveyed: Mapping[str, Mapping[str, Any]], room: Mapping[str, int]
) -> dict[str, dict[Any, int]]:
    """Count the rows of every bin and value; of a category only the most frequent values that there is room for."""
    codes, limits = [], []
    for place, (name, kind) in enumerate(kinds.items()):
        value, base = f"v{place}", place * STRIDE
        if kind == NUMBER:
            codes.append((bin_of(value, surveyed[name]["edges"], base), "NULL"))
            continue
        code = f"CASE WHEN {value} IS NULL THEN {base + NULL} ELSE {base + FIRST} END"
        codes.append((code, value if room[name] else "NULL"))
        limits.append(f"WHEN {base + FIRST} THEN {max(room[name], 1)}")
    counts = exploded(values_of(frame, kinds), codes).groupBy("code", "text").count()
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


def _number(surveyed: Mapping[str, Any], found: Mapping[Any, int]) -> dict[str, Any]:
    head = {"kind": "number", "rows": surveyed["rows"], "nulls": found.get((NULL, None), 0)}
    moments = {part: _finite(surveyed[part]) for part in ("mean", "std", "min", "max")}
    return {**head, **moments, **bins(surveyed["edges"], {code: n for (code, _), n in found.items()})}


def _category(surveyed: Mapping[str, Any], found: Mapping[Any, int]) -> dict[str, Any]:
    nulls, rows = found.get((NULL, None), 0), surveyed["rows"]
    named = [(n, text) for (code, text), n in found.items() if code == FIRST and text is not None]
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
