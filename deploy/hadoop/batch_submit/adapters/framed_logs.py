"""Log text between banner lines, as NodeManager, JobHistoryServer and ``yarn logs`` send it; read in constant memory.

::

    Container: container_1700000000000_0042_01_000001 on host_8041
    LogAggregationType: AGGREGATED
    ===================================
    LogType:stdout
    LogLastModifiedTime:Sat Nov 21 11:48:52 +0000 2026
    LogLength:1858
    LogContents:
    … 1858 bytes …
    End of LogType:stdout
    ***********************************

A log may hold any of these lines itself, so the content is counted by ``LogLength`` and its text never looked at
(source: ``LogToolUtils.outputContainerLog``; replies of Hadoop 3.5.0 stand in ``tests/golden/logs``). A rolling
aggregation sends one such section after the other for one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from batch_submit.data_classes import dataclass
from batch_submit.errors import ClusterUnreachable, NotFound

_LONGEST_LINE = 1 << 16
_CONTAINER = re.compile(rb"Container: (\S+) on (\S+)\s*")
#: With this text and status 200 a server says that it has no such file.
_NO_LOGS = (b"Can not find", b"Cannot find", b"Unable to", b"Logs not available")


@dataclass(frozen=True)
class Section:
    """One part of a log file: who wrote it, how long the whole part is, and what of it is here.

    Parameters
    ----------
    length
        Bytes of the whole part; more than ``content`` gives when a ``size`` was asked for.
    content
        The bytes in pieces; read it to its end before the next section is asked for.
    """

    container_id: str
    node: str
    name: str
    length: int
    content: Iterator[bytes]


def sections(
    pieces: Iterable[bytes], *, size: int | None = None, where: str = "", noisy: bool = False
) -> Iterator[Section]:
    """Take an answer apart.

    Parameters
    ----------
    size
        What was asked for: the server sends at most that many bytes of each part (negative: its last ones), and
        announces the full length all the same.
    where
        The address, for messages.
    noisy
        Other lines may stand before the first section (a program's own log).

    Raises
    ------
    NotFound
        The answer is the sentence that there is no such log.
    ClusterUnreachable
        It is neither that nor sections, or it breaks off.
    """
    reader = _Reader(pieces)
    first = True
    while (line := reader.line()) is not None:
        match = _CONTAINER.fullmatch(line)
        if match is None:
            if first and line.strip() and not noisy:
                raise _no_sections(line, where)
            continue
        first = False
        yield _section(reader, match, size, where)


def _section(reader: _Reader, match: re.Match[bytes], size: int | None, where: str) -> Section:
    name, length = "", -1
    while (line := reader.line()) is not None and not line.startswith(b"LogContents:"):
        key, _, value = line.decode("utf-8", "replace").partition(":")
        if key == "LogType":
            name = value.strip()
        elif key == "LogLength" and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            length = int(value)
    if line is None or length < 0:
        raise ClusterUnreachable("the answer broke off before the log began", where=where)
    here = length if size is None else min(length, abs(size))
    container_id, node = (
        match.group(1).decode("ascii", "replace"),
        node_address(match.group(2).decode("ascii", "replace")),
    )
    return Section(container_id, node, name, length, reader.exactly(here, where))


def node_address(text: str) -> str:
    """``host:port`` of a NodeManager as banners write it: ``host_8041``, rolling ``host_8041_1700000000000``."""
    match = re.fullmatch(r"(.+?)[_:](\d{1,5})(?:_\d{9,})?", text)
    return f"{match.group(1)}:{match.group(2)}" if match else text


def _no_sections(line: bytes, where: str) -> NotFound | ClusterUnreachable:
    text = line.decode("utf-8", "replace").strip()[:300]
    if line.lstrip().startswith(_NO_LOGS):
        return NotFound(text, where=where)
    return ClusterUnreachable("the answer is not a log in Hadoop's form", where=where, details=(text,))


class _Reader:
    """Lines and counted bytes from pieces of any size; holds one piece and at most one line."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def line(self) -> bytes | None:
        """The next line, cut at a length that no banner has; ``None`` at the end."""
        while (end := self._held.find(b"\n")) < 0 and len(self._held) < _LONGEST_LINE:
            piece = next(self._pieces, b"")
            if not piece:
                rest, self._held = self._held, b""
                return rest or None
            self._held += piece
        cut = end + 1 if end >= 0 else _LONGEST_LINE
        line, self._held = self._held[:cut], self._held[cut:]
        return line

    def exactly(self, count: int, where: str) -> Iterator[bytes]:
        """So many bytes."""
        left = count
        while left > 0:
            if not self._held:
                self._held = next(self._pieces, b"")
            if not self._held:
                raise ClusterUnreachable(f"the log broke off: {left} of {count} bytes did not come", where=where)
            if len(self._held) <= left:
                piece, self._held = self._held, b""
            else:
                piece, self._held = self._held[:left], self._held[left:]
            left -= len(piece)
            yield piece
