"""Other rows, counted into the bins and values of a reference profile."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.drift.counting import (
    FIRST,
    NULL,
    OTHER,
    STRIDE,
    TEXT_LENGTH,
    UNSEEN,
    bin_of,
    bins,
    codes_of,
    exploded,
    in_parts,
    literal,
    values_of,
)
from ml_pipeline_framework.schemas import NUMBER, TEXT

#: Values (rows times columns) that are brought to the driver to be counted there; numbers take 8 bytes each.
CELLS_ON_DRIVER = 5_000_000


@dataclass(frozen=True)
class Side:
    """A column of the reference; `known` are all values of a category, None where the reference does not say them."""

    column: Mapping[str, Any]
    known: Collection[str] | None

    @property
    def is_number(self) -> bool:
        """Whether it has bins; else it has values."""
        return bool(self.column["kind"] == "number")


@dataclass
class Counted:
    """Rows of a column by code, and up to three of the values that the reference does not know."""

    rows: dict[int, int] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)


def profile_like(
    frame: DataFrame,
    reference: Mapping[str, Mapping[str, Any]],
    *,
    rows: int | None = None,
    categories: Mapping[str, Collection[str]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Count `frame` into the bins and values of a reference profile, in one pass.

    Parameters
    ----------
    frame : DataFrame
        Columns of the reference that it lacks are passed over.
    reference : mapping
        What `profile` returned.
    rows : int, optional
        About how many rows there are. Few are counted on the driver, where there is pyarrow: Java would need longer to
        compile the counting of 20 columns than to count 100,000 rows of them.
    categories : mapping, optional
        Column to all values known for it, where the reference does not say it.

    Returns
    -------
    dict
        As `profile`, with ``mean``, ``std``, ``min``, ``max``, ``distinct_about`` and ``known`` left out. Categories
        have ``unseen``: rows with a value that the reference does not know (part of ``other``), and
        ``unseen_examples``: up to three of those values, to 200 characters; both null when the reference does not say
        all its values.
    """
    present = [name for name in reference if name in frame.columns]
    known = {name: _known(reference[name], (categories or {}).get(name)) for name in present}
    result: dict[str, dict[str, Any]] = {}
    for part in in_parts(present):
        values = values_of(frame, {name: NUMBER if reference[name]["kind"] == "number" else TEXT for name in part})
        sides = [Side(reference[name], known[name]) for name in part]
        on_driver = rows is not None and rows * len(part) <= CELLS_ON_DRIVER and _arrow_is_there(frame)
        found = _counted_here(values, sides) if on_driver else _counted_by_spark(values, sides)
        total = max(sum(one.rows.values()) for one in found)
        result |= {name: _described(side, total, one) for name, side, one in zip(part, sides, found, strict=True)}
    return result


def _known(one: Mapping[str, Any], given: Collection[str] | None) -> Collection[str] | None:
    """Return all values that a reference knows of a category; None when it does not say all of them."""
    if one["kind"] == "number":
        return None
    if given is not None:
        return [text[:TEXT_LENGTH] for text in given]
    rest = one.get("known")
    if rest is None and one["other"] != 0:
        return None
    return [*one["values"], *(rest or ())]


def _described(side: Side, rows: int, found: Counted) -> dict[str, Any]:
    head = {"kind": side.column["kind"], "rows": rows, "nulls": found.rows.get(NULL, 0)}
    if side.is_number:
        return head | bins(side.column["edges"], found.rows)
    unseen = found.rows.get(UNSEEN, 0)
    return head | {
        "values": {text: found.rows.get(FIRST + place, 0) for place, text in enumerate(side.column["values"])},
        "other": found.rows.get(OTHER, 0) + unseen,
        "unseen": None if side.known is None else unseen,
        "unseen_examples": None if side.known is None else sorted(found.unseen),
    }


# --- by Spark ---------------------------------------------------------------------------------------------------------


def _counted_by_spark(values: DataFrame, sides: Sequence[Side]) -> list[Counted]:
    codes = []
    for place, side in enumerate(sides):
        value, base = f"v{place}", place * STRIDE
        codes.append(
            (bin_of(value, side.column["edges"], base), "NULL") if side.is_number else _value_of(value, base, side)
        )
    counts = exploded(values, codes).groupBy("code", "text").count()
    wanted = ("sum(count) AS n", "min(text) AS low", "max(text) AS high", "min_by(text, xxhash64(text)) AS between")
    found = [Counted() for _ in sides]
    for row in counts.groupBy("code").agg(*(F.expr(one) for one in wanted)).collect():
        one = found[row["code"] // STRIDE]
        one.rows[row["code"] % STRIDE] = row["n"]
        one.unseen |= {row[name] for name in ("low", "high", "between") if row[name] is not None}
    return found


def _value_of(text: str, base: int, side: Side) -> tuple[str, str]:
    """Return SQL for the code under which a value is counted against a reference, and for its text where unseen."""
    top, known = list(side.column["values"]), side.known
    place = f"nullif(array_position(array({', '.join(map(literal, top))}), {text}), 0)" if top else "NULL"
    rest = [one for one in known or () if one not in set(top)]
    seen = f"WHEN {text} IN ({', '.join(map(literal, rest))}) THEN {base + OTHER}" if rest else ""
    last = base + (OTHER if known is None else UNSEEN)
    outside = f"CASE WHEN {text} IS NULL THEN {base + NULL} {seen} ELSE {last} END"
    code = f"coalesce(CAST({place} AS INT) + {base + FIRST - 1}, {outside})"
    if known is None:
        return code, "NULL"
    inside = f"{text} IN ({', '.join(map(literal, [*top, *rest]))})" if top or rest else "false"
    return code, f"CASE WHEN NOT {inside} THEN {text} END"


# --- on the driver ----------------------------------------------------------------------------------------------------


def _arrow_is_there(frame: DataFrame) -> bool:
    """Return whether rows can be had as Arrow tables: Spark 4, with pyarrow beside it."""
    return hasattr(frame, "toArrow") and importlib.util.find_spec("pyarrow") is not None


def _counted_here(values: DataFrame, sides: Sequence[Side]) -> list[Counted]:
    table = values.toArrow()
    return [
        _numbers(table.column(place).to_numpy(), side) if side.is_number else _texts(table.column(place), side)
        for place, side in enumerate(sides)
    ]


def _numbers(values: Any, side: Side) -> Counted:
    """Count an array of doubles, NaN for null."""
    edges = [float(one) for one in side.column["edges"]]
    if edges:
        edges[0] = float(np.nextafter(edges[0], -np.inf))  # bins hold their right edge, the first also its left
    there = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, there, side="left"), minlength=len(edges) + 1)
    rows = {code: int(n) for code, n in zip(codes_of(side.column["edges"]), counts, strict=True)}
    return Counted({NULL: len(values) - len(there), **rows})


def _texts(column: Any, side: Side) -> Counted:
    """Count an Arrow column of texts."""
    top = {text: FIRST + place for place, text in enumerate(side.column["values"])}
    known = None if side.known is None else set(side.known)
    rows: Counter[int] = Counter()
    unseen = []
    for pair in column.value_counts().to_pylist():
        text, n = pair["values"], pair["counts"]
        if text is None:
            rows[NULL] += n
        elif text in top:
            rows[top[text]] += n
        elif known is None or text in known:
            rows[OTHER] += n
        else:
            rows[UNSEEN] += n
            unseen.append(text)
    unseen.sort()
    return Counted(dict(rows), {unseen[place] for place in (0, len(unseen) // 2, -1)} if unseen else set())
