"""Memory sizes and durations as people write them. A number without a unit is an error, never a guess.

Sources of the rules: Spark's ``JavaUtils.byteStringAs`` (suffixes, binary multiples, refused fractions) and
``JavaUtils.timeStringAs``; the JVM's ``-Xmx`` knows ``k m g t`` only, which is why :func:`spark_memory` drops a ``b``.
"""

from __future__ import annotations

import re

_BYTES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MIB = 1 << 20
_MILLISECONDS = {
    "ms": 1,
    "s": 1_000,
    "sec": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_MEMORY = re.compile(r"([0-9]{1,18})([a-z]+)")
_FRACTION = re.compile(r"([0-9]{0,18})[.,]([0-9]{1,6})\s*([a-z]*)")
_DURATION_PART = re.compile(r"([0-9]{1,15})\s*([a-z]+)\s*")

#: Bare numbers from here on are more likely MiB than GiB ("2048" means 2048m, "8" means 8g).
_LIKELY_MIB = 256


class UnitError(ValueError):
    """A size or a duration that can't be read. The message says what to write instead."""


def parse_memory_mib(text: str) -> int:
    """Read a memory size the way Spark does.

    Parameters
    ----------
    text
        A whole number with a suffix: ``b k m g t`` or ``kb mb gb tb``, any case. All are binary multiples.

    Returns
    -------
    int
        MiB, rounded down as Spark does.

    Raises
    ------
    UnitError
        Missing or unknown unit, a fraction, a negative number, or less than 1 MiB.
    """
    cleaned = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,18}", cleaned):
        unit = "m" if int(cleaned) >= _LIKELY_MIB else "g"
        raise UnitError(f"missing unit: write {cleaned}{unit}")
    if fraction := _FRACTION.fullmatch(cleaned):
        raise UnitError(f"fractions are not allowed, as in Spark. Perhaps you meant {_whole_memory(fraction)}")
    match = _MEMORY.fullmatch(cleaned)
    if match is None:
        raise UnitError(f"not a memory size: {_short(text)}. {_perhaps_memory(cleaned)}")
    number, suffix = match.groups()
    unit = suffix[:-1] if len(suffix) == 2 and suffix.endswith("b") else suffix
    if unit not in _BYTES:
        raise UnitError(f"unknown unit {suffix!r}: use k, m, g or t. Perhaps you meant {number}{_near_unit(suffix)}")
    mib = int(number) * _BYTES[unit] // _MIB
    if mib < 1:
        raise UnitError(f"{_short(text)} is less than 1 MiB. Perhaps you meant {int(number) or 1}g")
    return mib


def spark_memory(text: str) -> str:
    """The same size in the spelling that Spark **and** the JVM accept: ``8GB`` -> ``8g``.

    In client mode ``spark.driver.memory`` becomes ``-Xmx`` as it stands, and the JVM refuses ``8gb``.
    """
    mib = parse_memory_mib(text)
    cleaned = text.strip().lower()
    if cleaned.endswith("b"):
        cleaned = cleaned[:-1]
    return cleaned if cleaned[-1] in "kmgt" else format_memory(mib)


def format_memory(mib: int) -> str:
    """Write MiB as the shortest exact size: 2048 -> ``2g``, 1536 -> ``1536m``."""
    for suffix, size in (("t", 1 << 20), ("g", 1 << 10)):
        if mib and mib % size == 0:
            return f"{mib // size}{suffix}"
    return f"{mib}m"


