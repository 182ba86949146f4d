"""What people see: progress and notices on stderr, the answer alone on stdout, everything in the log file."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from batch_submit.plan.verbs import VERBS

LOGGER = logging.getLogger("batch_submit")
#: Commands of ours in a message; they are shown with the name by which this program was really called.
_OUR_COMMAND = re.compile(rf"\bbatch-submit (?=(?:{'|'.join(map(re.escape, VERBS))})\b)")
#: Secrets that this process has read. Not held by one `Terminal`: the door has its own, and the log file is a third.
_hidden: list[str] = []
#: Shorter values, and numbers with fewer digits, turn up everywhere by chance; they are hidden by their keys alone.
_SHORTEST_HIDDEN, _FEWEST_DIGITS = 4, 8
#: So do the words of every answer.
_EVERYDAY = frozenset(
    {
        *("true", "false", "null", "none", "auto", "default", "yarn", "local", "cluster", "client", "spark", "hadoop"),
        *("custom", "data_processing", "training", "evaluation", "prediction", "pipeline", "application"),
        *("submitted", "accepted", "running", "finished", "succeeded", "failed", "killed"),
    }
)
#: What tells one application from another is never hidden, nor is what stands under these keys of JSON.
_APPLICATION_ID = r"\b(?:application|appattempt|container)_(?:e\d+_)?\d+_\d+(?:_\d+)*\b"
_IDENTIFIERS = frozenset({"application_id", "run_id", "job_type", "result", "state", "final_status"})
#: As `plan.secrets.MASK`, whose module is for commands that need not start so fast.
_MASK = "*********(redacted)"
#: The run ids of this process, which stay as they are, too.
_run_ids: set[str] = set()

#: What a terminal acts on, in a name that somebody else may have chosen. Line breaks and tabs are our own.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: To the upper left corner, and everything away.
_CLEAR_SCREEN = "\x1b[H\x1b[2J"


def harmless(text: str) -> str:
    """The text with what a terminal would act on replaced by ``?``."""
    return _CONTROL.sub("?", text)


def hide(values: Iterable[str]) -> None:
    """From now on take these out of all that is printed or logged, however they got there; also line by line."""
    for value in values:
        for part in filter(_is_telling, (value, *value.splitlines())):
            for form in _forms(part):
                if len(form) >= _SHORTEST_HIDDEN and form not in _hidden:
                    _hidden.append(form)
    _hidden.sort(key=len, reverse=True)  # one may be a part of another


def keep_run_id(run_id: str) -> None:
    """Never hide a part of this run id, whatever is a secret."""
    _run_ids.add(run_id)


def _is_telling(value: str) -> bool:
    """Whether a value can be hidden wherever it stands, without taking numbers and everyday words along."""
    number = value.isdecimal() and len(value) < _FEWEST_DIGITS
    return len(value) >= _SHORTEST_HIDDEN and not number and value.lower() not in _EVERYDAY


def _forms(value: str) -> set[str]:
    """A text as it is, and as it stands in JSON, in Python's own quotes, or in both, and in a URL."""
    if value.isalnum() and value.isascii():
        return {value}
    from urllib.parse import quote, quote_plus  # few commands have secrets

    quoted = _quoted(value)
    twice = {again for one in quoted for again in _quoted(one)}
    return {value, *quoted, *twice, quote(value, safe=""), quote(value), quote_plus(value)}


def _quoted(value: str) -> set[str]:
    import json

    python = {repr(value)[1:-1], repr(f"{value}'\"")[1:-4]}  # a text with both quotes in it has one of them escaped
    return {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], *python}


def without_hidden(text: str) -> str:
    """The text with every value that :func:`hide` was given replaced, but for ids of applications and of this run."""
    for value in _hidden:
        if value in text:
            text = _replaced(text, value)
    return text


def _replaced(text: str, value: str) -> str:
    names = "|".join(map(re.escape, sorted(_run_ids, key=len, reverse=True)))
    kept = re.compile(rf"{_APPLICATION_ID}|(?<![\w.-])(?:{names})(?![\w-])" if names else _APPLICATION_ID)
    spans = [found.span() for found in kept.finditer(text)]
    out, done, first = [], 0, 0
    while (at := text.find(value, done)) >= 0:
        end = at + len(value)
        while first < len(spans) and spans[first][1] < end:
            first += 1
        inside = first < len(spans) and spans[first][0] <= at
        out += [text[done:at], value if inside else _MASK]
        done = end
    return "".join([*out, text[done:]])


def _json_without_hidden(text: str) -> str:
    """An answer in JSON with the hidden values taken out of its texts alone: it is JSON still. Others as they are."""
    import json

    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return without_hidden(text)
    return json.dumps(_told_without_hidden(told))


def _told_without_hidden(told: object) -> object:
    if isinstance(told, str):
        return without_hidden(told)
    if isinstance(told, dict):
        return {key: one if key in _IDENTIFIERS else _told_without_hidden(one) for key, one in told.items()}
    return [_told_without_hidden(one) for one in told] if isinstance(told, list) else told


