"""Whether a text names a Spark SQL type (``decimal(10,2)``, ``array<string>``): checked without Spark, on the edge."""

from __future__ import annotations

import re

from ml_pipeline_framework.contract.problems import nearest

#: The words of Spark's grammar (SqlBaseParser.g4, primitive types) that mean one thing in 3.5 and in 4.x.
_PLAIN = frozenset(
    (
        "boolean",
        "tinyint",
        "byte",
        "smallint",
        "short",
        "int",
        "integer",
        "bigint",
        "long",
        "float",
        "real",
        "double",
        "decimal",
        "dec",
        "numeric",
        "string",
        "binary",
        "date",
        "timestamp",
        "timestamp_ntz",
        "timestamp_ltz",
    )
)
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|[^\s<>(),:`]+|[<>(),:])")
_MOST_DIGITS = 38


def type_problem(text: object) -> str:
    """Return what is wrong with the name of a type; "" when Spark reads it."""
    if not isinstance(text, str):
        return f"{text!r} is not the name of a type, such as int, decimal(10,2) or timestamp"
    tokens = _TOKEN.findall(text)
    if not tokens or _TOKEN.sub("", text).strip():
        return f"{text!r} is not a type of Spark SQL ({nearest(text, _PLAIN)})"
    try:
        rest = _type(tokens)
    except ValueError as error:
        return f"{text!r} is not a type of Spark SQL: {error}"
    return f"{text!r} is not a type of Spark SQL: {''.join(rest)!r} stands after its end" if rest else ""


def _type(tokens: list[str]) -> list[str]:
    """Read one type off the front and return the rest; ValueError when there is none."""
    if not tokens:
        raise ValueError("it ends too early")
    word, rest = tokens[0].lower(), tokens[1:]
    if word == "array":
        return _closed(_type(_after("<", rest)))
    if word == "map":
        return _closed(_type(_after(",", _type(_after("<", rest)))))
    if word == "struct":
        return _fields(_after("<", rest))
    if word in ("char", "varchar"):
        _, rest = _numbers(rest, 1, 1)
        return rest
    if word not in _PLAIN:
        raise ValueError(f"{tokens[0]!r}: {nearest(word, [*_PLAIN, 'array', 'map', 'struct', 'char', 'varchar'])}")
    if word in ("decimal", "dec", "numeric") and rest[:1] == ["("]:
        found, rest = _numbers(rest, 1, 2)
        if not 1 <= found[0] <= _MOST_DIGITS or (len(found) > 1 and found[1] > found[0]):
            raise ValueError(f"a decimal has 1 to {_MOST_DIGITS} digits, and at most so many after the point")
    return rest


def _fields(tokens: list[str]) -> list[str]:
    while True:
        if not tokens or not re.fullmatch(r"\w+|`.+`", tokens[0]):
            raise ValueError("a struct is written struct<name: type, ...>")
        tokens = tokens[2:] if tokens[1:2] == [":"] else tokens[1:]
        tokens = _type(tokens)
        if tokens[:1] != [","]:
            return _closed(tokens)
        tokens = tokens[1:]


def _after(sign: str, tokens: list[str]) -> list[str]:
    if tokens[:1] != [sign]:
        raise ValueError(f"{sign!r} is missing")
    return tokens[1:]


def _closed(tokens: list[str]) -> list[str]:
    return _after(">", tokens)


def _numbers(tokens: list[str], fewest: int, most: int) -> tuple[list[int], list[str]]:
    """Read ``(10,2)``."""
    tokens = _after("(", tokens)
    end = tokens.index(")") if ")" in tokens else -1
    inside = tokens[:end] if end >= 0 else []
    found = [int(one) for one in inside[::2] if one.isdecimal()]
    if end < 0 or len(found) * 2 - 1 != len(inside) or not fewest <= len(found) <= most:
        raise ValueError("sizes are written such as (10) or (10,2)")
    return found, tokens[end + 1 :]
