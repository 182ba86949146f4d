"""Aggregated logs in the format IFile.

Source: ``LogAggregationIndexedFileController`` of Hadoop 3.5.0. A file begins with the SHA-256 of the application id;
then comes one compressed segment for each log file; at the end an index (a serialised Java object), its length, the
SHA-256 again. With rolling aggregation that repeats, and the last index names everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from batch_submit.adapters.aggregated_logs.blocks import PIECE_BYTES, Block, Cursor, block
from batch_submit.adapters.aggregated_logs.java_objects import (
    JavaObject,
    NotReadable,
    as_list,
    as_map,
    as_number,
    as_text,
    read_object,
)
from batch_submit.adapters.aggregated_logs.parts import Part, safe_container, safe_name
from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, RangedFile, ReadAhead, exactly
from batch_submit.data_classes import dataclass

_LENGTH_BYTES = 4
#: About 200 bytes for each log file: more than a node holds of one application.
_MAX_INDEX_BYTES = 8 << 20


def uuid(application_id: str) -> bytes:
    """What such a file begins and ends with."""
    return hashlib.sha256(application_id.encode()).digest()


def parts(file: RangedFile, mark: bytes, *, whole: bool = False) -> Iterator[Part]:
    """The log files in one IFile, in the order of its index.

    Parameters
    ----------
    mark
        See :func:`uuid`.
    whole
        All content will be read, a part before the next is asked for.

    Raises
    ------
    DamagedLogs, UnsupportedLogs
        The file's form.
    """
    trailer = exactly(file, file.size - len(mark) - _LENGTH_BYTES, _LENGTH_BYTES)
    length = int.from_bytes(trailer, "big", signed=True)
    if not 0 < length <= _MAX_INDEX_BYTES:
        raise DamagedLogs(f"an index of {length} bytes is named", file.path)
    raw = exactly(file, file.size - len(mark) - _LENGTH_BYTES - length, length)
    try:
        codec, entries = _index(read_object(raw))
    except NotReadable as error:
        raise DamagedLogs(str(error), file.path) from error
    ahead = ReadAhead(file, whole=whole)
    try:
        yield from _parts(ahead, codec, entries)
    finally:
        ahead.end_walk()


def _parts(file: RangedFile, codec: str, entries: list[_Entry]) -> Iterator[Part]:
    for entry in entries:
        if entry.size < 0 or not safe_container(entry.container_id) or not safe_name(entry.name):
            raise DamagedLogs("its index names what can't be a log file", file.path)
        source = block(file, codec, entry.start, entry.compressed)
        yield Part(entry.container_id, entry.name, entry.size, _reader(source, entry.size), entry.modified_ms)


@dataclass(frozen=True)
class _Entry:
    container_id: str
    name: str
    size: int
    compressed: int
    modified_ms: int
    start: int


def _index(found: Any) -> tuple[str, list[_Entry]]:
    """``IndexedLogsMeta``: the codec, and an entry for each log file of each upload."""
    entries = []
    for upload in as_list(_get(found, "logMetas")):
        for _container, files in as_map(_get(upload, "logMetas")):
            for file in as_list(files):
                entries.append(
                    _Entry(
                        as_text(_get(file, "containerId")),
                        as_text(_get(file, "fileName")),
                        as_number(_get(file, "fileSize")),
                        as_number(_get(file, "fileCompressedSize")),
                        as_number(_get(file, "lastModifiedTime")),
                        as_number(_get(file, "startIndex")),
                    )
                )
    return as_text(_get(found, "compressName")) or "none", sorted(entries, key=lambda entry: entry.start)


def _get(value: Any, name: str) -> Any:
    if not isinstance(value, JavaObject) or name not in value.fields:
        raise NotReadable(f"the index has no {name}")
    return value.fields[name]


def _reader(source: Block, size: int) -> Any:
    def read(start: int, length: int) -> Iterator[bytes]:
        left = min(length, size - start)
        cursor = Cursor(source, start, want=left)
        try:
            while left > 0:
                piece = cursor.up_to(min(PIECE_BYTES, left))
                if not piece:
                    raise cursor.damaged("it ends in the middle of a log file")
                left -= len(piece)
                yield piece
        finally:
            cursor.close()

    return read
