"""What is known of an application that ended badly: its report and as much of its logs as was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from batch_submit.data_classes import dataclass
from batch_submit.model import ApplicationReport

#: Name of the pseudo file that holds what the ResourceManager says.
DIAGNOSTICS = "diagnostics"
DRIVER, EXECUTOR, YARN = "driver", "executor", "yarn"


#: What a rule looks for stands near a line's start; lines of megabytes would only make the search slow.
_SEARCHED_COLUMNS = 4000


def searched(lines: Iterable[str]) -> str:
    """Lines as the one text that rules search in, cut where they are endless."""
    return "\n".join(line[:_SEARCHED_COLUMNS] for line in lines)


@dataclass(frozen=True)
class LogText:
    """One log file, or the part of it that was read.

    Parameters
    ----------
    role
        ``driver`` (the application master's container in cluster mode), ``executor``, or ``yarn`` for the
        ResourceManager's diagnostics.
    attempt
        YARN's number of the attempt that the container belongs to; 0 when unknown.
    file
        ``stdout``, ``stderr``, …
    first_line
        Number of the text's first line in the file, from 1; 0 when only the end of a long file was read and its lines
        were not counted.
    whole
        ``False`` when the file has more than this text.

    Attributes
    ----------
    lines
        The text's lines without their ends.
    searched
        The text that rules search in, with the same number of lines.
    """

    container_id: str
    role: str
    attempt: int
    file: str
    text: str
    first_line: int = 1
    whole: bool = True
    lines: tuple[str, ...] = field(init=False, repr=False, compare=False)
    searched: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Java and Python end lines with "\n"; splitlines() would also cut at form feeds and Unicode separators.
        lines = [line.removesuffix("\r") for line in self.text.split("\n")]
        if lines and not lines[-1]:
            lines.pop()
        object.__setattr__(self, "lines", tuple(lines))
        object.__setattr__(self, "searched", searched(lines))

    def number_of(self, index: int) -> int:
        """The number in the file of the line at ``index`` of :attr:`lines`; 0 when unknown."""
        return self.first_line + index if self.first_line else 0

    def index_at(self, offset: int) -> int:
        """The index in :attr:`lines` of the line that holds the character at ``offset`` of :attr:`searched`."""
        return min(self.searched.count("\n", 0, offset), max(len(self.lines) - 1, 0))


@dataclass(frozen=True)
class Evidence:
    """Everything that a diagnosis is made of.

    Parameters
    ----------
    logs
        The newest attempt's driver first; in the order in which they are to be believed.
    reason
        Our own words about the end (``killed after --timeout``), where the report does not have them.
    gap
        Why logs are missing; "" when nothing is.
    """

    report: ApplicationReport
    logs: tuple[LogText, ...] = ()
    reason: str = ""
    gap: str = ""

    def diagnostics(self) -> LogText:
        """The ResourceManager's words, and ours, as a text like the others."""
        text = self.report.diagnostics
        if self.reason and self.reason not in text:
            text = f"{self.reason}\n{text}"
        return LogText("", YARN, 0, DIAGNOSTICS, text)

    def of(self, role: str) -> tuple[LogText, ...]:
        """The logs of one role."""
        return tuple(log for log in self.logs if log.role == role)


@dataclass(frozen=True)
class Excerpt:
    """Lines cut out of a log, whole.

    Parameters
    ----------
    first_line, last_line
        Numbers in the file, from 1; 0 when unknown.
    """

    container_id: str
    role: str
    attempt: int
    file: str
    first_line: int
    last_line: int
    lines: tuple[str, ...]

    @classmethod
    def cut(cls, log: LogText, first: int, last: int) -> Excerpt:
        """The lines of ``log`` from index ``first`` to index ``last``, both included."""
        return cls(
            log.container_id,
            log.role,
            log.attempt,
            log.file,
            log.number_of(first),
            log.number_of(last),
            log.lines[first : last + 1],
        )
