"""Options inside mappings: a table says what may stand there, one function finds everything that is wrong.

What a user writes in YAML below ``inputs``, ``steps``, ``quality`` and ``outputs`` is checked here down to the leaves,
and told under the place where it stands (``steps[3].join.how``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.sql_types import type_problem
from ml_pipeline_framework.contract.values import coerce

Check = Callable[[Any], str]

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True)
class Option:
    """What may stand under one name.

    ``kind`` is a kind of `values.coerce`, or one of: ``names`` (one name or a list of them), ``pairs`` (names, or
    a mapping of name to name), ``expressions`` (name to SQL, in order), ``types`` (name to type of Spark SQL, in
    order), ``scalars`` (name to plain value), ``shares`` (name to number, in order), ``size`` (``128m``), ``checks``.
    """

    kind: str
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    check: Check | None = None
    aliases: tuple[str, ...] = ()
    default: Any = None
    #: An empty list is as good as none.
    may_be_empty: bool = False


Table = Mapping[str, Option]

#: Kinds whose order matters. JSON objects are written sorted, so these are stored as lists of one-key mappings.
ORDERED = ("expressions", "types", "shares")


def as_pairs(value: object) -> list[dict[str, Any]] | None:
    """Return a mapping, or a list of one-key mappings, as the latter; None when it is neither."""
    if isinstance(value, Mapping):
        return [{str(name): one} for name, one in value.items()]
    if isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) and len(one) == 1 for one in value):
        return [dict(one) for one in value]
    return None


def pairs(value: object) -> list[tuple[str, Any]]:
    """Return what `as_pairs` gives as tuples."""
    return [next(iter(one.items())) for one in as_pairs(value) or []]


def names(value: object) -> tuple[str, ...]:
    """Return one name, or a list of names, as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, (list, tuple)) else ()


def size_bytes(value: object) -> int | None:
    """Return a size (``128m``, ``1 GiB``, a number of bytes) in bytes; None when it is not one. Units are binary."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return (int(match.group(1)) * _FACTORS[match.group(2).lower()] or None) if match else None


def canonical(given: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return options in the form that is stored: own names for aliases, lists for what has an order, no nulls."""
    own = {alias: name for name, option in table.items() for alias in option.aliases}
    result: dict[str, Any] = {}
    for key, value in given.items():
        name = own.get(key, key)
        if name in result:
            name = key  # said twice: both stay, and the check tells it
        ordered = as_pairs(value) if name in table and table[name].kind in ORDERED else None
        if value is not None:
            result[name] = value if ordered is None else ordered
    return result


