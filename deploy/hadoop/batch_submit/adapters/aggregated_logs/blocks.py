"""Compressed parts of a file as streams of plain bytes that can be entered in the middle, and a cursor over them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, RangedFile, UnsupportedLogs
from batch_submit.data_classes import dataclass

PIECE_BYTES = 1 << 18
_MAX_ENTRIES = 64
_ENTRY_SPACING = 1 << 24  # an entry holds about 45 kB; to decode this much takes some 50 ms
_ANY_HEADER = 47  # zlib or gzip, told by its header; Hadoop's "gz" is zlib


class Block(Protocol):
    """A part of a file, decoded."""

    #: Whether entering at any place is cheap.
    seekable: bool
    path: str

    def open(self, at: int, want: int | None) -> Iterator[bytes]:
        """Decoded bytes from ``at`` on, to the block's end, or (where it saves something) about ``want`` of them."""


def block(file: RangedFile, codec: str, start: int, length: int) -> Block:
    """The decoder of a codec.

    Raises
    ------
    UnsupportedLogs
        Naming the codec.
    DamagedLogs
        The part lies outside of the file.
    """
    if start < 0 or length < 0 or start + length > file.size:
        raise DamagedLogs(f"a block from {start} to {start + length} of {file.size} bytes is named", file.path)
    if codec == "none":
        return PlainBlock(file, start, length)
    if codec == "gz":
        return DeflatedBlock(file, start, length)
    raise UnsupportedLogs(f"the compression {codec[:40]!r}", file.path)


class PlainBlock:
    """Bytes as they are."""

    seekable = True

    def __init__(self, file: RangedFile, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self.path = file.path

    def open(self, at: int, want: int | None) -> Iterator[bytes]:
        """See :meth:`Block.open`."""
        left = max(0, self._length - at)
        return self._file.open(self._start + at, left if want is None else min(left, want))


@dataclass(frozen=True)
class _Entry:
    """A place where decoding can begin: its compressed and its plain offset, and the decoder's state there."""

    consumed: int
    plain: int
    state: Any


class DeflatedBlock:
    """A zlib stream. What was decoded once leaves at most 64 entries behind, so that the middle is found again."""

    seekable = False

    def __init__(self, file: RangedFile, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self.path = file.path
        self._entries: list[_Entry] = []
        self._spacing = _ENTRY_SPACING

    def open(self, at: int, want: int | None) -> Iterator[bytes]:
        """See :meth:`Block.open`; ``want`` saves nothing here."""
        before = next((entry for entry in reversed(self._entries) if entry.plain <= at), None)
        consumed, plain = (before.consumed, before.plain) if before else (0, 0)
        decoder = before.state.copy() if before else zlib.decompressobj(_ANY_HEADER)
        for compressed in self._file.open(self._start + consumed, self._length - consumed):
            for decoded in self._decoded(decoder, compressed):
                plain += len(decoded)
                if plain > at:
                    yield decoded[max(0, len(decoded) - (plain - at)) :]
            consumed += len(compressed)
            if decoder.eof:
                return
            self._remember(consumed, plain, decoder)
        raise DamagedLogs("a compressed block ends too early", self.path)

    def _decoded(self, decoder: Any, compressed: bytes) -> Iterator[bytes]:
        try:
            decoded = decoder.decompress(compressed, PIECE_BYTES)
            while decoded:
                yield decoded
                decoded = decoder.decompress(decoder.unconsumed_tail, PIECE_BYTES)
        except zlib.error as error:
            raise DamagedLogs(f"a compressed block can't be decoded ({error})", self.path) from error

    def _remember(self, consumed: int, plain: int, decoder: Any) -> None:
        if plain < (self._entries[-1].plain if self._entries else 0) + self._spacing:
            return
        self._entries.append(_Entry(consumed, plain, decoder.copy()))
        if len(self._entries) > _MAX_ENTRIES:
            self._entries = self._entries[1::2]
            self._spacing *= 2


class Cursor:
    """Reads a block forward, and jumps where the block allows.

    Parameters
    ----------
    at
        Decoded offset to begin with.
    want
        About so many bytes will be asked for; ``None``: all. More are fetched when they are.
    """

    def __init__(self, source: Block, at: int = 0, *, want: int | None = None) -> None:
        self.source = source
        self.position = at
        self._want = want
        self._pieces: Iterator[bytes] | None = None
        self._buffer = b""
        self._offset = 0

    def seek(self, position: int) -> None:
        """Go on at another decoded offset."""
        ahead = position - self.position
        if 0 <= ahead <= len(self._buffer) - self._offset:
            self._offset += ahead
        else:
            self.close()
        self.position = position

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        closing = getattr(self._pieces, "close", None)
        self._pieces, self._buffer, self._offset = None, b"", 0
        if closing is not None:
            closing()

    def up_to(self, size: int) -> bytes:
        """The bytes at hand, at most ``size``; empty at the block's end."""
        if self._offset >= len(self._buffer) and not self._fill():
            return b""
        taken = self._buffer[self._offset : self._offset + size]
        self._offset += len(taken)
        self.position += len(taken)
        return taken

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._offset >= len(self._buffer) and not self._fill()

    def exactly(self, size: int) -> bytes:
        """So many bytes (few); :class:`DamagedLogs` when the block ends before."""
        taken = self.up_to(size)
        while len(taken) < size:
            more = self.up_to(size - len(taken))
            if not more:
                raise self.damaged("it ends in the middle of a record")
            taken += more
        return taken

    def skip(self, size: int) -> None:
        """Leave so many bytes out."""
        if self.source.seekable and size > PIECE_BYTES:
            self.seek(self.position + size)
            return
        while size:
            passed = self.up_to(size)
            if not passed:
                raise self.damaged("it ends in the middle of a record")
            size -= len(passed)

    def vlong(self) -> int:
        """Hadoop's number of variable length. Source: ``org.apache.hadoop.io.file.tfile.Utils.readVLong``."""
        first = int.from_bytes(self.exactly(1), "big", signed=True)
        if first >= -32:
            return first
        group = (first + 128) // 8
        if group >= 7:
            return ((first + 52) << 8) | self.exactly(1)[0]
        if group >= 3:
            return ((first + 88) << 16) | int.from_bytes(self.exactly(2), "big")
        if group >= 1:
            return ((first + 112) << 24) | int.from_bytes(self.exactly(3), "big")
        return int.from_bytes(self.exactly(first + 129), "big", signed=True)

    def text(self, limit: int = 4096) -> str:
        """Hadoop's text: a number of bytes, then UTF-8."""
        size = self.vlong()
        if not -1 <= size <= limit:
            raise self.damaged(f"a text of {size} bytes is named")
        return self.exactly(max(0, size)).decode("utf-8", "replace")

    def damaged(self, what: str) -> DamagedLogs:
        """The error for what is found at this place."""
        return DamagedLogs(f"{what} (at byte {self.position} of a block)", self.source.path)

    def _fill(self) -> bool:
        for _ in range(2):  # the window, and when it is used up the next, larger one
            if self._pieces is None:
                self._pieces = iter(self.source.open(self.position, self._want))
            for piece in self._pieces:
                if piece:
                    self._buffer, self._offset = piece, 0
                    return True
            self._pieces, self._buffer, self._offset = None, b"", 0
            if self._want is None or not self.source.seekable:
                break
            self._want *= 8
        # An ended stream stays ended: opening it again would only be another question with the same answer.
        self._pieces = iter(())
        return False
