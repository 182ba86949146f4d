"""A small writer of TFile, for shapes that Hadoop's own writer can't be asked for."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from batch_submit.adapters.aggregated_logs.tfile import MAGIC


def vlong(number: int) -> bytes:
    """As ``org.apache.hadoop.io.file.tfile.Utils.writeVLong``."""
    if -32 <= number < 128:
        return struct.pack(">b", number)
    bits = (~number if number < 0 else number).bit_length() + 1
    for size, shift, groups in ((1, 52, range(-72, -32)), (2, 88, range(-104, -72)), (3, 112, range(-120, -104))):
        high = number >> (8 * size)
        if high - shift in groups:
            return struct.pack(">b", high - shift) + (number & ((1 << 8 * size) - 1)).to_bytes(size, "big")
    size = max(4, (bits + 7) // 8)
    return struct.pack(">b", size - 129) + number.to_bytes(size, "big", signed=True)


def utf(text: str | bytes) -> bytes:
    """As ``DataOutput.writeUTF``."""
    raw = text if isinstance(text, bytes) else text.encode()
    return len(raw).to_bytes(2, "big") + raw


def text(value: str) -> bytes:
    """As ``Utils.writeString``."""
    raw = value.encode()
    return vlong(len(raw)) + raw


def chunked(value: bytes, sizes: Sequence[int]) -> bytes:
    """A record's value in chunks of these sizes; the rest is the last one."""
    out, at = b"", 0
    for size in sizes:
        if size <= 0 or at + size > len(value):
            continue
        out += vlong(-size) + value[at : at + size]
        at += size
    return out + vlong(len(value) - at) + value[at:]


def log(name: str, content: bytes, announced: int | str | None = None) -> bytes:
    """One log file in a container's value."""
    return utf(name) + utf(str(len(content) if announced is None else announced)) + content


def record(key: str, value: bytes, sizes: Sequence[int] = ()) -> bytes:
    """One record of a block."""
    return vlong(len(utf(key))) + utf(key) + chunked(value, sizes)


def tfile(blocks: Sequence[bytes], codec: str = "none", *, version: int = 1) -> bytes:
    """A whole file around the records of its blocks."""
    out, regions = MAGIC, []
    for block in blocks:
        stored = zlib.compress(block) if codec == "gz" else block
        regions.append(vlong(len(out)) + vlong(len(stored)) + vlong(len(block)))
        out += stored
    index = text(codec) + vlong(len(regions)) + b"".join(regions)
    region = vlong(len(out)) + vlong(len(index)) + vlong(len(index))
    out += index
    meta = vlong(1) + text("data:BCFile.index") + text("none") + region
    return out + meta + struct.pack(">qhh", len(out), version, 0) + MAGIC
