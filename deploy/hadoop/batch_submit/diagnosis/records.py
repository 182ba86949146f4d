"""Log text taken apart: log4j records of several lines, and Python tracebacks cut out whole.

The idea of joining lines without a header to the record before them, and of preferring a Python traceback to everything
else, is mrjob's (``mrjob/logs/log4j.py``, ``mrjob/logs/errors.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from batch_submit.diagnosis.evidence import Excerpt, LogText, searched

#: ``26/11/21 11:49:55 ERROR ApplicationMaster: …`` (Spark's own pattern) and ``2026-11-21 11:49:55,123 ERROR …``.
HEADER = re.compile(
    r"^(?:\d\d/\d\d/\d\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?\S*)\s+"
    r"(?:\[[^\]]*\]\s+)?(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\s+(?P<logger>[^\s:]+):?\s?"
)
_TRACEBACK = "Traceback (most recent call last):"
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
#: Lines of a JVM's stack trace, and the words with which Spark goes on after a blank line.
_JVM = re.compile(r"^(?:\s+at |Caused by: |\s*\.\.\. \d+ (?:more|common)|\s*Suppressed: |: [a-z]|Driver stacktrace:)")
_JVM_ERROR = re.compile(r"^: [a-z]\w*\.[\w.$]+")
_JVM_FRAME = re.compile(r"^\s+at \S+\(.*\)$|^\s*\.\.\. \d+ (?:more|common frames omitted)$")
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$", re.DOTALL)
_SYNTAX = re.compile(r"^(?:SyntaxError|IndentationError|TabError): ")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')


@dataclass(frozen=True)
class Record:
    """One log4j record: its header line and the lines without a header after it; indices into ``LogText.lines``."""

    level: str
    logger: str
    first: int
    last: int


@dataclass(frozen=True)
class PythonError:
    """One exception of a traceback: its type, the first line of its message, and the innermost frame that is not
    Spark's or py4j's."""

    type: str
    message: str
    file: str = ""
    line: int = 0
    function: str = ""

    @property
    def name(self) -> str:
        """The type without its module: ``PythonException``."""
        return self.type.rpartition(".")[2]


@dataclass(frozen=True)
class Traceback:
    """A traceback with everything that belongs to it, chained ones and the JVM's part included.

    Parameters
    ----------
    errors
        In the order written: what came first is first, what ended the script is last.
    worker
        The exception in a Python worker on an executor that is quoted in the message, if there is one.
    """

    log: LogText
    first: int
    last: int
    errors: tuple[PythonError, ...]
    worker: PythonError | None = None

    @property
    def text(self) -> str:
        """The text that rules search in."""
        return searched(self.log.lines[self.first : self.last + 1])

    @property
    def excerpt(self) -> Excerpt:
        """All its lines, with their place."""
        return Excerpt.cut(self.log, self.first, self.last)

    @property
    def error(self) -> PythonError:
        """What ended the script."""
        return self.errors[-1]

    @property
    def jvm_error(self) -> str:
        """The JVM's exception that py4j quotes, in one line; "" when there is none."""
        for line in self.log.lines[self.first : self.last + 1]:
            if _JVM_ERROR.match(line):
                return line[2:].strip()
        return ""


def records(log: LogText) -> list[Record]:
    """The log4j records of a text; lines before the first header belong to none."""
    found: list[Record] = []
    for index, line in enumerate(log.lines):
        header = HEADER.match(line)
        if header is not None:
            found.append(Record(header["level"], header["logger"], index, index))
        elif found:
            found[-1] = Record(found[-1].level, found[-1].logger, found[-1].first, index)
    return found


def record_at(log: LogText, index: int) -> tuple[int, int]:
    """First and last index of the record that holds the line at ``index``; of the line alone when there is none."""
    first = index
    while first > 0 and HEADER.match(log.lines[first]) is None:
        first -= 1
    if HEADER.match(log.lines[first]) is None:
        return index, index
    last = index
    while last + 1 < len(log.lines) and HEADER.match(log.lines[last + 1]) is None:
        last += 1
    while last > index and not log.lines[last].strip():
        last -= 1
    return first, last


