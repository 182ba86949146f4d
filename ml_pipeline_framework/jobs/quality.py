"""Checks of data quality: what each counts, and which rows go into quarantine.

All checks of a table that look at rows are answered by one aggregation, the row count with them. Only ``unique`` needs
rows brought together by key: one aggregation per key, or, where duplicates go into quarantine, a window before it.
Nulls: ``not_null`` and ``null_share`` count them; ``range``, ``allowed`` and ``expression`` let them pass, as SQL's
``CHECK`` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs.casts import REASONS
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, TIME, kind_of, quoted

Check = Mapping[str, Any]
Finding = dict[str, Any]

_ROWS = "rows"


def prepared(frame: DataFrame, checks: Sequence[Check]) -> DataFrame:
    """Return the frame with the columns that the checks need beside its own: the number of rows with the same key."""
    for number, one in enumerate(checks):
        if one["check"] == "unique" and one["action"] == "quarantine":
            by = ", ".join(quoted(name) for name in one["columns"])
            frame = frame.withColumn(_copies(number), F.expr(f"count(*) OVER (PARTITION BY {by})"))
    return frame


def _copies(number: int) -> str:
    return f"_copies_{number}"


def row_tests(frame: DataFrame, number: int, check: Check) -> dict[str, Column]:
    """Return, per column of a check that looks at rows, what is true of a bad row; ``*`` where no column is named.

    Raises
    ------
    DataError
        A value that does not fit the column's type.
    """
    kind = check["check"]
    if kind == "expression":
        return {"*": ~F.coalesce(F.expr(check["where"]), F.lit(True))}
    if kind == "unique":
        return {", ".join(check["columns"]): F.col(_copies(number)) > 1} if check["action"] == "quarantine" else {}
    tests = {}
    for name in check["columns"]:
        column = F.col(quoted(name))
        if kind == "not_null":
            tests[name] = column.isNull()
        elif kind == "range":
            low = F.lit(False) if check["min"] is None else column < _literal(frame, name, check["min"])
            high = F.lit(False) if check["max"] is None else column > _literal(frame, name, check["max"])
            outside = low | high | F.isnan(column) if _may_be_nan(frame, name) else low | high
            tests[name] = F.coalesce(outside, F.lit(False))
        elif kind == "allowed":
            values = [_literal(frame, name, value) for value in check["values"] if value is not None]
            tests[name] = F.coalesce(~column.isin(*values), F.lit(False))
    return tests


def _may_be_nan(frame: DataFrame, name: str) -> bool:
    """Whether a column may hold NaN, which Spark takes for greater than every number: it lies in no range."""
    return isinstance(frame.schema[name].dataType, (DoubleType, FloatType))


def _is_a_time(frame: DataFrame, value: str, data_type: str) -> bool:
    """Whether a text is a date or time: without ANSI rules one that is none becomes null, and every row would pass."""
    found = frame.sparkSession.sql(f"SELECT try_cast(:value AS {data_type}) AS value", args={"value": value}).first()
    return found is not None and found["value"] is not None


def _literal(frame: DataFrame, name: str, value: Any) -> Column:
    """Return a bound in the type of its column, where the two are of one kind."""
    data_type = frame.schema[name].dataType
    kind = kind_of(data_type)
    given = BOOLEAN if isinstance(value, bool) else NUMBER if isinstance(value, (int, float)) else TEXT
    if kind != given and not (kind == TIME and given == TEXT):
        raise DataError(f"{name} is {data_type.simpleString()}, which {value!r} is not")
    if kind == TIME and not _is_a_time(frame, value, data_type.simpleString()):
        raise DataError(f"{name} is {data_type.simpleString()}, which {value!r} is not: write it as 2013-12-31")
    # A number keeps its own type: 0.5 as a bound of an int column must not become 0.
    return F.lit(value).cast(data_type) if kind == TIME else F.lit(value)


def tests_of(frame: DataFrame, checks: Sequence[Check]) -> list[dict[str, Column]]:
    """Return `row_tests` of every check; none for checks that look at the table as a whole."""
    of_rows = ("not_null", "range", "allowed", "unique", "expression")
    return [row_tests(frame, i, one) if one["check"] in of_rows else {} for i, one in enumerate(checks)]


def aggregates(checks: Sequence[Check], tests: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return everything that one aggregation has to count, by name."""
    found = {_ROWS: F.count(F.lit(1))}
    for number, (check, of_rows) in enumerate(zip(checks, tests, strict=True)):
        for place, test in enumerate(of_rows.values()):
            found[f"bad_{number}_{place}"] = F.count_if(test)
        if check["check"] == "null_share":
            for place, name in enumerate(check["columns"]):
                found[f"bad_{number}_{place}"] = F.count_if(F.col(quoted(name)).isNull())
    quarantined = _quarantined(checks, tests)
    if quarantined is not None:
        found["quarantined"] = F.count_if(quarantined)
    return found


def _any(tests: Any) -> Column:
    found = F.lit(False)
    for one in tests:
        found = found | one
    return found


