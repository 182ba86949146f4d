"""Numbers as the page writes them: one format per kind, units always there, a dash for what is not known."""

from __future__ import annotations

from datetime import datetime, timezone

from batch_submit.plan.moments import utc_ms
from batch_submit.render.report.reading import number

NOTHING = "–"
_MINUS = "\u2212"
_MOST_MS = 253_402_300_799_000  # the year 9999


def count(value: object) -> str:
    """A whole number with thousands: ``336,776``; one with a fraction keeps two digits of it."""
    found = number(value)
    if found is None:
        return NOTHING
    return _signed(f"{found:,.0f}" if found.is_integer() else f"{found:,.2f}")


def metric(value: object) -> str:
    """A measured value: four decimals; from 100 on two, with thousands; below 0.0001 in powers of ten."""
    found = number(value)
    if found is None:
        return NOTHING
    size = abs(found)
    if isinstance(value, int) or size >= 1e15:
        return _signed(f"{found:,.0f}" if size < 1e15 else f"{found:.3e}")
    if size >= 100:
        return _signed(f"{found:,.2f}")
    return _signed(f"{found:.4f}" if size >= 1e-4 or not size else f"{found:.1e}")


def distance(value: object) -> str:
    """A measure of drift: three decimals; ``< 0.001`` for what is hardly there."""
    found = number(value)
    if found is None:
        return NOTHING
    return "< 0.001" if 0 < found < 0.0005 else _signed(f"{found:,.3f}")


def difference(value: object) -> str:
    """The same with a sign in front."""
    found = number(value)
    if found is None:
        return NOTHING
    return f"+{metric(float(found))}" if found > 0 else metric(float(found))


def percent(value: object, digits: int = 1) -> str:
    """A share of 1 as ``23.7 %``; little is never written as nothing: ``< 0.1 %``."""
    found = number(value)
    if found is None:
        return NOTHING
    least = 10.0**-digits
    return f"< {least:.{digits}f} %" if 0 < found * 100 < least / 2 else _signed(f"{found * 100:,.{digits}f} %")


def size(value: object) -> str:
    """Bytes in binary multiples: ``31.2 MiB``."""
    found = number(value)
    if found is None or found < 0:
        return NOTHING
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if found < 1024 or unit == "TiB":
            break
        found /= 1024
    return f"{found:,.0f} bytes" if unit == "bytes" else f"{found:,.1f} {unit}"


def duration(seconds: object) -> str:
    """Seconds as ``3.21 s``, ``42.1 s``, ``4 min 12 s``, ``2 h 5 min``, ``3 d 4 h``."""
    found = number(seconds)
    if found is None or found < 0:
        return NOTHING
    if found < 99.95:
        return f"{found:.2f} s" if found < 10 else f"{found:.1f} s"
    whole = round(found)
    for unit, length, below, below_length in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // below_length
            return f"{whole // length:,} {unit}" + (f" {rest} {below}" if rest else "")
    return NOTHING


def moment(milliseconds: object) -> str:
    """Unix time in milliseconds as ``2026-11-21 09:46:51 UTC``: the page may be read in another zone."""
    found = number(milliseconds)
    if found is None or not 0 < found <= _MOST_MS:
        return NOTHING
    return datetime.fromtimestamp(found // 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment_of_text(text: str) -> str:
    """The same of a record's ISO 8601 time."""
    return moment(utc_ms(text))


def per_hour(value: object, unit: str, per: float = 1.0) -> str:
    """Something times seconds as YARN counts it, and the same times hours: ``1,234 MiB s (0.34 GiB h)``."""
    found = number(value)
    if not found or found < 0:
        return NOTHING
    larger = {"MiB": "GiB"}.get(unit, unit)
    return f"{found:,.0f} {unit} s ({found / per / 3600:,.2f} {larger} h)"


def _signed(text: str) -> str:
    """A real minus sign, which is as wide as a digit; no minus zero."""
    if not text.startswith("-"):
        return text
    return text[1:] if not text.strip("-0.,% ") else _MINUS + text[1:]
