"""Findings as lines and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from batch_submit.plan.health import GROUPS, Finding, Severity, counts, reds

_WIDEST = 120
_NARROWEST = 60


def health_lines(findings: Sequence[Finding], width: int) -> list[str]:
    """A report: a heading per group, a line per finding, its remedy below it, the sums at the end.

    Parameters
    ----------
    findings
        In the order in which they are shown.
    width
        Columns; lines are wrapped within 60 and 120.
    """
    columns = min(max(width, _NARROWEST), _WIDEST)
    names = max((len(finding.name) for finding in findings), default=0)
    out: list[str] = []
    group = None
    for finding in findings:
        if finding.group != group:
            group = finding.group
            out += [*([""] if out else []), GROUPS.get(group, group)]
        out += _finding_lines(finding, names, columns)
    return [*out, "", _sums(findings)]


def _finding_lines(finding: Finding, names: int, columns: int) -> list[str]:
    head = f"  {finding.severity.value:<7}  {finding.name:<{names}}  "
    shown = finding.where and finding.where not in finding.what
    text = f"{finding.what} [{finding.where}]" if shown else finding.what
    out = _wrapped(text, head, columns)
    if finding.remedy:
        out += _wrapped(finding.remedy, " " * len(head) + "next: ", columns)
    return out


def _wrapped(text: str, head: str, columns: int) -> list[str]:
    """Wrapped at blanks only, so that a path or a command's word can be copied."""
    return textwrap.wrap(
        " ".join(text.split()),
        columns,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sums(findings: Sequence[Finding]) -> str:
    found = counts(findings)
    words = ", ".join(f"{count} {severity}" for severity, count in found.items() if count)
    if found[Severity.RED.value]:
        return f"{words}: a submit would fail"
    return f"{words}: nothing stands in the way of a submit"


def health_json(findings: Sequence[Finding]) -> dict[str, object]:
    """The same for machines; ``healthy`` is false when something is red."""
    return {
        "healthy": not reds(findings),
        "counts": counts(findings),
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "what": finding.what,
                "where": finding.where,
                "remedy": finding.remedy,
                "measured": dict(finding.measured),
            }
            for finding in findings
        ],
    }