def _quarantined(checks: Sequence[Check], tests: Sequence[Mapping[str, Column]]) -> Column | None:
    """Return whether a row goes into quarantine; None when no check sends any there."""
    bad = [
        one
        for check, of_rows in zip(checks, tests, strict=True)
        if check["action"] == "quarantine"
        for one in of_rows.values()
    ]
    return _any(bad) if bad else None


def good_rows(frame: DataFrame, columns: Sequence[str], checks: Sequence[Check]) -> DataFrame:
    """Return the rows that stay."""
    bad = _quarantined(checks, tests_of(frame, checks))
    kept = frame if bad is None else frame.where(~bad)
    return kept.select(*(F.col(quoted(name)) for name in columns))


def bad_rows(frame: DataFrame, columns: Sequence[str], checks: Sequence[Check]) -> DataFrame:
    """Return the rows for the quarantine, with a list of the reasons in ``_reasons``."""
    tests = tests_of(frame, checks)
    bad = _quarantined(checks, tests)
    assert bad is not None  # the caller asks only when a check sends rows there
    reasons = [
        F.when(test, F.lit(f"{check['name'] or check['check']}: {column}"))
        for check, of_rows in zip(checks, tests, strict=True)
        if check["action"] == "quarantine"
        for column, test in of_rows.items()
    ]
    told = F.filter(F.array(*reasons), lambda one: one.isNotNull()).alias(REASONS)
    return frame.where(bad).select(*(F.col(quoted(name)) for name in columns), told)


def duplicates(frame: DataFrame, keys: Sequence[str]) -> tuple[int, int]:
    """Return how many rows share their key with another row, and how many keys are shared. One Spark job."""
    groups = frame.groupBy(*(F.col(quoted(name)) for name in keys)).agg(F.count(F.lit(1)).alias("_n"))
    row = (
        groups.where("_n > 1").agg(F.coalesce(F.sum("_n"), F.lit(0)).alias("rows"), F.count("*").alias("keys")).first()
    )
    assert row is not None  # an aggregate without groups has one row
    return int(row["rows"]), int(row["keys"])


def findings(frame: DataFrame, checks: Sequence[Check], counts: Mapping[str, Any]) -> list[Finding]:
    """Return what each check found, one entry per check and column.

    Parameters
    ----------
    counts : mapping
        What `aggregates` counted; ``duplicates_<number>`` for each check ``unique`` that keeps its rows.
    """
    rows = int(counts[_ROWS])
    found: list[Finding] = []
    for number, check in enumerate(checks):
        kind = check["check"]
        if kind == "required_columns":
            for name in check["columns"]:
                there = name in frame.columns
                found.append(_finding(check, name, "present", "present" if there else "missing", None, there))
        elif kind == "row_count":
            low, high = check["min"], check["max"]
            good = (low is None or rows >= low) and (high is None or rows <= high)
            limit = f"{'' if low is None else low}..{'' if high is None else high}"
            found.append(_finding(check, None, limit, rows, None, good))
        elif kind == "unique" and check["action"] != "quarantine":
            bad = int(counts[f"duplicates_{number}"])
            found.append(_of_rows(check, ", ".join(check["columns"]), bad, rows))
        else:
            names = ["*"] if kind == "expression" else check["columns"]
            names = [", ".join(check["columns"])] if kind == "unique" else names
            for place, name in enumerate(names):
                bad = int(counts[f"bad_{number}_{place}"])
                if kind == "null_share":
                    share = bad / rows if rows else 0.0
                    found.append(_finding(check, name, check["max"], round(share, 6), bad, share <= check["max"]))
                else:
                    found.append(_of_rows(check, None if name == "*" else name, bad, rows))
    return found


def _of_rows(check: Check, column: str | None, bad: int, rows: int) -> Finding:
    share, most = (bad / rows if rows else 0.0), check["max_bad_share"]
    return _finding(check, column, _limit(check), bad, bad, bad == 0 if most is None else share <= most)


def _limit(check: Check) -> str:
    """Return what a check demands of a row, in a few words."""
    kind = check["check"]
    if kind == "range":
        return f"{'' if check['min'] is None else check['min']}..{'' if check['max'] is None else check['max']}"
    if kind == "allowed":
        return json.dumps(list(check["values"]), ensure_ascii=False)[:200]
    return str(check["where"]) if kind == "expression" else kind.replace("_", " ")


def _finding(check: Check, column: str | None, limit: Any, found: Any, rows: int | None, passed: bool) -> Finding:
    return {
        "check": check["check"],
        "name": check["name"] or "",
        "column": column,
        "limit": limit,
        "found": found,
        "rows": rows,
        "action": check["action"],
        "passed": bool(passed),
        # A quarantine with a tolerance is a limit too: more than that are not single bad rows.
        "ends_job": not passed and (check["action"] == "fail" or _has_limit(check)),
    }


def _has_limit(check: Check) -> bool:
    return check["action"] == "quarantine" and check["max_bad_share"] is not None


def said(one: Finding) -> str:
    """Return a finding as one line."""
    what = f"{one['check']}{' of ' + one['column'] if one['column'] else ''}"
    title = f"{one['name']} ({what})" if one["name"] else what
    rows = f"{one['rows']:,} rows" if one["rows"] is not None else f"found {one['found']}"
    return f"{title}: {rows}, wanted {one['limit']}"
