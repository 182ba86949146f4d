"""Log text taken apart: log4j records of several lines, and Python tracebacks cut out whole.

The idea of joining lines without a header to the record before them, and of preferring a Python traceback to everything
else, is mrjob's (``mrjob/logs/log4j.py``, ``mrjob/logs/errors.py``).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

from batch_submit.data_classes import dataclass
from batch_submit.diagnosis.evidence import Excerpt, LogText, searched

#: ``26/11/21 11:49:55 ERROR ApplicationMaster: …`` (Spark's own pattern) and ``2026-11-21 11:49:55,123 ERROR …``.
HEADER = re.compile(
    r"^(?:\d\d/\d\d/\d\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?\S*)\s+"
    r"(?:\[[^\]]*\]\s+)?(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\s+(?P<logger>[^\s:]+):?\s?"
)
_TRACEBACK = "Traceback (most recent call last):"
_DIRECT_CAUSE = "The above exception was the direct cause of the following exception:"
_LINKS = (_DIRECT_CAUSE, "During handling of the above exception, another exception occurred:")
#: What may stand before a traceback on its line: a group's mark, or output without an end of line (a progress bar). Not
#: the branches of a group's tree, and no words that quote it.
_QUOTES = re.compile(r"^\s*\|?\s*$|[:=]\s*$|[\"']$")
_GROUP_MARK = re.compile(r"^\s*\+ Exception Group $")
_IN_GROUP = re.compile(r"^  \| ?")
_BRANCH = re.compile(r"^\s+\|")
#: Lines of a JVM's stack trace, and the words with which Spark goes on after a blank line.
_JVM = re.compile(r"^(?:\s+at |Caused by: |\s*\.\.\. \d+ (?:more|common)|\s*Suppressed: |: [a-z]|Driver stacktrace:)")
_JVM_ERROR = re.compile(r"^: [a-z]\w*\.[\w.$]+")
_JVM_FRAME = re.compile(r"^\s+at \S+\(.*\)$|^\s*\.\.\. \d+ (?:more|common frames omitted)$")
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$", re.DOTALL)
_SYNTAX = re.compile(r"^(?:SyntaxError|IndentationError|TabError): ")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
#: Lines below an exception's first one that belong to its message by their form: indented ones, Spark's plans and
#: queries, what databases add.
_MESSAGE = re.compile(
    r"^(?:\s+\S|'?[A-Z]\w* \[|\+- |:- |== |\^+$|\[SQL: |\[parameters: |\(Background on|SQLSTATE"
    r"|(?:DETAIL|HINT|LINE \d+)\b)"
)
#: The first line of a message that goes on below it.
_ANNOUNCES = re.compile(r"[:;,(\[{]\s*$|validation errors? for \S+$")
_FROM_SPARK = re.compile(r"^(?:py4j\.|pyspark\.)")
#: A message has no more lines and characters than that; what follows was printed by somebody else.
_MOST_MESSAGE_LINES, _MOST_MESSAGE_CHARACTERS = 40, 4096
#: What a driver's end writes by itself; anything else below a traceback shows that the script went on.
_NOISE = re.compile(
    r"^(?:\d\d/\d\d/\d\d \d\d:\d\d:\d\d |\s*\[Stage \d|#|Exception ignored in|sys:1: "
    r"|[a-z]\w*(?:\.[\w$]+)+(?:Exception|Error)\b)"
)
_IGNORED = "Exception ignored in"
#: The driver's Python sees its JVM go away: what ended the JVM is the cause, never this.
_LOST_GATEWAY = ("Py4JNetworkError", "ConnectionRefusedError", "ConnectionResetError")


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
        The exception in a Python worker on an executor that is quoted in the last error's message, if there is one.
    parts
        Where the errors stand that the last one was raised from, and it itself as the last: first and last index each.
        An error that was only being handled when the last one came is not among them.
    went_on
        Something was printed below it: the script had caught it and went on, so it did not end the script.
    """

    log: LogText
    first: int
    last: int
    errors: tuple[PythonError, ...]
    worker: PythonError | None = None
    parts: tuple[tuple[int, int], ...] = ()
    went_on: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the error that ended the script, without those before it in the chain."""
        first, last = self.parts[-1] if self.parts else (self.first, self.last)
        return self.log.lines[first : last + 1]

    @property
    def text(self) -> str:
        """The text that rules search in: that of the last error."""
        return searched(self.lines)

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
        return next((line[2:].strip() for line in self.lines if _JVM_ERROR.match(line)), "")

    @property
    def lost_gateway(self) -> bool:
        """Whether it only tells that the JVM went away."""
        whole = searched(self.log.lines[self.first : self.last + 1])
        return self.error.name in _LOST_GATEWAY and "py4j" in whole

    @property
    def ignored(self) -> bool:
        """Whether Python itself says that it ignored the exception (in ``__del__``, while it shuts down)."""
        return self.first > 0 and self.log.lines[self.first - 1].startswith(_IGNORED)

    def causes(self) -> list[Traceback]:
        """What the last error was raised from, the nearest first, each as if it had been the last."""
        return [
            replace(_parse(self.log, *part), first=self.first, last=self.last) for part in reversed(self.parts[:-1])
        ]


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
    """Every Python traceback of a text, whole, in the order written.

    It may stand behind other text on its first line, as below a progress bar. A traceback quoted within another's
    message (an exception of a Python worker) belongs to that other one. A syntax error in the script itself has no
    header line; it is found by its last line.
    """
    found: list[Traceback] = []
    index = 0
    while index < len(log.lines):
        line = log.lines[index]
        if _opens(line):
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
    last_output = _last_output(log, found)
    return [replace(one, went_on=last_output > one.last) for one in found]


def _opens(line: str) -> bool:
    """Whether a traceback begins on this line."""
    if not line.endswith(_TRACEBACK):
        return False
    before = line.removesuffix(_TRACEBACK).rpartition("\r")[2]
    if not before or _GROUP_MARK.match(before):
        return True
    return not (_QUOTES.search(before) or HEADER.match(before) or _JVM.match(before))


def _last_output(log: LogText, found: list[Traceback]) -> int:
    """Index of the last line that the script itself wrote; -1 when there is none.

    The noise of a JVM that shuts down is nothing that the script wrote, nor is that it could not be reached any more.
    """
    passed_over = {
        index for one in found if one.lost_gateway or one.ignored for index in range(one.first, one.last + 1)
    }
    for index in range(len(log.lines) - 1, -1, -1):
        line = log.lines[index]
        noise = not line.strip() or _NOISE.match(line) or _JVM.match(line)
        if not (noise or index in passed_over or (log.file != "stdout" and HEADER.match(line))):
            return index
    return -1


def _end(log: LogText, start: int) -> int:
    """Index of the last line of the traceback that begins at ``start``."""
    lines = log.lines
    error, last = _formed(lines, start)
    rest = _rest(lines, last)
    if not rest:
        return last
    certain = _printed_by_python(lines[start : error + 1])
    spark = _FROM_SPARK.match(lines[error]) is not None
    announced = not spark and _announces(lines, start, error)
    to_the_end = last + len(rest) == len(lines) - 1 and len(rest) <= _MOST_MESSAGE_LINES
    short = sum(len(line) + 1 for line in rest) <= _MOST_MESSAGE_CHARACTERS
    if to_the_end and short and (certain or announced or (not spark and not rest[0].strip())):
        taken = rest
    elif certain or announced:
        taken = _paragraph(rest)
    else:
        taken = ()
    last += len(taken)
    while last > start and not lines[last].strip():
        last -= 1
    return last


def _formed(lines: tuple[str, ...], start: int) -> tuple[int, int]:
    """Where the (last) exception stands, and the last line that belongs to the traceback by its form alone."""
    error = last = start
    in_frames = True
    index = start + 1
    while index < len(lines) and index - last <= _MOST_MESSAGE_LINES:
        line = _IN_GROUP.sub("", lines[index])
        if HEADER.match(line) or (_opens(line) and not _introduced(lines, index)):
            break
        if not line.strip():
            if not _goes_on(lines, index):
                break
        elif line.endswith(_TRACEBACK) and not _BRANCH.match(line):
            in_frames, last = True, index
        elif in_frames:
            last = index
            if line[0].strip():
                error, in_frames = index, False
        elif _JVM.match(line) or _MESSAGE.match(line):
            last = index
        index += 1
    return error, last


def _rest(lines: tuple[str, ...], last: int) -> tuple[str, ...]:
    """The lines below a traceback's, up to a log record or another traceback; not one more than a message may have."""
    rest: list[str] = []
    for line in lines[last + 1 : last + 2 + _MOST_MESSAGE_LINES]:
        if HEADER.match(line) or _opens(line) or line.startswith(_IGNORED):
            break
        rest.append(line)
    return tuple(rest)