def is_jvm_frame(line: str) -> bool:
    """Whether a line is one frame of a JVM's stack trace."""
    return _JVM_FRAME.match(line) is not None


def tracebacks(log: LogText) -> list[Traceback]:
    """Every Python traceback of a text that begins on a line of its own, whole, in the order written.

    A traceback quoted within another's message (an exception of a Python worker) belongs to that other one. A syntax
    error in the script itself has no header line; it is found by its last line.
    """
    found: list[Traceback] = []
    index = 0
    while index < len(log.lines):
        line = log.lines[index]
        if line == _TRACEBACK:
            last = _end(log, index)
            found.append(_parse(log, index, last))
            index = last + 1
        elif _SYNTAX.match(line) and (not found or found[-1].last < index):
            first = _syntax_start(log, index)
            if first < index:
                found.append(_parse(log, first, index))
            index += 1
        else:
            index += 1
    return found


def _end(log: LogText, start: int) -> int:
    """Index of the last line of the traceback that begins at ``start``."""
    lines = log.lines
    index = start + 1
    while index < len(lines):
        line = lines[index]
        if HEADER.match(line) or (line == _TRACEBACK and not _introduced(lines, index)):
            break
        if not line.strip() and not _goes_on(lines, index):
            break
        index += 1
    last = index - 1
    while last > start and not lines[last].strip():
        last -= 1
    return last


def _introduced(lines: tuple[str, ...], index: int) -> bool:
    """Whether a traceback's first line is announced by the line above it, as a chained or a quoted one is."""
    above = lines[index - 1].strip() or lines[index - 2]
    return above in _LINKS or above.endswith((":", "see the stack trace below."))


def _goes_on(lines: tuple[str, ...], blank: int) -> bool:
    """Whether a traceback goes on after a blank line: with a chained one, or with what the JVM says."""
    for line in lines[blank + 1 : blank + 3]:
        if line.strip():
            return line in _LINKS or (line == _TRACEBACK and _introduced(lines, blank + 1)) or bool(_JVM.match(line))
    return False


def _syntax_start(log: LogText, index: int) -> int:
    """Where the report of a syntax error begins: the nearest frame line above it, within a few lines."""
    for first in range(index - 1, max(index - 6, -1), -1):
        if _FRAME.match(log.lines[first]):
            return first
    return index


def _parse(log: LogText, first: int, last: int) -> Traceback:
    errors: list[PythonError] = []
    worker: PythonError | None = None
    frame: re.Match[str] | None = None
    linked = False  # the next traceback is a chained one
    quoted = False  # it stands in the message of an error: a Python worker's
    in_frames = True
    for line in log.lines[first : last + 1]:
        if line.endswith(_TRACEBACK):
            quoted = bool(errors) and not linked
            in_frames, linked, frame = True, False, None
        elif line in _LINKS:
            linked = True
        elif in_frames and (match := _FRAME.match(line)):
            frame = match if frame is None or not _foreign(match["file"]) else frame
        elif in_frames and line[:1].strip():
            error = _error(line, frame)
            in_frames = False
            if quoted:
                worker = error
            else:
                errors.append(error)
    if not errors:
        errors.append(_error(log.lines[last], frame))
    return Traceback(log, first, last, tuple(errors), worker)


def _foreign(file: str) -> bool:
    """Whether a frame lies in Spark's or py4j's own Python code, which is never where to look first."""
    return "pyspark.zip/" in file or "/pyspark/" in file or "py4j" in file


def _error(line: str, frame: re.Match[str] | None) -> PythonError:
    match = _EXCEPTION.match(line)
    kind, message = (match["type"], match["message"] or "") if match else ("", line)
    if frame is None:
        return PythonError(kind, message)
    return PythonError(kind, message, frame["file"], int(frame["line"]), frame["function"] or "")
