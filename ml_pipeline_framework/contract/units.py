"""Durations and sizes as people write them, for the jobs. A number without a unit is an error, never a guess.

The units are those of Spark's ``JavaUtils.timeStringAs`` and ``byteStringAs``; a duration may have parts: 1h30m.
"""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
_BYTES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:ms|sec|s|min|m|h|d))+")
_PART = re.compile(r"([0-9]{1,9})(ms|sec|s|min|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,9})([kmgt])b?")


def duration_s(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``15m``, ``1h30m``, ``500ms``.

    Raises
    ------
    ValueError
        Saying what to write instead.
    """
    clean = _clean(text, "s", "m", "h")
    if not _DURATION.fullmatch(clean):
        raise ValueError(f"{text!r} is not a duration: write for example 90s, 15m or 1h30m")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(clean))
    if seconds <= 0:
        raise ValueError(f"{text!r} is no time at all: write at least 1s, or leave the key out")
    return float(seconds)


def size_bytes(text: str) -> int:
    """Return the bytes of a size such as ``128m``, ``1g``, ``256MB`` (binary multiples, as in Spark).

    Raises
    ------
    ValueError
        Saying what to write instead.
    """
    clean = _clean(text, "m", "g")
    match = _SIZE.fullmatch(clean)
    if match is None:
        raise ValueError(f"{text!r} is not a size: write a whole number with a unit, for example 128m or 1g")
    return int(match[1]) * _BYTES[match[2]]


def _clean(text: str, *units: str) -> str:
    """Return the text without blanks and in lower case; a bare number is answered with what may have been meant."""
    clean = re.sub(r"\s+", "", text.lower())
    if re.fullmatch(r"[0-9]{1,9}", clean):
        *others, last = (clean + unit for unit in units)
        raise ValueError(f"{text!r} has no unit: write {', '.join(others)} or {last}")
    return clean


def duration_problem(text: str) -> str:
    """Check of a parameter that is a duration; "" when it is one."""
    try:
        duration_s(text)
    except ValueError as error:
        return str(error)
    return ""


def size_problem(text: str) -> str:
    """Check of a parameter that is a size; "" when it is one."""
    try:
        size_bytes(text)
    except ValueError as error:
        return str(error)
    return ""