def _paragraph(rest: tuple[str, ...]) -> tuple[str, ...]:
    """Lines up to a blank one, no more than a message may have."""
    taken: list[str] = []
    for line in rest[:_MOST_MESSAGE_LINES]:
        if not line.strip() or sum(map(len, taken)) > _MOST_MESSAGE_CHARACTERS:
            break
        taken.append(line)
    return tuple(taken)


def _printed_by_python(traceback: tuple[str, ...]) -> bool:
    """Whether the interpreter itself printed it, because nobody had caught it.

    Up to Python 3.12 it shows no source of modules in a zip, as Spark's are; the ``traceback`` module, which prints
    caught ones, does.
    """
    seen = quoted = False
    above = ""
    for line, below in itertools.pairwise(traceback):
        if line.endswith(_TRACEBACK):
            quoted = bool(above) and above not in _LINKS  # a Python worker's, printed by the worker
        frame = _FRAME.match(line)
        if frame is not None and ".zip/" in frame["file"] and not quoted:
            seen = True
            if below.startswith("    "):
                return False
        above = line.strip() or above
    return seen


def _announces(lines: tuple[str, ...], start: int, error: int) -> bool:
    """Whether an exception's first line says that more follows, or the line that raised it does."""
    raised = (line for line in reversed(lines[start:error]) if line.lstrip().startswith("raise "))
    return _ANNOUNCES.search(lines[error]) is not None or "\\n" in next(raised, "")


