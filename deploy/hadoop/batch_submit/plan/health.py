"""Findings: what a look at host and cluster has shown, how bad it is, and what to do about it. Pure.

The checks themselves stand in ``health_host``, ``health_yarn``, ``health_hdfs`` and ``health_open``: functions from
what was measured to findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import Enum

from batch_submit.data_classes import dataclass

#: Numbers and texts by name, units in the names.
Measured = Mapping[str, object]


class Severity(str, Enum):
    """How bad a finding is. Only ``red`` makes ``doctor`` fail."""

    OK = "ok"
    WARN = "warn"  #: works, and deserves attention
    RED = "red"  #: a submit would fail, or its result could not be trusted
    SKIPPED = "skipped"  #: not looked at, for the reason given


def no_answer(error: str, remedy: str) -> tuple[str, str]:
    """What is said of a server that gave none, and what to do: without a ticket nothing is wrong with the server."""
    if "wants authentication (401)" in error:
        return f"does not let us in: {error}", "log in: see host.ticket"
    return f"does not answer: {error}", remedy


@dataclass(frozen=True)
class ServerAnswer:
    """What one ResourceManager or NameNode said of itself; ``error`` is set when it did not answer."""

    url: str
    ha_state: str = ""
    version: str = ""
    latency_ms: float = 0.0
    error: str = ""

    def described(self, active: str) -> str:
        """Its state, ``active`` where there is but one server; version and time."""
        return f"{self.ha_state or active}, Hadoop {self.version or '?'}, {self.latency_ms:.0f} ms"

    def measured(self) -> Measured:
        """The same for programs."""
        return {"ha_state": self.ha_state, "version": self.version, "latency_ms": round(self.latency_ms, 1)}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    id
        ``<group>.<thing>``, stable: scripts select by it.
    what
        What was found, or for ``skipped`` why nothing was looked at.
    where
        A path, a URL, a configuration key; empty when ``what`` names it.
    remedy
        What to do: a command to type or a key to change. Every ``red`` and ``warn`` has one.
    measured
        The numbers and texts behind it, units in the names.
    """

    id: str
    severity: Severity
    what: str
    where: str = ""
    remedy: str = ""
    measured: Measured = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The part of the id after the dot."""
        return self.id.partition(".")[2]


#: Groups in the order of the report, with their headings.
GROUPS: Mapping[str, str] = {
    "host": "this host",
    "config": "configuration",
    "yarn": "ResourceManager and queue",
    "hdfs": "HDFS",
    "history": "history and logs",
    "open": "what the cluster leaves open",
    "deep": "Python on the nodes",
}


def ok(id: str, what: str, where: str = "", measured: Measured | None = None) -> Finding:
    """All is well."""
    return Finding(id, Severity.OK, what, where, measured=measured or {})


def warn(id: str, what: str, remedy: str, where: str = "", measured: Measured | None = None) -> Finding:
    """It works, and deserves attention."""
    return Finding(id, Severity.WARN, what, where, remedy, measured or {})


def red(id: str, what: str, remedy: str, where: str = "", measured: Measured | None = None) -> Finding:
    """A submit would fail."""
    return Finding(id, Severity.RED, what, where, remedy, measured or {})


def skipped(id: str, why: str, where: str = "") -> Finding:
    """Not looked at."""
    return Finding(id, Severity.SKIPPED, why, where)


def reds(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that make ``doctor`` fail."""
    return [finding for finding in findings if finding.severity is Severity.RED]


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Group by group in the order of the report; within a group as they were found."""
    places = {group: place for place, group in enumerate(GROUPS)}
    return sorted(findings, key=lambda finding: places.get(finding.group, len(places)))


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each severity, in the order of :class:`Severity`."""
    out = {severity.value: 0 for severity in Severity}
    for finding in findings:
        out[finding.severity.value] += 1
    return out


def version_numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``3.5.0-SNAPSHOT`` -> (3, 5, 0); empty for what is none."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not 0 < len(digits) < 20:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def size_text(size_bytes: float) -> str:
    """Bytes for people: ``1.5 GiB``."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
