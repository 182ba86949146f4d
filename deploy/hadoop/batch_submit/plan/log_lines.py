"""Lines out of a stream of bytes: searching, and the last ones. Constant memory: a line is cut at 1 MiB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from batch_submit.errors import UsageError

LONGEST_LINE = 1 << 20
_FIRST_SPAN = 1 << 16
#: So much is held in memory to find the last lines; for more of them a file is read twice.
_LONGEST_SPAN = 1 << 23

#: Reads ``length`` bytes from ``start`` on.
Reader = Callable[[int, int], Iterable[bytes]]


def lines(pieces: Iterable[bytes], *, unfinished: bool = True) -> Iterator[bytes]:
    """The lines of a stream, each with its end; what is longer than :data:`LONGEST_LINE` comes in several.

    Parameters
    ----------
    unfinished
        Whether a last line without an end is given too.
    """
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield from _cut(line + b"\n")
        while len(held) >= LONGEST_LINE:
            yield held[:LONGEST_LINE]
            held = held[LONGEST_LINE:]
    if held and unfinished:
        yield held


def _cut(line: bytes) -> Iterator[bytes]:
    for start in range(0, len(line), LONGEST_LINE):
        yield line[start : start + LONGEST_LINE]


def as_text(line: bytes) -> str:
    """A line for searching: one character each for what is UTF-8, and for every byte that is not."""
    return line.rstrip(b"\n").decode(errors="surrogateescape")


def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression over :func:`as_text`.

    Raises
    ------
    UsageError
        It is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--grep {pattern!r} is not a regular expression: {error}", next_step="write \\ before ( [ . * to mean them"
        ) from error


def last_lines(read: Reader, size: int, count: int) -> Iterator[bytes]:
    """The last ``count`` lines of a file of ``size`` bytes, read from its end and no more of it than needed."""
    if count <= 0 or size <= 0:
        return
    span = min(_FIRST_SPAN, size)
    while True:
        data = b"".join(read(size - span, span))
        cut = _start_of_last(data, count)
        if cut is not None or span >= size:
            yield data[cut or 0 :]
            return
        if span >= _LONGEST_SPAN:
            break
        span = min(span * 8, size, _LONGEST_SPAN)
    del data
    yield from _last_of_many(read, size, count)


def _start_of_last(data: bytes, count: int) -> int | None:
    """Where the last ``count`` lines begin; ``None`` when the data does not reach back so far."""
    end = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(count):
        end = data.rfind(b"\n", 0, end)
        if end < 0:
            return None
    return end + 1


def _last_of_many(read: Reader, size: int, count: int) -> Iterator[bytes]:
    """Read once to count the lines, and again to pass over all but the last."""
    ends, last = 0, b""
    for piece in read(0, size):
        ends += piece.count(b"\n")
        last = piece
    total = ends if last.endswith(b"\n") else ends + 1
    skip = max(0, total - count)
    for piece in read(0, size):
        inside = piece.count(b"\n") if skip else 0
        if inside < skip:
            skip -= inside
            continue
        start = 0
        for _ in range(skip):
            start = piece.index(b"\n", start) + 1
        skip = 0
        if piece[start:]:
            yield piece[start:]
