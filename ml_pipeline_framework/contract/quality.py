"""The checks of data quality: what each can be told, and what becomes of the rows that fail one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ml_pipeline_framework.contract.options import Option, Table, canonical, filled, problems_in
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.values import not_empty, within

ACTIONS = ("fail", "warn", "quarantine")
DEFAULT_QUARANTINE = "quarantine/data_processing"

#: The options of the section ``quality``, and of a step of that name.
QUALITY: Table = MappingProxyType(
    {
        "checks": Option("checks", "list of checks", required=True),
        "quarantine_path": Option("text", "folder of the rows taken out; each run has its own below it"),
    }
)


@dataclass(frozen=True)
class CheckKind:
    """One kind of check: ``rows``: it finds single rows, which can be put into quarantine."""

    doc: str
    options: Table
    rows: bool = True
    check: Callable[[str, Mapping[str, Any]], list[ParamProblem]] | None = None


_COLUMNS = Option("names", "one column or several", required=True, aliases=("column",))
_NUMBER_OR_TEXT = "a number, or a date or time as text"


def _bounds(place: str, given: Mapping[str, Any]) -> list[ParamProblem]:
    low, high = given.get("min"), given.get("max")
    if low is None and high is None:
        return [ParamProblem(place, "has neither min nor max", "give one of them or both")]
    if low is not None and high is not None:
        if isinstance(low, str) != isinstance(high, str):
            return [ParamProblem(place, f"min {low!r} and max {high!r} are of different kinds")]
        if low > high:
            return [ParamProblem(place, f"min {low!r} lies above max {high!r}")]
    return []


CHECKS: Mapping[str, CheckKind] = MappingProxyType(
    {
        "required_columns": CheckKind(
            "the table has these columns",
            {"columns": _COLUMNS},
            rows=False,
        ),
        "not_null": CheckKind("no nulls", {"columns": _COLUMNS}),
        "null_share": CheckKind(
            "at most this share of the rows is null",
            {"columns": _COLUMNS, "max": Option("number", "largest share, 0 to 1", required=True, check=within(0, 1))},
            rows=False,
        ),
        "range": CheckKind(
            "values from min to max, both included; nulls pass",
            {
                "columns": _COLUMNS,
                "min": Option("scalar", _NUMBER_OR_TEXT),
                "max": Option("scalar", _NUMBER_OR_TEXT),
            },
            check=_bounds,
        ),
        "allowed": CheckKind(
            "one of these values; nulls pass",
            {"columns": _COLUMNS, "values": Option("values", "list of the values", required=True, check=not_empty)},
        ),
        "unique": CheckKind(
            "no two rows with the same key",
            {"columns": Option("names", "columns of the key", required=True, aliases=("keys", "column"))},
        ),
        "row_count": CheckKind(
            "so many rows",
            {
                "min": Option("integer", "fewest", check=within(0, 2**62)),
                "max": Option("integer", "most", check=within(0, 2**62)),
            },
            rows=False,
            check=_bounds,
        ),
        "expression": CheckKind(
            "a condition in SQL that is not false for any row",
            {"where": Option("text", "the condition", required=True, aliases=("sql", "expression"))},
        ),
    }
)

_ALWAYS: Table = {
    "check": Option("text", "the kind of check", required=True),
    "action": Option("text", "what a failed check does", choices=ACTIONS, default="fail"),
    "name": Option("text", "what the report calls it"),
}
_TOLERANCE: Table = {
    "max_bad_share": Option("number", "so large a share of bad rows is accepted", check=within(0, 1)),
}


def _table(kind: CheckKind) -> Table:
    return {**_ALWAYS, **kind.options, **(_TOLERANCE if kind.rows else {})}


def canonical_quality(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a quality section as it is stored; what is wrong stays as it is."""
    checks = options.get("checks")
    if not isinstance(checks, (list, tuple)):
        return dict(options)
    return {**options, "checks": [_canonical_check(one) for one in checks]}


def _canonical_check(one: Any) -> Any:
    kind = CHECKS.get(str(one.get("check"))) if isinstance(one, Mapping) else None
    return one if kind is None else canonical(one, _table(kind))


def read_checks(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return checked, canonical checks with their defaults."""
    return [filled(one, _table(CHECKS[one["check"]])) for one in options["checks"]]


def quality_problems(place: str, options: Mapping[str, Any]) -> list[ParamProblem]:
    """Return what is wrong with the checks of a canonical quality section."""
    problems: list[ParamProblem] = []
    checks = options.get("checks")
    if not isinstance(checks, (list, tuple)) or not all(isinstance(one, Mapping) for one in checks):
        return problems  # told already: it is not a list of checks
    for index, one in enumerate(checks):
        here = f"{place}.checks[{index}]"
        name = one.get("check")
        if name is None:
            hint = f"one of {', '.join(sorted(CHECKS))}, such as {{check: not_null, column: carrier}}"
            problems.append(ParamProblem(f"{here}.check", "is missing", hint))
        elif name not in CHECKS:
            problems.append(ParamProblem(f"{here}.check", f"{name!r} is not a check", nearest(str(name), CHECKS)))
        else:
            problems += _check_problems(here, one, CHECKS[name])
    return problems


def _check_problems(here: str, one: Mapping[str, Any], kind: CheckKind) -> list[ParamProblem]:
    found = problems_in(here, one, _table(kind), f"the check {one['check']}")
    if found:
        return found
    if one.get("action") == "quarantine" and not kind.rows:
        what = f"{one['check']} finds no single rows that could be put into quarantine"
        found.append(ParamProblem(f"{here}.action", what, "fail or warn"))
    return found + (kind.check(here, one) if kind.check is not None else [])
