"""How values are read from YAML, JSON and flags, and the checks that parameters share."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_EXPECTED = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "texts": "a list of names",
    "mapping": "a mapping of names to values",
    "flag": "true or false",
    "mappings": "a list of mappings",
    "values": "a list of plain values",
    "scalar": "a text, a number, true or false",
}


def coerce(kind: str, value: object) -> object:
    """Return `value` in the form that `kind` stores; ValueError with a message when it is something else."""
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} is not a finite number")
        return float(value)
    if kind == "texts" and isinstance(value, (list, tuple)) and all(isinstance(one, str) and one for one in value):
        if len(set(value)) < len(value):
            raise ValueError(f"{list(value)!r} names something twice")
        return tuple(value)
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind == "scalar" and isinstance(value, (str, bool, int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value!r} is not a finite number")
        return value
    if kind == "mappings" and isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) for one in value):
        return tuple(dict(one) for one in value)
    if (
        kind == "values"
        and isinstance(value, (list, tuple))
        and not any(isinstance(one, (Mapping, list, tuple)) for one in value)
    ):
        return tuple(value)
    if kind == "mapping" and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise ValueError(f"{value!r} is not {_EXPECTED[kind]}")


def scalar(text: str) -> object:
    """Return a flag's text as JSON would read it (number, true, false, null), else the text itself."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def from_text(kind: str, text: str) -> object:
    """Return what a flag's text says, as plain values for `coerce`; ValueError when it can't be read."""
    if kind == "text":
        return text
    if kind == "texts":
        return [one.strip() for one in text.split(",")] if text.strip() else []
    if kind in ("integer", "number"):
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {_EXPECTED[kind]}") from None
    if kind == "scalar":
        return scalar(text)
    if kind == "flag":
        words = {"true": True, "false": False}
        return words.get(text.strip().lower(), text)
    if kind in ("mappings", "values") or text.lstrip().startswith("{"):
        if kind == "values" and not text.lstrip().startswith("["):
            return [scalar(one.strip()) for one in text.split(",")] if text.strip() else []
        return scalar(text)
    pairs = [one.partition("=") for one in text.split(",") if one.strip()]
    if not all(mark for _, mark, _ in pairs):
        raise ValueError(f"{text!r} is not of the form name=value,name=value")
    return {key.strip(): scalar(value.strip()) for key, _, value in pairs}


def within(low: float, high: float, *, low_open: bool = False, high_open: bool = False) -> Callable[[Any], str]:
    """Return a check that a number lies between two bounds, each included unless said to be open."""
    text = f"must lie {'above' if low_open else 'at or above'} {low:g} and {'below' if high_open else 'at or below'} "
    text += f"{high:,}" if isinstance(high, int) else f"{high:g}"

    def check(value: Any) -> str:
        good = (value > low if low_open else value >= low) and (value < high if high_open else value <= high)
        return "" if good else f"{value!r} {text}"

    return check


def matching(pattern: str, meaning: str) -> Callable[[Any], str]:
    """Return a check that a text matches `pattern` as a whole."""
    return lambda value: "" if re.fullmatch(pattern, value) else f"{value!r} is not {meaning}"


def not_empty(value: Any) -> str:
    """Check that a text or list says something."""
    return "" if value else "is empty"
