"""What a plain (unquoted) YAML word means, and the words of which a reader and YAML think differently.

Two generations of YAML are in use. YAML 1.1, which most tools still read, makes ``on`` a boolean, ``010`` the number 8
and ``1:30`` the number 90; YAML 1.2's core rules don't. A word on which they differ is refused, never converted.
Sources: yaml.org/type (bool, int, float, timestamp, merge), YAML 1.2.2 section 10.3 (core schema).
"""

from __future__ import annotations

import math
import re

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUES = frozenset({"true", "True", "TRUE"})
FALSES = frozenset({"false", "False", "FALSE"})

_BOOLEAN_WORDS = {word: word.lower() in ("y", "yes", "on") for word in ("y", "n", "yes", "no", "on", "off")}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_BASED = re.compile(r"[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[bB][01_]+|0[oO][0-7_]+")
_UNDERSCORED = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[-+]?[0-9]+\.[0-9]*_[0-9_]*")
_SEXAGESIMAL = re.compile(r"([-+]?)([0-9][0-9_]*(?::[0-5]?[0-9])+)(\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+|$).*")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

#: Longer digit strings are no numbers that anybody typed, and Python refuses to convert them.
_LONGEST_NUMBER = 300


def trap(text: str) -> str:
    """Say why a plain word is refused and what to write instead; empty when it means the same to everybody."""
    quoted = f'"{text}"'
    if text.lower() in _BOOLEAN_WORDS and text in (text.lower(), text.upper(), text.capitalize()):
        boolean = "true" if _BOOLEAN_WORDS[text.lower()] else "false"
        return f"YAML may read {text} as {boolean}: write {boolean}, or {quoted} in quotes if the text is meant"
    if _LEADING_ZERO.fullmatch(text):
        return (
            f"YAML may read {text} as {_octal(text)}: write {quoted} in quotes, or the number without the leading zero"
        )
    if _BASED.fullmatch(text):
        return f"YAML may read {text} as {_based(text)}: write {quoted} in quotes, or the number in decimal digits"
    if match := _SEXAGESIMAL.fullmatch(text):
        return (
            f"YAML may read {text} as the number {_base_60(match)} (base 60): write {quoted} in quotes, "
            "or a duration such as 1h30m"
        )
    if _UNDERSCORED.fullmatch(text):
        number = text.replace("_", "")
        return (
            f"YAML may read {text} as the number {number}: write {number}, or {quoted} in quotes if the text is meant"
        )
    if _DATE.fullmatch(text):
        return f"YAML may read {text} as a date: write {quoted} in quotes"
    if _NOT_FINITE.fullmatch(text):
        return f"{text} is not a finite number: write a number, or {quoted} in quotes if the text is meant"
    return ""


def plain_value(text: str) -> bool | int | float | str | None:
    """Type a plain word by YAML 1.2's core rules. Call it only for words without a :func:`trap`.

    Raises
    ------
    ValueError
        For a number that is too large to hold.
    """
    if text in NULLS:
        return None
    if text in TRUES or text in FALSES:
        return text in TRUES
    if not is_number(text):
        return text
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("this number is too long: quote it if the text is meant")
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number: quote it if the text is meant")
    return number


def is_number(text: str) -> bool:
    """Whether a plain word is a number by YAML 1.2's core rules."""
    return bool(_INTEGER.fullmatch(text) or _FLOAT.fullmatch(text))


def is_plain_text(text: str) -> bool:
    """Whether every YAML reader takes this word, unquoted, as text (used when writing)."""
    safe = re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./:@=+-]*", text) and not text.endswith(":")
    return bool(safe) and text not in NULLS | TRUES | FALSES and not is_number(text) and not trap(text)


def _octal(text: str) -> str:
    digits = text.replace("_", "")
    return (
        f"the octal number {int(digits, 8)}"
        if not set(digits) & set("89") and len(digits) < 40
        else "text or as a number"
    )


def _based(text: str) -> str:
    return f"the number {int(text.replace('_', ''), 0)}" if len(text) < 40 else "a number"


def _base_60(match: re.Match[str]) -> int:
    total = 0
    for part in match[2].replace("_", "").split(":")[:20]:
        total = total * 60 + int(part[:20])
    return -total if match[1] == "-" else total