def filled(given: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return checked options with the defaults of those that are not given; names as tuples, sizes in bytes."""
    values = {name: option.default for name, option in table.items()} | dict(given)
    for name, option in table.items():
        if values[name] is None:
            continue
        if option.kind == "names":
            values[name] = names(values[name])
        elif option.kind in ORDERED:
            values[name] = tuple(pairs(values[name]))
        elif option.kind == "size":
            values[name] = size_bytes(values[name])
    return values


def problems_in(place: str, given: object, table: Table, what: str) -> list[ParamProblem]:
    """Return everything that is wrong with the options at a place: unknown, doubled, missing, of the wrong kind.

    Parameters
    ----------
    what : str
        What the mapping describes, for the message about an unknown option: "the step join".
    """
    if not isinstance(given, Mapping):
        return [ParamProblem(place, f"{given!r} is not a mapping", f"options of {what}: {', '.join(table)}")]
    problems = []
    misspelt = {nearest(str(key), table) for key in given if key not in table}
    aliases = {alias: name for name, option in table.items() for alias in option.aliases}
    for key, value in given.items():
        option = table.get(key)
        if option is None and key in aliases:
            problems.append(ParamProblem(f"{place}.{key}", f"says the same as {aliases[key]}", "keep one"))
        elif option is None:
            problems.append(ParamProblem(f"{place}.{key}", f"is not an option of {what}", nearest(str(key), table)))
        elif value is not None:
            problems += _value_problems(f"{place}.{key}", value, option)
    for name, option in table.items():
        if option.required and given.get(name) is None and f"did you mean {name}?" not in misspelt:
            problems.append(ParamProblem(f"{place}.{name}", "is missing", option.doc))
    return problems


def _value_problems(place: str, value: object, option: Option) -> list[ParamProblem]:
    if option.may_be_empty and value in ([], ()):
        return []
    reader = _READERS.get(option.kind)
    problems = reader(place, value, option.doc) if reader is not None else _plain(place, value, option)
    if not problems and option.check is not None and (wrong := option.check(value)):
        problems = [ParamProblem(place, wrong, option.doc)]
    return problems


def _plain(place: str, value: object, option: Option) -> list[ParamProblem]:
    try:
        coerce(option.kind, value)
    except ValueError as error:
        return [ParamProblem(place, str(error), option.doc)]
    if option.choices and value not in option.choices:
        close = nearest(str(value), option.choices)
        return [ParamProblem(place, f"{value!r} is none of {', '.join(option.choices)}", close)]
    return [ParamProblem(place, "is empty", option.doc)] if value == "" else []


def _names(place: str, value: object, doc: str) -> list[ParamProblem]:
    found = names(value)
    if not found or not all(isinstance(one, str) and one for one in found):
        return [ParamProblem(place, f"{value!r} is neither a name nor a list of names", doc)]
    twice = sorted({one for one in found if found.count(one) > 1})
    return [ParamProblem(place, f"names {', '.join(twice)} twice", doc)] if twice else []


def _name_pairs(place: str, value: object, doc: str) -> list[ParamProblem]:
    if not isinstance(value, Mapping):
        return _names(place, value, doc)
    good = value and all(isinstance(one, str) and one for pair in value.items() for one in pair)
    return [] if good else [ParamProblem(place, f"{value!r} is not a mapping of names to names", doc)]


def _ordered(check: Check, meaning: str) -> Callable[[str, object, str], list[ParamProblem]]:
    """Return a reader of name-to-something in an order."""

    def read(place: str, value: object, doc: str) -> list[ParamProblem]:
        if as_pairs(value) is None or not pairs(value):
            return [ParamProblem(place, f"{value!r} is not a mapping of {meaning}", doc)]
        found = pairs(value)
        problems = [ParamProblem(f"{place}.{name}", wrong, doc) for name, one in found if (wrong := check(one))]
        seen = [name for name, _ in found]
        twice = sorted({name for name in seen if seen.count(name) > 1})
        return problems + [ParamProblem(f"{place}.{name}", "stands twice", "keep one") for name in twice]

    return read


def _is_sql(value: object) -> str:
    if isinstance(value, (bool, int, float)):
        return ""  # a constant is an expression
    return "" if isinstance(value, str) and value.strip() else f"{value!r} is not an SQL expression"


def _is_share(value: object) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1
    return "" if good else f"{value!r} is not a share between 0 and 1"


def _scalars(place: str, value: object, doc: str) -> list[ParamProblem]:
    if not isinstance(value, Mapping) or not value:
        return [ParamProblem(place, f"{value!r} is not a mapping of columns to values", doc)]
    good = (bool, int, float, str)
    return [
        ParamProblem(f"{place}.{name}", f"{one!r} is not a plain value", doc)
        for name, one in value.items()
        if not isinstance(one, good)
    ]


def _size(place: str, value: object, doc: str) -> list[ParamProblem]:
    return [] if size_bytes(value) else [ParamProblem(place, f"{value!r} is not a size such as 128m", doc)]


def _checks(place: str, value: object, doc: str) -> list[ParamProblem]:
    good = isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) for one in value)
    return [] if good else [ParamProblem(place, f"{value!r} is not a list of checks", doc)]


_READERS: Mapping[str, Callable[[str, object, str], list[ParamProblem]]] = {
    "names": _names,
    "pairs": _name_pairs,
    "expressions": _ordered(_is_sql, "columns to SQL expressions"),
    "types": _ordered(type_problem, "columns to types"),
    "shares": _ordered(_is_share, "names to shares"),
    "scalars": _scalars,
    "size": _size,
    "checks": _checks,
}


def one_of(place: str, given: Mapping[str, Any], choices: Sequence[str]) -> list[ParamProblem]:
    """Check that exactly one of several options is there."""
    said = [name for name in choices if given.get(name) is not None]
    if len(said) == 1:
        return []
    what = f"has {' and '.join(said)}" if said else f"has none of {', '.join(choices)}"
    return [ParamProblem(place, what, f"give one of {', '.join(choices)}")]


def known(place: str, wanted: Iterable[str], tables: Iterable[str], what: str = "table") -> list[ParamProblem]:
    """Check that names are known."""
    there = sorted(set(tables))
    return [
        ParamProblem(place, f"{name!r} is not a {what} here", nearest(name, there) if there else "there is none yet")
        for name in wanted
        if name not in there
    ]