class Terminal:
    """The two streams.

    A stderr that is gone (closed terminal, broken pipe) silences this object and nothing else: whether a run succeeded
    does not depend on somebody reading along. A broken stdout is the caller's business (exit code 141).

    Parameters
    ----------
    out, err
        The streams.
    no_color
        ``NO_COLOR`` is set: the live line is not used either.
    program
        How this program was called: ``./batch_submit.sh``, ``batch-submit``.
    """

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        no_color: bool = False,
        program: str = "batch-submit",
    ) -> None:
        if not LOGGER.handlers:
            LOGGER.addHandler(logging.NullHandler())  # else logging would print to stderr by itself
        self._program = program
        # Python has no stream at all (None) for a descriptor that was closed before it started (2>&-).
        self._out: TextIO | None = out if out is not None else sys.stdout
        self._err: TextIO | None = err if err is not None else sys.stderr
        self.live = not no_color and self._err is not None and self._err.isatty()
        #: The widths of the live lines on the screen, in columns; empty when there are none.
        self._live_widths: list[int] = []
        self._last_key: object = None
        self._gone = False

    def answer(self, text: str, *, for_people: bool = False) -> None:
        """Print to stdout and flush, so that a later crash does not lose it.

        Parameters
        ----------
        for_people
            The text names commands of ours to type; they get the name by which this program was called. Never for JSON.
        """
        if for_people:
            text = self._as_called(text)
        hidden = _json_without_hidden(text) if _hidden and text[:1] in ("{", "[") else without_hidden(text)
        self._answer(harmless(hidden))

    def answer_screen(self, lines: Sequence[str]) -> None:
        """An answer that takes the place of all that stands on the screen, from its upper left corner."""
        self._answer(_CLEAR_SCREEN + harmless(without_hidden("\n".join(lines))))

    def note(self, text: str) -> None:
        """A notice or a step, one line on stderr."""
        LOGGER.info("%s", text)
        self._write(text + "\n")

    def warn(self, text: str) -> None:
        """Something that deserves attention, on stderr."""
        LOGGER.warning("%s", text)
        self._write(f"warning: {text}\n")

    def error(self, lines: list[str]) -> None:
        """An error: what, where, what next."""
        for line in lines:
            LOGGER.error("%s", line)
        self._write("".join([f"error: {lines[0]}\n", *(f"{line}\n" for line in lines[1:])]))

    def debug(self, text: str) -> None:
        """For ``--verbose`` (a handler on the logger shows it) and the log file."""
        LOGGER.debug("%s", text)

    def progress(self, key: object, text: str) -> None:
        """What is awaited now.

        On a terminal one line that is rewritten; elsewhere a line only when ``key`` changes, so that a log file of a
        ten-hour run holds a handful of lines.
        """
        changed = key != self._last_key
        self._last_key = key
        if changed:
            LOGGER.info("%s", text)
        if self.live:
            self.panel([text])
        elif changed:
            self._write(text + "\n")

    @property
    def columns(self) -> int:
        """The width of the terminal."""
        return _screen().columns

    def event(self, text: str) -> None:
        """Something that has changed: a line, and with a live display only in the log file (the display shows it)."""
        LOGGER.info("%s", text)
        if not self.live:
            self._write(text + "\n")

    def panel(self, lines: Sequence[str]) -> None:
        """Lines that stay at the bottom and are rewritten in place by the next call; nothing without a terminal."""
        if not self.live or not lines:
            return
        size = _screen()
        # A line that wraps, or leaves the screen at its top, can't be rewritten in place.
        shown = [_cut(self._as_called(line), size.columns - 1) for line in lines[: max(1, size.lines - 1)]]
        self._write(self._erase() + "\n".join(shown), keep_live=True, verbatim=True)
        self._live_widths = [_width(line) for line in shown]

    def driver_output(self, text: str) -> None:
        """What a driver on this host wrote, as it is."""
        self._write(text, verbatim=True)

    def _answer(self, text: str) -> None:
        if self._live_widths:
            self._write("", verbatim=True)  # the live lines go off the screen
        if self._out is not None:
            self._out.write(text + "\n")
            self._out.flush()

    def _erase(self) -> str:
        """What takes the live lines off the screen. A terminal that has become narrower has wrapped them."""
        columns = max(1, _screen().columns)
        rows = sum(max(1, -(-width // columns)) for width in self._live_widths)
        return f"\r\x1b[{rows - 1}A\x1b[J" if rows > 1 else "\r\x1b[K"

    def _as_called(self, text: str) -> str:
        return _OUR_COMMAND.sub(lambda _match: f"{self._program} ", text)

    def _write(self, text: str, *, keep_live: bool = False, verbatim: bool = False) -> None:
        if self._gone or self._err is None:
            return
        text = without_hidden(text)
        if not verbatim:
            text = harmless(self._as_called(text))
        if self._live_widths and not keep_live:
            text = self._erase() + text
            self._live_widths = []
        try:
            self._err.write(text)
            self._err.flush()
        except (OSError, ValueError):
            self._gone = True
            silence(self._err)


def _screen() -> os.terminal_size:
    """The size of the terminal; ``COLUMNS`` and ``LINES`` overrule it."""
    import shutil  # it loads three compressors, and most commands draw nothing

    return shutil.get_terminal_size()


def _width(text: str) -> int:
    """Columns of a text: most characters of East Asian scripts take two."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str, columns: int) -> str:
    """The start of a text that fits, without control characters, which would move the cursor."""
    clean = "".join(letter for letter in text if letter.isprintable())
    while _width(clean) > columns:
        clean = clean[: max(0, len(clean) - max(1, (_width(clean) - columns) // 2))]
    return clean


def silence(stream: TextIO) -> None:
    """Send what a broken stream still holds nowhere: the interpreter's own flush would end in exit code 120."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return  # a stream without a descriptor
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def fill_closed_descriptors() -> None:
    """Open ``/dev/null`` where a standard stream was closed (``2>&-``).

    Otherwise the next file opened, the run's lock or our log, takes that number, and a child writes into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
