"""Read ``spark-defaults.conf`` as Spark reads it.

Sources: ``java.util.Properties.load`` (separators, comments, continuation lines, escapes), Spark's
``Utils.getPropertiesFromFile`` (values trimmed) and ``SparkSubmitArguments.ignoreNonSparkProperties`` (keys that don't
start with ``spark.`` are ignored with a warning).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from batch_submit.data_classes import dataclass

_BLANKS = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class Entry(NamedTuple):
    """One property and the line on which it begins."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Properties:
    """What a properties file says. ``entries`` keeps the file's order; of a repeated key the last one counts."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    errors: tuple[tuple[int, str], ...] = ()


def parse_properties(text: str, name: str) -> Properties:
    """Parse the text of a Spark properties file.

    Parameters
    ----------
    text
        The whole file.
    name
        How the file is called in messages.

    Returns
    -------
    Properties
        ``spark.*`` entries in order; a warning per ignored key; ``errors`` as (line, message) for escapes
        that Java refuses.
    """
    entries: list[Entry] = []
    warnings: list[str] = []
    errors: list[tuple[int, str]] = []
    for line, logical in _logical_lines(text):
        raw_key, raw_value = _split(logical)
        try:
            key, value = _unescape(raw_key), _unescape(raw_value).strip(_TRIMMED)
        except ValueError as error:
            errors.append((line, str(error)))
            continue
        if key.startswith("spark."):
            entries.append(Entry(key, value, line))
        else:
            warnings.append(f"{name}:{line}: {key!r} is ignored, as Spark does: it does not start with 'spark.'")
    return Properties(tuple(entries), tuple(warnings), tuple(errors))


# Spark trims control characters and blanks at both ends, but not CR and LF (``Utils.trimExceptCRLF``).
_TRIMMED = "".join(chr(code) for code in range(33) if chr(code) not in "\r\n")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with continuations joined, without comments and blank lines; each with its first line's number."""
    natural = re.split(r"\r\n|\n|\r", text)
    index = 0
    while index < len(natural):
        first = index + 1
        line = natural[index].lstrip(_BLANKS)
        index += 1
        if not line or line[0] in "#!":
            continue
        while _continues(line):
            line = line[:-1]
            if index == len(natural):
                break
            line += natural[index].lstrip(_BLANKS)
            index += 1
        if line:
            yield first, line


def _continues(line: str) -> bool:
    """An odd number of backslashes at the end joins the next line."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _split(line: str) -> tuple[str, str]:
    """Key and value, still escaped: the key ends at the first bare blank, ``=`` or ``:``."""
    end = 0
    while end < len(line) and line[end] not in _BLANKS + "=:":
        end += 2 if line[end] == "\\" else 1
    end = min(end, len(line))
    rest = line[end:].lstrip(_BLANKS)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANKS)
    return line[:end], rest


def _unescape(text: str) -> str:
    """Resolve backslash escapes; a bad unicode escape is what Java calls malformed."""
    out: list[str] = []
    index = 0
    while index < len(text):
        char = text[index]
        index += 1
        if char != "\\":
            out.append(char)
            continue
        if index == len(text):
            break
        escape = text[index]
        index += 1
        if escape == "u":
            digits = text[index : index + 4]
            if not re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                raise ValueError(
                    f"malformed \\u escape: {digits!r}. Write four hex digits, or \\\\u for a backslash and u"
                )
            out.append(chr(int(digits, 16)))
            index += 4
        else:
            out.append(_ESCAPES.get(escape, escape))
    # Java writes a character beyond the basic plane as two escapes; together they are one character here.
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