def parse_duration_s(text: str) -> int | float:
    """Read a duration: ``90s``, ``15m``, ``1h30m``, ``2d``, ``500ms``.

    Returns
    -------
    int or float
        Seconds; a float only when milliseconds are left over.

    Raises
    ------
    UnitError
        Missing or unknown unit, a fraction, a negative number, a repeated unit, or zero.
    """
    cleaned = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,15}", cleaned):
        raise UnitError(f"missing unit: write {cleaned}s, {cleaned}m or {cleaned}h")
    if fraction := _FRACTION.fullmatch(cleaned):
        raise UnitError(f"fractions are not allowed. Perhaps you meant {_whole_duration(fraction)}")
    if clock := re.fullmatch(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?", cleaned):
        hours, minutes, seconds = clock.groups()
        meant = f"{int(hours)}h{int(minutes)}m" + (f"{int(seconds)}s" if seconds else "")
        raise UnitError(f"not a duration: {_short(text)}. Perhaps you meant {meant}")
    total_ms = _sum_parts(cleaned, text)
    if total_ms == 0:
        raise UnitError(f"{_short(text)} is no time at all: write at least 1s, or leave the key out")
    return total_ms // 1000 if total_ms % 1000 == 0 else total_ms / 1000


def format_duration(seconds: float) -> str:
    """Write seconds as a compound duration: 5400 -> ``1h30m``, 0.5 -> ``500ms``."""
    rest = round(seconds * 1000)
    out = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _MILLISECONDS[unit])
        if count:
            out.append(f"{count}{unit}")
    return "".join(out) or "0s"


def _sum_parts(cleaned: str, text: str) -> int:
    """Milliseconds of a compound duration, units checked one by one."""
    total_ms, position, seen = 0, 0, []
    while match := _DURATION_PART.match(cleaned, position):
        number, unit = match.groups()
        if unit not in _MILLISECONDS:
            known = {"minutes": "m", "minute": "m", "mins": "m", "hour": "h", "hours": "h", "hr": "h", "hrs": "h"}
            known |= {"day": "d", "days": "d", "second": "s", "seconds": "s", "secs": "s", "w": "d"}
            meant = f"{int(number) * 7}d" if unit == "w" else f"{number}{known.get(unit, 'm')}"
            raise UnitError(f"unknown unit {unit!r}: use ms, s, m, h or d. Perhaps you meant {meant}")
        if _MILLISECONDS[unit] in seen:
            raise UnitError(f"not a duration: {_short(text)} has the unit {unit!r} twice")
        seen.append(_MILLISECONDS[unit])
        total_ms += int(number) * _MILLISECONDS[unit]
        position = match.end()
    if not seen or position != len(cleaned):
        trailing = re.search(r"[0-9]+$", cleaned)
        if seen and trailing and trailing.start() == position:
            raise UnitError(f"missing unit after {trailing.group()}: {_short(text)}. Write for example 1h30m")
        raise UnitError(f"not a duration: {_short(text)}. Write for example 90s, 15m or 1h30m")
    return total_ms


def _whole_memory(fraction: re.Match[str]) -> str:
    """1.5g -> 1536m: the whole size that a fraction stands for."""
    whole, decimals, suffix = fraction.groups()
    unit = suffix[:1] if suffix[:1] in _BYTES else "g"
    size = int(float(f"{whole or 0}.{decimals}") * _BYTES[unit]) // _MIB
    return format_memory(max(size, 1))


def _whole_duration(fraction: re.Match[str]) -> str:
    """1.5h -> 1h30m."""
    whole, decimals, unit = fraction.groups()
    return format_duration(float(f"{whole or 0}.{decimals}") * _MILLISECONDS.get(unit, 60_000) / 1000)


def _perhaps_memory(cleaned: str) -> str:
    spaced = re.fullmatch(r"([0-9]{1,18})\s+([a-z]+)", cleaned)
    if spaced and _near_unit(spaced[2]):
        return f"Perhaps you meant {spaced[1]}{_near_unit(spaced[2])}"
    if negative := re.fullmatch(r"-\s*([0-9]{1,18})([kmgt]?)b?", cleaned):
        return f"Perhaps you meant {negative[1]}{negative[2] or 'g'}"
    return "Write a whole number with a unit, for example 8g or 512m"


def _near_unit(suffix: str) -> str:
    """gib, gi, gigs -> g; anything else is most likely a g too."""
    return suffix[0] if suffix[0] in "kmgt" else "g"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
