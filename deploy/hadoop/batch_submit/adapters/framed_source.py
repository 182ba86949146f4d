"""Reading a log file from a server that frames it in banner lines: whole, from its end, or from a byte on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from batch_submit.adapters.framed_logs import Section, sections
from batch_submit.container_logs import LogFile
from batch_submit.errors import NotFound

#: Asked for beyond what is known of a growing file, so that one request brings what was written meanwhile.
_SLACK_BYTES = 1 << 14
_MOST_QUESTIONS = 4

#: Opens an answer with at most ``size`` bytes of each part (negative: the last ones; ``None``: all).
Opener = Callable[[int | None], AbstractContextManager[Iterator[bytes]]]


def read_framed(
    opened: Opener, file: LogFile, *, start: int, length: int | None, parts: int, where: str, noisy: bool = False
) -> Iterator[bytes]:
    """The bytes of a file; see :meth:`batch_submit.container_logs.LogSource.read`.

    Parameters
    ----------
    parts
        Of how many sections the file consists; the servers cut each of them by itself, so that more than one can only
        be read whole.
    noisy
        See :func:`batch_submit.adapters.framed_logs.sections`.
    """
    found = _Answers(opened, file, where, noisy)
    if length is not None and length <= 0:
        return
    if start < 0 and parts > 1:
        start = max(0, (file.size or 0) + start)
    if start > 0 and parts == 1 and file.size is not None:
        pieces = found.from_byte(start)
    elif start < 0:
        pieces = found.joined(start, parts)
    else:
        size = length if start == 0 and parts == 1 else None
        pieces = skipped(found.joined(size, parts), start)
    yield from pieces if length is None else limited(pieces, length)


class _Answers:
    """The answers of one server about one file."""

    def __init__(self, opened: Opener, file: LogFile, where: str, noisy: bool) -> None:
        self._opened = opened
        self._file = file
        self._where = where
        self._noisy = noisy

    def joined(self, size: int | None, parts: int) -> Iterator[bytes]:
        """The first ``parts`` sections of the file, one after the other."""
        found = 0
        with self._opened(size) as pieces:
            for section in self._ours(pieces, size):
                yield from section.content
                found += 1
                if found >= parts:
                    break
        if not found:
            raise self._nothing()

    def from_byte(self, start: int) -> Iterator[bytes]:
        """From a byte on. The servers count from either end only, and a growing file's end moves: ask for some more."""
        file = self._file
        wanted = (file.size or 0) - start + (0 if file.complete else _SLACK_BYTES)
        for _ in range(_MOST_QUESTIONS):
            if wanted <= 0:
                return
            with self._opened(-wanted) as pieces:
                section = next(self._ours(pieces, -wanted), None)
                if section is None:
                    raise self._nothing()
                first = max(0, section.length - wanted)
                if first <= start:
                    yield from skipped(section.content, start - first)
                    return
                wanted = section.length - start + _SLACK_BYTES
        # It grows faster than we ask: read from its beginning, once.
        yield from skipped(self.joined(None, 1), start)

    def _ours(self, pieces: Iterator[bytes], size: int | None) -> Iterator[Section]:
        for section in sections(pieces, size=size, where=self._where, noisy=self._noisy):
            if section.container_id == self._file.container_id and section.name == self._file.name:
                yield section
            else:
                for _ in section.content:  # what was not asked for is passed over
                    continue

    def _nothing(self) -> NotFound:
        return NotFound(f"no log {self._file.name} of {self._file.container_id}", where=self._where)


def skipped(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The pieces without the first ``count`` bytes."""
    for piece in pieces:
        if count >= len(piece):
            count -= len(piece)
            continue
        yield piece[count:] if count else piece
        count = 0


def limited(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """At most the first ``count`` bytes of the pieces."""
    for piece in pieces:
        if len(piece) >= count:
            yield piece[:count]
            return
        count -= len(piece)
        yield piece
