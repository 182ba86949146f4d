"""A diagnosis as one screen, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

from batch_submit.diagnosis.evidence import Excerpt
from batch_submit.diagnosis.explain import UNKNOWN, Diagnosis
from batch_submit.diagnosis.records import is_jvm_frame
from batch_submit.render.tables import printable

#: A screen shows no more lines of one excerpt, of a Python traceback more, and a run of JVM frames as one line.
_MOST_LINES, _MOST_TRACEBACK_LINES = 24, 60
_MOST_COLUMNS = 500
#: The same for machines.
_MOST_JSON_LINES, _MOST_JSON_COLUMNS = 400, 4000
_MOST_EXCERPTS = 3
#: A container's own folder on its node; to a reader it is the folder that the script runs in.
_CONTAINER_FOLDER = re.compile(r"[^\s\"'(]*/appcache/application_\d+_\d+/container_[^/\s\"']+/")


def diagnosis_lines(diagnosis: Diagnosis, *, seen: str = "") -> list[str]:
    """The screen below the headline.

    Parameters
    ----------
    seen
        Name of a file whose lines the reader has seen already: only their place is told.
    """
    label, also = ("cause", "also seen in its logs") if diagnosis.rule == UNKNOWN else ("probable cause", "also seen")
    whole = diagnosis.next_command if diagnosis.next_command.startswith("batch-submit logs ") else ""
    lines = [f"  {label}: {diagnosis.cause}"]
    for excerpt in diagnosis.evidence[:_MOST_EXCERPTS]:
        lines.append(f"  evidence: {place(excerpt)}")
        lines += [f"    {line}" for line in shown(excerpt.lines, whole)] if excerpt.file != seen else []
    if diagnosis.others:
        lines += [f"  {also}: {other.cause} [{other.rule}]" for other in diagnosis.others]
    if diagnosis.remedies:
        first, *more = diagnosis.remedies
        lines += [f"  remedy: {first}", *(f"          {remedy}" for remedy in more)]
    if diagnosis.note:
        lines.append(f"  note: {diagnosis.note}")
    if diagnosis.next_command:
        lines.append(f"  next: {diagnosis.next_command}")
    return [_printable(line) for line in lines]


def place(excerpt: Excerpt) -> str:
    """Where an excerpt stands: ``lines 3-17 of stdout in container_… (driver)``."""
    if not excerpt.container_id and excerpt.role == "yarn":
        return "what the ResourceManager says"
    if not excerpt.first_line:
        where = "the end"
    elif excerpt.first_line == excerpt.last_line:
        where = f"line {excerpt.first_line}"
    else:
        where = f"lines {excerpt.first_line}-{excerpt.last_line}"
    who = f"{excerpt.role}, attempt {excerpt.attempt}" if excerpt.attempt > 1 else excerpt.role
    inside = f" in {excerpt.container_id}" if excerpt.container_id else ""
    return f"{where} of {excerpt.file}{inside} ({who})"


def shown(lines: Sequence[str], more: str = "") -> list[str]:
    """Lines for a screen: the container's folder as ``./``, runs of JVM frames in one line, too many cut in the middle.

    Parameters
    ----------
    more
        The command that shows what was left out.
    """
    folded: list[str] = []
    frames = 0
    for line in (*(_CONTAINER_FOLDER.sub("./", line) for line in lines), ""):
        if is_jvm_frame(line):
            frames += 1
            continue
        if frames:
            folded.append(f"\t… {frames} JVM frame{'s' if frames > 1 else ''}")
            frames = 0
        last_written = line.rpartition("\r")[2]  # a progress bar writes over itself
        folded.append(last_written if len(last_written) <= _MOST_COLUMNS else f"{last_written[:_MOST_COLUMNS]}…")
    folded.pop()
    traceback = any("Traceback (most recent call last):" in line for line in folded)
    return _cut(folded, _MOST_TRACEBACK_LINES if traceback else _MOST_LINES, f": {more}" if more else "")


def _cut(lines: Sequence[str], most: int, more: str = "") -> list[str]:
    """At most ``most`` lines and one that says how many are left out; more of the end, where the cause stands."""
    if len(lines) <= most:
        return list(lines)
    head = most // 2 if most == _MOST_LINES else most // 3
    return [*lines[:head], f"… {len(lines) - most} lines left out{more}", *lines[head - most :]]


def _printable(line: str) -> str:
    """A line from a log without what would steer a terminal; tabs stay."""
    return "\t".join(printable(part) for part in line.split("\t"))


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, object]:
    """A diagnosis for machines; line numbers are ``null`` where they are not known.

    Lines are as they stand in the file, but no excerpt has more than 400 of them and none more than 4000 characters.
    """
    return {
        "rule": diagnosis.rule,
        "cause": diagnosis.cause,
        "evidence": [
            {
                "container_id": excerpt.container_id,
                "role": excerpt.role,
                "attempt": excerpt.attempt,
                "file": excerpt.file,
                "first_line": excerpt.first_line or None,
                "last_line": excerpt.last_line or None,
                "lines": [
                    line if len(line) <= _MOST_JSON_COLUMNS else f"{line[:_MOST_JSON_COLUMNS]}…"
                    for line in _cut(excerpt.lines, _MOST_JSON_LINES)
                ],
            }
            for excerpt in diagnosis.evidence
        ],
        "remedies": list(diagnosis.remedies),
        "next_command": diagnosis.next_command,
        "others": [{"rule": other.rule, "cause": other.cause} for other in diagnosis.others],
        "note": diagnosis.note,
    }
