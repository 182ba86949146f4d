"""Printing log files: as they are, their last lines, or lines that match; from the beginning or where it was."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import field

from batch_submit.adapters.binary_output import BinaryOutput
from batch_submit.container_logs import ContainerLogs
from batch_submit.data_classes import dataclass
from batch_submit.plan.log_lines import as_text, compiled, last_lines, lines
from batch_submit.plan.log_selection import WantedLogs
from batch_submit.render.logs import header
from batch_submit.render.tables import printable
from batch_submit.services import Services

#: How long to wait for the nodes' uploads after an application's end.
DEFAULT_PATIENCE_S = 30.0

Key = tuple[str, str]


@dataclass(frozen=True)
class LogsOptions:
    """``logs`` as typed; times in seconds. See :class:`batch_submit.plan.log_selection.WantedLogs`."""

    wanted: WantedLogs = field(default_factory=WantedLogs)
    tail: int | None = None
    follow: bool = False
    grep: str | None = None
    since_s: float | None = None
    out: str | None = None
    only_list: bool = False
    source: str = ""
    owner: str = ""
    patience_s: float = DEFAULT_PATIENCE_S
    as_json: bool = False


def key_of(one: ContainerLogs) -> Key:
    """Container id and name of a file."""
    return one.file.container_id, one.file.name


class LogView:
    """Prints log files as the options say, and remembers how far it came.

    Parameters
    ----------
    options
        ``tail``, ``grep``, ``since_s`` and what is wanted.

    Attributes
    ----------
    wanted
        What is wanted, with ``since_s`` as a time.
    read_to
        Up to which byte a file was shown.
    headers
        Whether a line with its name stands above each file's text.
    """

    def __init__(self, services: Services, options: LogsOptions) -> None:
        wanted = options.wanted
        if options.since_s is not None:
            after_ms = int((services.clock.now_utc().timestamp() - options.since_s) * 1000)
            wanted = dataclasses.replace(wanted, modified_after_ms=after_ms)
        self.wanted = wanted
        self.read_to: dict[Key, int] = {}
        self.headers = False
        self._terminal = services.terminal
        self._tail = options.tail
        self._pattern = compiled(options.grep) if options.grep is not None else None
        self._out = BinaryOutput()
        self._line_numbers: dict[Key, int] = {}
        self._current: Key | None = None
        self._matches = 0

    def show(self, chosen: Sequence[ContainerLogs]) -> None:
        """Print the files one after the other, with a line above each where there are several."""
        files = [one for one in chosen if self.wanted.files or one.file.size != 0]
        if not files:
            self._terminal.note("nothing was written there" if chosen else "no file is that new")
        self.headers = len(files) > 1
        for one in files:
            self.advance(one)
        if files and self._pattern is not None and not self._matches:
            self._terminal.note("no line matches")

    def advance(self, one: ContainerLogs) -> bool:
        """Print what was not shown of a file yet; whether there was something.

        Of a file that still grows (``complete`` is false) a search leaves a line without an end for the next time.
        """
        key, size = key_of(one), one.file.size
        before = self.read_to.get(key)
        if before is None and self._tail is not None and self._pattern is None and size is not None:
            read = functools.partial(_range, one)
            self._print(one, last_lines(read, size, self._tail))
            self.read_to[key] = size  # the last lines end there
            return True
        start = self.read_to.setdefault(key, 0)
        empty = one.file.size == 0 and one.file.complete
        pieces = iter(()) if empty else one.source.read(one.file, start=start)  # spares a question for each
        if self._pattern is None:
            self._print(one, pieces)
        else:
            self._search(one, pieces)
        return before is None or self.read_to[key] > start

    def _print(self, one: ContainerLogs, pieces: Iterable[bytes]) -> None:
        key = key_of(one)
        for piece in pieces:
            self._head(one)
            self._out.write(piece)
            self.read_to[key] = self.read_to.get(key, 0) + len(piece)
        self._out.flush()

    def _search(self, one: ContainerLogs, pieces: Iterable[bytes]) -> None:
        assert self._pattern is not None
        key = key_of(one)
        place = printable(f"{key[0]}/{key[1]}")  # both are a server's words
        kept: deque[bytes] = deque(maxlen=self._tail)
        for line in lines(pieces, unfinished=one.file.complete):
            number = self._line_numbers[key] = self._line_numbers.get(key, 0) + 1
            self.read_to[key] += len(line)
            if self._pattern.search(as_text(line)):
                found = f"{place}:{number}:".encode() + line.rstrip(b"\n") + b"\n"
                self._matches += 1
                if self._tail is None:
                    self._out.write(found)
                else:
                    kept.append(found)
        for found in kept:
            self._out.write(found)
        self._out.flush()

    def _head(self, one: ContainerLogs) -> None:
        key = key_of(one)
        if self.headers and key != self._current:
            if self._current is not None:
                self._out.line("")
            self._out.line(header(one.file))
        self._current = key


def _range(one: ContainerLogs, start: int, length: int) -> Iterable[bytes]:
    return one.source.read(one.file, start=start, length=length)