def _introduced(lines: tuple[str, ...], index: int) -> bool:
    """Whether a traceback's first line is announced by the line above it, as a chained or a quoted one is."""
    above = lines[index - 1].strip() or lines[index - 2]
    return above in _LINKS or above.endswith((":", "see the stack trace below."))


def _goes_on(lines: tuple[str, ...], blank: int) -> bool:
    """Whether a traceback goes on after a blank line: with a chained one, or with what the JVM says."""
    for line in lines[blank + 1 : blank + 3]:
        if line.strip():
            linked = line in _LINKS or (line.endswith(_TRACEBACK) and _introduced(lines, blank + 1))
            return linked or line.startswith("== ") or bool(_JVM.match(line))
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
    parts: list[tuple[int, int]] = []
    begin = first
    for index, text in enumerate(log.lines[first : last + 1], first):
        line = _IN_GROUP.sub("", text)
        if line.endswith(_TRACEBACK) and not _BRANCH.match(line):
            quoted = bool(errors) and not linked
            begin = index if linked else begin
            in_frames, linked, frame = True, False, None
        elif line in _LINKS:
            linked, worker = True, None
            parts = [*parts, (begin, index - 1)] if line == _DIRECT_CAUSE else []
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
    return Traceback(log, first, last, tuple(errors), worker, (*parts, (begin, last)))


def _foreign(file: str) -> bool:
    """Whether a frame lies in Spark's or py4j's own Python code, which is never where to look first."""
    return "pyspark.zip/" in file or "/pyspark/" in file or "py4j" in file


def _error(line: str, frame: re.Match[str] | None) -> PythonError:
    match = _EXCEPTION.match(line)
    kind, message = (match["type"], match["message"] or "") if match else ("", line)
    if frame is None:
        return PythonError(kind, message)
    return PythonError(kind, message, frame["file"], int(frame["line"]), frame["function"] or "")
