"""Aggregated logs in the format TFile.

Sources: ``org.apache.hadoop.io.file.tfile`` (``BCFile``, ``Chunk``, ``Utils``) and ``AggregatedLogFormat`` of Hadoop
3.5.0. A file holds blocks; a block holds records, one for each container; a record's value comes in chunks and holds
the container's log files one behind the other: name, length in decimal digits, content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batch_submit.adapters.aggregated_logs.blocks import PIECE_BYTES, Block, Cursor, block
from batch_submit.adapters.aggregated_logs.java_text import java_utf
from batch_submit.adapters.aggregated_logs.parts import Part, safe_container, safe_name
from batch_submit.adapters.aggregated_logs.remote_file import (
    DamagedLogs,
    RangedFile,
    ReadAhead,
    UnsupportedLogs,
    exactly,
)

MAGIC = bytes.fromhex("d111d36891b5d7b639df414092bae150")
_TRAILER_BYTES = 28  # offset of the meta index, two numbers of the version, magic
_INDEX_BLOCK = "data:BCFile.index"
_RESERVED = ("VERSION", "APPLICATION_ACL", "APPLICATION_OWNER")
_MAX_META_BLOCKS = 64
_MAX_BLOCKS = 1 << 20
_MAX_KEY_BYTES = (1 << 16) + 1
_MAX_CHUNK_BYTES = 1 << 31
_MIN_CHUNKS_TO_JUMP = 4


def parts(file: RangedFile, *, whole: bool = False) -> Iterator[Part]:
    """The log files in one TFile, in their order.

    A part's ``size`` and ``complete`` are certain when the next one is asked for. What is read of a part before that,
    from its first byte on, costs no second look at the file.

    Parameters
    ----------
    whole
        All content will be read: fetch it in one go instead of looking for the names only.

    Raises
    ------
    DamagedLogs, UnsupportedLogs
        The file's form.
    """
    ahead = ReadAhead(file, whole=whole)
    try:
        for source in _blocks(ahead):
            cursor = Cursor(source)
            while not cursor.at_end():
                container_id = _key(cursor)
                value = Value(cursor)
                if container_id not in _RESERVED:
                    yield from _container(container_id, value)
                value.skip_rest()
            cursor.close()
    finally:
        ahead.end_walk()


def _blocks(file: RangedFile) -> list[Block]:
    """The data blocks, from the index at the file's end."""
    trailer = exactly(file, file.size - _TRAILER_BYTES, _TRAILER_BYTES)
    if trailer[12:] != MAGIC:
        raise DamagedLogs("it does not end as a TFile does: it was cut off", file.path)
    version = int.from_bytes(trailer[8:10], "big")
    if version != 1:
        raise UnsupportedLogs(f"version {version} of TFile", file.path)
    meta_at = int.from_bytes(trailer[:8], "big", signed=True)
    cursor = Cursor(block(file, "none", meta_at, file.size - _TRAILER_BYTES - meta_at))
    try:
        index = _meta_block(file, cursor)
    finally:
        cursor.close()
    try:
        codec = index.text()
        count = _count(index, _MAX_BLOCKS)
        return [block(file, codec, *_region(index)) for _ in range(count)]
    finally:
        index.close()


def _meta_block(file: RangedFile, cursor: Cursor) -> Cursor:
    for _ in range(_count(cursor, _MAX_META_BLOCKS)):
        name, codec, region = cursor.text(), cursor.text(), _region(cursor)
        if name == _INDEX_BLOCK:
            return Cursor(block(file, codec, *region))
    raise cursor.damaged("the list of its blocks is missing")


def _region(cursor: Cursor) -> tuple[int, int]:
    start, compressed, _plain = cursor.vlong(), cursor.vlong(), cursor.vlong()
    return start, compressed


def _count(cursor: Cursor, limit: int) -> int:
    count = cursor.vlong()
    if not 0 <= count <= limit:
        raise cursor.damaged(f"a count of {count} is named")
    return count


def _key(cursor: Cursor) -> str:
    size = cursor.vlong()
    if not 2 <= size <= _MAX_KEY_BYTES:
        raise cursor.damaged(f"a key of {size} bytes is named")
    raw = cursor.exactly(size)
    try:
        key = java_utf(raw[2:])
    except ValueError as error:
        raise cursor.damaged("a key is no text") from error
    if int.from_bytes(raw[:2], "big") != size - 2 or not safe_container(key):
        raise cursor.damaged("a key is no container id")
    return key


def _container(container_id: str, value: Value) -> Iterator[Part]:
    part: Part | None = None
    while (head := _head(value)) is not None:
        if head == ("", 0):
            # No file comes now: the one before ended early, and the NodeManager wrote an error's text in its place.
            if part is not None:
                part.complete = False
            return
        content = _Content(value, head[1])
        part = Part(container_id, head[0], head[1], content.read)
        yield part
        part.size = content.finish()
        part.complete = part.size == head[1]


