"""Many runs for people and programs: the live panel, a line per change, the table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode
from batch_submit.plan.units import format_duration
from batch_submit.render.tables import Column, fitted

#: What a child's exit code means where it gave no result of its own.
_BY_CODE = {
    int(ExitCode.SUCCEEDED): "skipped",
    int(ExitCode.USAGE): "not submitted",
    int(ExitCode.HOST_NOT_READY): "not submitted",
    int(ExitCode.REFUSED): "refused",
    int(ExitCode.UNREACHABLE): "not submitted",
    int(ExitCode.UNKNOWN): "unknown",
}
_COLUMNS = (
    Column("RUN"),
    Column("DATE", leave_out=1),
    Column("RESULT"),
    Column("APPLICATION"),
    Column("EXIT", right=True),
    Column("TOOK", leave_out=2, right=True),
)


@dataclass(frozen=True)
class RunEnd:
    """How one of many runs came out; ``seconds`` is what this call took for it.

    Parameters
    ----------
    result
        ``succeeded``, ``failed`` …; "" when its call gave none.
    why
        The error's first line; "" for none.
    """

    run_id: str
    day: str
    exit_code: int
    result: str = ""
    application_id: str = ""
    seconds: float = 0.0
    why: str = ""
    log: str = ""
    attached: bool = False

    @property
    def word(self) -> str:
        """The result in a word or two."""
        return self.result or _BY_CODE.get(self.exit_code, "interrupted" if self.exit_code > 128 else "broken")

    def to_json(self) -> dict[str, object]:
        """Its line of ``--json``."""
        return {
            "run_id": self.run_id,
            "date": self.day or None,
            "result": self.word,
            "application_id": self.application_id or None,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 1),
            "attached": self.attached,
            "why": self.why or None,
            "log": self.log,
        }


@dataclass(frozen=True)
class LiveRun:
    """A run that is under way, and what its call said last."""

    run_id: str
    seconds: float
    said: str


def started_line(number: int, total: int, run_id: str) -> str:
    """A run has begun."""
    return f"{number}/{total} {run_id}: started"


def ended_line(end: RunEnd) -> str:
    """A run has come out."""
    what = f"{end.run_id}: {end.word}" + (f", {end.application_id}" if end.application_id else "")
    told = f"{what} after {format_duration(round(end.seconds))}"
    return told if end.exit_code == ExitCode.SUCCEEDED else f"{told} (exit {end.exit_code}): {end.why}; log: {end.log}"


def panel(ends: Sequence[RunEnd], live: Sequence[LiveRun], waiting: int) -> list[str]:
    """The live display: one line for all, one per live run."""
    total = len(ends) + len(live) + waiting
    head = f"{len(ends)} of {total} ended{_counts(ends)}; {len(live)} live, {waiting} to come"
    return [head, *(f"  {one.run_id}  {format_duration(round(one.seconds))}  {one.said}" for one in live)]


def summary(ends: Sequence[RunEnd], not_begun: int, code: int) -> str:
    """All of them in one line."""
    left = f", {not_begun} not begun" if not_begun else ""
    return f"{len(ends) + not_begun} runs{_counts(ends)}{left}; exit {code}"


def _counts(ends: Sequence[RunEnd]) -> str:
    counted = Counter(end.word for end in ends)
    return ": " + ", ".join(f"{count} {word}" for word, count in counted.most_common()) if ends else ""


def table(ends: Sequence[RunEnd], not_begun: Sequence[tuple[str, str]], width: int | None) -> list[str]:
    """One row per run, in the order of the file; ``not_begun``: run ids and days."""
    rows = [
        [end.run_id, end.day, end.word, end.application_id, str(end.exit_code), format_duration(round(end.seconds))]
        for end in ends
    ]
    rows += [[run_id, day, "not begun", "", "", ""] for run_id, day in not_begun]
    return fitted(_COLUMNS, rows, width)
