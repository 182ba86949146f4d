"""A file that is read in ranges: what the readers of aggregated logs need of HDFS, and the errors that they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from batch_submit.errors import ClusterRefused, ClusterUnreachable

if TYPE_CHECKING:
    from batch_submit.adapters.webhdfs import FileStatus, WebHdfs

#: A file up to this size is fetched once, whole: a round trip costs more than a megabyte.
WHOLE_BYTES = 1 << 20
#: The end of a larger file, which holds its index, is kept.
TAIL_BYTES = 1 << 16

SHELF_BYTES = 16 << 20
#: Passing over so many bytes costs less than asking anew.
_SMALL_GAP = 1 << 20
_WINDOW_GROWTH = 4

_NEXT_STEP = "try the JobHistoryServer, or: yarn logs -applicationId <application id>"


class DamagedLogs(ClusterRefused):
    """An aggregated file is not what it should be: cut off while it was written, or overwritten."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"this aggregated log file is damaged: {what}", where=where, next_step=_NEXT_STEP)


class UnsupportedLogs(ClusterRefused):
    """An aggregated file in a form that this tool does not read; the message names it."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} can't be read by this tool", where=where, next_step=_NEXT_STEP)


class RangedFile(Protocol):
    """Bytes of a file in pieces of a bounded size."""

    @property
    def path(self) -> str:
        """Where it lies, for messages."""

    @property
    def size(self) -> int:
        """Bytes."""

    def open(self, start: int, length: int) -> Iterator[bytes]:
        """Exactly ``length`` bytes from ``start`` on; the caller stays within the file."""


class Shelf:
    """Small files and ends of files that were fetched; what was not used for longest goes when it is full."""

    def __init__(self, limit_bytes: int = SHELF_BYTES) -> None:
        self._limit = limit_bytes
        self._kept: dict[FileStatus, bytes] = {}

    def take(self, status: FileStatus, fetch: Callable[[], bytes]) -> bytes:
        """What was fetched for a file, now or before; one that was written anew is another."""
        kept = self._kept.pop(status, None)
        data = fetch() if kept is None else kept
        self._kept[status] = data
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._limit:
            del self._kept[next(iter(self._kept))]
        return data


class HdfsFile:
    """A file on HDFS. Small ones, and the end of large ones, are fetched once.

    Parameters
    ----------
    webhdfs, status
        Where it is, and what the NameNode says of it.
    shelf
        Keeps what was fetched.
    """

    def __init__(self, webhdfs: WebHdfs, status: FileStatus, shelf: Shelf) -> None:
        self._webhdfs = webhdfs
        self._status = status
        self._shelf = shelf
        self.path = status.path
        self.size = status.length
        self._kept_from = 0 if self.size <= WHOLE_BYTES else self.size - TAIL_BYTES

    def open(self, start: int, length: int) -> Iterator[bytes]:
        """See :meth:`RangedFile.open`."""
        if length <= 0:
            return
        if start >= self._kept_from:
            kept = self._shelf.take(self._status, self._whole)
            yield kept[start - self._kept_from : start - self._kept_from + length]
        else:
            yield from self._fetch(start, length)

    def _whole(self) -> bytes:
        return b"".join(self._fetch(self._kept_from, self.size - self._kept_from))

    def _fetch(self, start: int, length: int) -> Iterator[bytes]:
        left = length
        for piece in self._webhdfs.open_range(self.path, start, length):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left != 0:
            message = f"the answer held {length - left} bytes in place of {length}"
            raise ClusterUnreachable(message, where=self.path, next_step="try again")


class ReadAhead:
    """A file that is walked through: what lies one behind the other comes over one connection, large gaps are left out.

    Several readers may take turns; each goes on where it was.

    Parameters
    ----------
    whole
        Nearly everything will be read: ask for all of it at once.
    """

    def __init__(self, file: RangedFile, *, whole: bool) -> None:
        self._file = file
        self.path, self.size = file.path, file.size
        self._first_window = file.size if whole else WHOLE_BYTES
        self._window = self._first_window
        self._at = 0
        self._rest = b""
        self._pieces: Iterator[bytes] = iter(())
        self._walking = True

    def open(self, start: int, length: int) -> Iterator[bytes]:
        """See :meth:`RangedFile.open`."""
        if not self._walking:
            yield from self._file.open(start, length)
            return
        position, end = start, start + length
        while position < end:
            piece = self._next(position, end - position)
            position += len(piece)
            yield piece

    def end_walk(self) -> None:
        """Let go of the connection; from now on every range is asked for by itself."""
        self._walking = False
        self._drop()

    def _next(self, position: int, limit: int) -> bytes:
        gap = position - self._at
        if not 0 <= gap <= _SMALL_GAP:
            self._drop()
            self._at, self._window, gap = position, self._first_window, 0
        while gap:
            gap -= len(self._take(gap))
        return self._take(limit)

    def _take(self, limit: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:  # the window is used up
                if self._at >= self.size:
                    raise DamagedLogs(f"bytes behind its end ({self.size}) are named", self.path)
                self._pieces = iter(self._file.open(self._at, min(self._window, self.size - self._at)))
                self._window *= _WINDOW_GROWTH
            else:
                self._rest = piece
        taken, self._rest = self._rest[:limit], self._rest[limit:]
        self._at += len(taken)
        return taken

    def _drop(self) -> None:
        closing = getattr(self._pieces, "close", None)
        self._pieces, self._rest = iter(()), b""
        if closing is not None:
            closing()


def exactly(file: RangedFile, start: int, length: int) -> bytes:
    """A small part of a file at once; :class:`DamagedLogs` when it does not lie within the file."""
    if start < 0 or length < 0 or start + length > file.size:
        raise DamagedLogs(f"bytes {start} to {start + length} of {file.size} are named", file.path)
    return b"".join(file.open(start, length))
