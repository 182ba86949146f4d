"""What a step of the data processing job can do: one table of operations, with their options."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ml_pipeline_framework.contract.options import Option, Table, one_of, pairs
from ml_pipeline_framework.contract.problems import ParamProblem
from ml_pipeline_framework.contract.quality import QUALITY, quality_problems
from ml_pipeline_framework.contract.values import matching, within

#: Spellings of Spark's join types, and the one that is stored in the report.
JOIN_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "inner": "inner",
        "left": "left",
        "left_outer": "left",
        "right": "right",
        "right_outer": "right",
        "full": "full",
        "outer": "full",
        "full_outer": "full",
        "semi": "left_semi",
        "left_semi": "left_semi",
        "anti": "left_anti",
        "left_anti": "left_anti",
        "cross": "cross",
    }
)
EXPECTED = ("many_to_one", "one_to_one", "one_to_many", "many_to_many")

TABLE_NAME = matching(r"[A-Za-z_][A-Za-z0-9_]{0,62}", "a name for a table (letters, digits, _; no digit first)")


@dataclass(frozen=True)
class Operation:
    """What one operation can be told. ``main`` is the option that a value alone stands for."""

    doc: str
    options: Table
    main: str = ""
    #: The main option is itself a mapping: the long form is known by this key being there.
    main_is_mapping: bool = False
    check: Callable[[str, Mapping[str, Any]], list[ParamProblem]] | None = None


_POSITIVE = within(1, 1_000_000)
_SEED = Option("integer", "another seed draws other keys", default=42, check=within(0, 2**31 - 1))
_KEY_COLUMNS = "columns that identify a row"


def _is_function(value: Any) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", value):
        return ""
    return f"{value!r} is not of the form module:function"


def _is_query(value: Any) -> str:
    first = value.split(None, 1)[0].lower() if value.strip() else ""
    return "" if first in ("select", "with") else "is not a query: it must begin with SELECT or WITH"


def _rename_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    columns = given.get("columns")
    if not isinstance(columns, Mapping):
        return [ParamProblem(f"{place}.columns", f"{columns!r} is not a mapping", "old name to new name")]
    new = list(columns.values())
    twice = sorted({name for name in new if new.count(name) > 1})
    return [ParamProblem(f"{place}.columns", f"gives two columns the name {name!r}") for name in twice]


def _join_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    how = given.get("how", "inner")
    if how == "cross":
        said = [name for name in ("keys", "condition", "expect") if given.get(name) is not None]
        return [ParamProblem(f"{place}.{name}", "has no meaning in a cross join", "leave it out") for name in said]
    problems = one_of(place, given, ("keys", "condition"))
    if given.get("condition") is not None and given.get("expect") not in (None, "many_to_many"):
        problems.append(ParamProblem(f"{place}.expect", "is checked by keys, and there are none", "give keys"))
    return problems


def _split_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    problems = one_of(place, given, ("where", "shares"))
    made = [name for name, _ in pairs(given.get("where") or given.get("shares") or ())]
    others = given.get("others")
    for name in [*made, *([others] if isinstance(others, str) else [])]:
        if wrong := TABLE_NAME(name):
            problems.append(ParamProblem(place, wrong))
    if isinstance(others, str) and others in made:
        problems.append(ParamProblem(f"{place}.others", f"names {others!r}, which is made already", "another name"))
    if given.get("shares") is not None:
        shares = [one for _, one in pairs(given["shares"])]
        if given.get("keys") is None:
            problems.append(ParamProblem(f"{place}.keys", "is missing", _KEY_COLUMNS + "; their hash decides"))
        good = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in shares)
        total = math.fsum(shares) if good else 1
        if total > 1 + 1e-9 or (total < 1 - 1e-9 and others is None):
            problems.append(
                ParamProblem(f"{place}.shares", f"add up to {total:g}, not to 1", "or name the rest with others")
            )
    elif given.get("keys") is not None:
        problems.append(ParamProblem(f"{place}.keys", "is for shares", "leave it out"))
    return problems


def _cast_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    types = dict(pairs(given.get("columns") or ()))
    if given.get("format") is None:
        return []
    return [
        ParamProblem(f"{place}.format", f"is for dates and timestamps, not for {name} {kind}", "two cast steps")
        for name, kind in types.items()
        if str(kind).strip().lower() not in ("date", "timestamp", "timestamp_ntz", "timestamp_ltz")
    ]


def _fill_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    return [
        ParamProblem(f"{place}.columns.{name}", f"{value!r} is not a number that the report can hold", "derive it")
        for name, value in (given.get("columns") or {}).items()
        if isinstance(value, float) and not math.isfinite(value)
    ]


def _repartition_problems(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    if given.get("partitions") is None and given.get("by") is None:
        return [ParamProblem(place, "says neither partitions nor by", "give a number, columns, or both")]
    return []


def _sql(doc: str) -> Option:
    return Option("text", doc, required=True)


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "select": Operation(
            "keep these columns, in this order", {"columns": Option("names", "columns", required=True)}, "columns"
        ),
        "drop": Operation("leave columns out", {"columns": Option("names", "columns", required=True)}, "columns"),
        "rename": Operation(
            "give columns other names",
            {"columns": Option("pairs", "old name to new name", required=True)},
            "columns",
            True,
            _rename_problems,
        ),
        "cast": Operation(
            "give columns other types; what can't be converted is counted",
            {
                "columns": Option("types", "column to type", required=True),
                "on_error": Option(
                    "text",
                    "what a value that can't be converted does: becomes null, rejects its row, fails the job",
                    choices=("null", "reject", "fail"),
                    default="null",
                ),
                "format": Option("text", "pattern of dates and timestamps in texts, such as dd.MM.yyyy"),
                "max_bad_share": Option("number", "fail when more of the rows are bad", check=within(0, 1)),
            },
            "columns",
            True,
            _cast_problems,
        ),
        "filter": Operation("keep the rows for which this is true", {"where": _sql("a condition in SQL")}, "where"),
        "drop_duplicates": Operation(
            "keep one row of each key",
            {
                "keys": Option(
                    "names",
                    _KEY_COLUMNS + "; all columns when left out",
                    aliases=("subset", "columns"),
                    may_be_empty=True,
                ),
                "order_by": Option("names", "which row stays: the first in this order (col, col DESC)"),
            },
            "keys",
        ),
        "fill": Operation(
            "put values in the place of nulls",
            {"columns": Option("scalars", "column to value", required=True)},
            "columns",
            True,
            _fill_problems,
        ),
        "derive": Operation(
            "add or replace columns, one after the other",
            {"columns": Option("expressions", "column to SQL expression", required=True)},
            "columns",
            True,
        ),
        "join": Operation(
            "bring in the columns of another table",
            {
                "with": Option("text", "the other table", required=True),
                "keys": Option("pairs", "columns with equal values: names, or mine: theirs", aliases=("on", "using")),
                "condition": Option("text", "in place of keys: a condition in SQL"),
                "how": Option("text", "the kind of join", choices=tuple(JOIN_TYPES), default="inner"),
                "suffix": Option("text", "appended to columns of the other table whose names are taken; default _with"),
                "select": Option("names", "columns of the other table to bring in; default all"),
                "expect": Option("text", "fail unless keys match like this", choices=EXPECTED),
                "broadcast": Option("flag", "send the other table to all executors: it is small", default=False),
            },
            check=_join_problems,
        ),
        "union": Operation(
            "add the rows of other tables, columns by name",
            {
                "with": Option("names", "the other tables", required=True),
                "missing": Option(
                    "text",
                    "a column that one lacks: an error, or filled with nulls",
                    choices=("error", "fill"),
                    default="error",
                ),
            },
            "with",
        ),
        "aggregate": Operation(
            "one row per group",
            {
                "by": Option("names", "columns that make a group; none: all rows are one"),
                "columns": Option(
                    "expressions", "new column to SQL aggregate", required=True, aliases=("aggregates", "metrics")
                ),
            },
        ),
        "window": Operation(
            "add columns computed over neighbouring rows",
            {
                "partition_by": Option("names", "columns whose equal values are one neighbourhood", required=True),
                "order_by": Option("names", "order inside it (col, col DESC)"),
                "between": Option("text", "the frame in SQL: RANGE BETWEEN ... AND ..., ROWS BETWEEN ... AND ..."),
                "columns": Option(
                    "expressions", "new column to SQL function, without OVER", required=True, aliases=("functions",)
                ),
            },
        ),
        "sample": Operation(
            "keep a share of the keys: the same ones in every run and on every cluster",
            {
                "fraction": Option("number", "share of the keys", required=True, check=within(0, 1, low_open=True)),
                "keys": Option("names", _KEY_COLUMNS + "; all columns when left out"),
                "seed": _SEED,
            },
            "fraction",
        ),
        "split": Operation(
            "divide the rows among new tables; the table itself stays",
            {
                "where": Option("expressions", "new table to condition in SQL; the first that is true takes the row"),
                "shares": Option("shares", "new table to share of the keys"),
                "keys": Option("names", _KEY_COLUMNS + ": rows with one key stay together"),
                "others": Option("text", "new table for the rows that no other takes; they are dropped when left out"),
                "seed": _SEED,
            },
            check=_split_problems,
        ),
        "sort": Operation(
            "put rows in order",
            {
                "by": Option("names", "columns (col, col DESC)", required=True),
                "within_partitions": Option("flag", "each partition by itself", default=False),
            },
            "by",
        ),
        "repartition": Operation(
            "lay rows out anew",
            {
                "partitions": Option("integer", "how many", check=_POSITIVE),
                "by": Option("names", "rows with equal values here come together"),
            },
            "partitions",
            check=_repartition_problems,
        ),
        "function": Operation(
            "a Python function DataFrame -> DataFrame, shipped by additional_py_files",
            {
                "call": Option("text", "module:function", required=True, check=_is_function),
                "args": Option("mapping", "keyword arguments"),
            },
            "call",
        ),
        "sql": Operation(
            "a whole query over the tables by their names",
            {"query": Option("text", "SELECT ... FROM ...", required=True, check=_is_query)},
            "query",
        ),
        "quality": Operation("check the rows here", QUALITY, check=quality_problems),
    }
)
