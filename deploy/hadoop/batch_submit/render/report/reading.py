"""Reading a document that others have written: what is missing or of another shape is nothing, never an error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Longer texts are cut: a page that somebody reads has no use for a mebibyte of one value.
TEXT_LIMIT = 600

Document = Mapping[str, Any]


def mapping(value: object, *path: str) -> Document:
    """The mapping at a path of keys; empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: object, *path: str) -> list[Any]:
    """The list at a path of keys; empty where there is none."""
    found = mapping(value, *path[:-1]).get(path[-1]) if path else value
    return list(found) if isinstance(found, Sequence) and not isinstance(found, (str, bytes)) else []


def mappings(value: object, *path: str) -> list[Document]:
    """The list of mappings at a path; other members are passed over."""
    return [one for one in items(value, *path) if isinstance(one, Mapping)]


def number(value: object) -> float | None:
    """A finite number; ``None`` for everything else, booleans too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def numbers(value: object, *path: str) -> list[float | None]:
    """The list of numbers at a path, ``None`` where a member is none."""
    return [number(one) for one in items(value, *path)]


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """A value as a person writes it: a text as it is, a number, ``yes``; "" for nothing. At most ``limit`` letters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        found = "yes" if value else "no"
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        found = str(int(value))
    elif isinstance(value, Mapping):
        found = ", ".join(f"{key}: {text(one, limit) or '–'}" for key, one in _first(value.items(), limit))
    elif isinstance(value, (list, tuple)):
        found = ", ".join(text(one, limit) or "–" for one in _first(value, limit))
    else:
        found = str(value)
    return found if len(found) <= limit else found[: limit - 1] + "…"


def _first(values: Any, limit: int) -> Iterator[Any]:
    """No more members than characters are shown."""
    for position, one in enumerate(values):
        if position > limit:
            return
        yield one