def _head(value: Value) -> tuple[str, int] | None:
    """Name and length of the next log file; ``None`` at the value's end; an empty name when it is none."""
    sizes = value.some(2)
    if not sizes:
        return None
    texts = []
    for _ in range(2):
        size = int.from_bytes(sizes, "big")
        raw = value.some(size)
        if len(sizes) < 2 or len(raw) < size:
            return "", 0
        try:
            texts.append(java_utf(raw))
        except ValueError:
            return "", 0
        sizes = value.some(2) if len(texts) == 1 else b""
    name, digits = texts
    if not safe_name(name) or not re.fullmatch(r"[0-9]{1,18}", digits):
        return "", 0
    return name, int(digits)


class Value:
    """The value of one record: its chunks as one stream of bytes.

    Parameters
    ----------
    left, last
        Bytes that are left of the chunk at the cursor, and whether it is the last one.
    """

    def __init__(self, cursor: Cursor, left: int = 0, last: bool = False) -> None:
        self.cursor = cursor
        self.left = left
        self.last = last

    def up_to(self, size: int) -> bytes:
        """The bytes at hand, at most ``size``; empty at the value's end."""
        if not self._in_chunk():
            return b""
        taken = self.cursor.up_to(min(size, self.left))
        if not taken:
            raise self.cursor.damaged("it ends in the middle of a log file")
        self.left -= len(taken)
        return taken

    def some(self, size: int) -> bytes:
        """So many bytes (few), or fewer at the value's end."""
        taken = b""
        while len(taken) < size and (more := self.up_to(size - len(taken))):
            taken += more
        return taken

    def skip(self, size: int) -> int:
        """Leave bytes out; how many there were."""
        wanted = size
        while size and self._in_chunk(jump_within=size):
            size -= self._jumped
            step = min(size, self.left)
            self.cursor.skip(step)
            self.left -= step
            size -= step
        return wanted - size

    def skip_rest(self) -> None:
        """Go to the end of the value."""
        while self._in_chunk():
            self.cursor.skip(self.left)
            self.left = 0

    def _in_chunk(self, jump_within: int = 0) -> bool:
        self._jumped = 0
        while self.left == 0:
            if self.last:
                return False
            began = self.cursor.position
            size = self.cursor.vlong()
            self.left, self.last = abs(size), size >= 0
            if self.left > _MAX_CHUNK_BYTES:
                raise self.cursor.damaged(f"a chunk of {self.left} bytes is named")
            if not self.last and jump_within // self.left > _MIN_CHUNKS_TO_JUMP and self.cursor.source.seekable:
                self._jumped = self._jump(began, jump_within)
        return True

    def _jump(self, began: int, within: int) -> int:
        """Pass many chunks without fetching them; how many bytes of content that were.

        A writer that copies a long file fills chunk after chunk to the same length, so the place of the last full one
        can be told. It is taken only when the very same chunk head stands there.
        """
        cursor, chunk = self.cursor, self.left
        here = cursor.position
        head_bytes = here - began
        chunks = within // chunk - 1
        cursor.seek(began)
        head = cursor.exactly(head_bytes)
        cursor.seek(began + chunks * (head_bytes + chunk))
        try:
            alike = cursor.exactly(head_bytes) == head
        except DamagedLogs:
            # The place lies behind the block's end: the chunks are not alike, the guess missed. Real damage is met, and
            # told, by who now reads chunk after chunk.
            alike = False
        if alike:
            return chunks * chunk
        cursor.seek(here)
        return 0


class _Content:
    """One log file within a value that is being walked through; afterwards it is found again by its place."""

    def __init__(self, value: Value, size: int) -> None:
        self._value = value
        self._size = size
        self._walked = 0
        self._walking = True
        self._place = (value.cursor.position, value.left, value.last)

    def read(self, start: int, length: int) -> Iterator[bytes]:
        """The content in pieces; the first time, and from its first byte on, without a second look at the file."""
        if self._walking and start == 0 and self._walked == 0:
            while self._walked < min(length, self._size):
                piece = self._value.up_to(min(PIECE_BYTES, min(length, self._size) - self._walked))
                if not piece:
                    return
                self._walked += len(piece)
                yield piece
            return
        position, left, last = self._place
        want = length + length // 64 + 4096  # chunk heads
        cursor = Cursor(self._value.cursor.source, position, want=want)
        value = Value(cursor, left, last)
        try:
            value.skip(start)
            wanted = min(length, self._size - start)
            while wanted > 0 and (piece := value.up_to(min(PIECE_BYTES, wanted))):
                wanted -= len(piece)
                yield piece
        finally:
            cursor.close()

    def finish(self) -> int:
        """Pass what was not read; the bytes that there are."""
        self._walked += self._value.skip(self._size - self._walked)
        self._walking = False
        return self._walked
