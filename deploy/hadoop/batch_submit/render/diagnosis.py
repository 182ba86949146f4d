"""A diagnosis as one screen, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

from batch_submit.diagnosis.evidence import Excerpt
from batch_submit.diagnosis.explain import UNKNOWN, Diagnosis
from batch_submit.diagnosis.records import is_jvm_frame

#: A screen shows no more lines of one excerpt that is not a Python traceback, and a run of JVM frames as one line.
_MOST_LINES = 24
_MOST_COLUMNS = 500
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
    label = "cause" if diagnosis.rule == UNKNOWN else "probable cause"
    lines = [f"  {label}: {diagnosis.cause}"]
    for excerpt in diagnosis.evidence[:_MOST_EXCERPTS]:
        lines.append(f"  evidence: {place(excerpt)}")
        lines += [f"    {line}" for line in shown(excerpt.lines)] if excerpt.file != seen else []
    if diagnosis.others:
        lines += [f"  also seen: {other.cause} [{other.rule}]" for other in diagnosis.others]
    if diagnosis.remedies:
        first, *more = diagnosis.remedies
        lines += [f"  remedy: {first}", *(f"          {remedy}" for remedy in more)]
    if diagnosis.note:
        lines.append(f"  note: {diagnosis.note}")
    if diagnosis.next_command:
        lines.append(f"  next: {diagnosis.next_command}")
    return lines


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


def shown(lines: Sequence[str]) -> list[str]:
    """Lines for a screen: the container's folder as ``./``, runs of JVM frames in one line, too many cut in the middle.

    A Python traceback is never cut: its frames are what a person looks for.
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
        folded.append(line if len(line) <= _MOST_COLUMNS else f"{line[:_MOST_COLUMNS]}…")
    folded.pop()
    if len(folded) <= _MOST_LINES or any(line.startswith("Traceback ") for line in folded):
        return folded
    half = _MOST_LINES // 2
    return [*folded[:half], f"… {len(folded) - 2 * half} lines", *folded[-half:]]


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, object]:
    """A diagnosis for machines; excerpts whole, line numbers ``null`` where they are not known."""
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
                "lines": list(excerpt.lines),
            }
            for excerpt in diagnosis.evidence
        ],
        "remedies": list(diagnosis.remedies),
        "next_command": diagnosis.next_command,
        "others": [{"rule": other.rule, "cause": other.cause} for other in diagnosis.others],
        "note": diagnosis.note,
    }
