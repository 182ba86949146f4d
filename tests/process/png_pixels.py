"""The pixels of a screenshot: just enough of PNG (W3C, second edition) for what Chromium writes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

_CHANNELS = {2: 3, 6: 4}  # colour type -> bytes of a pixel, at 8 bits each


@dataclass(frozen=True)
class Picture:
    """Rows of bytes, ``channels`` of them to a pixel: red, green, blue, and perhaps opacity."""

    width: int
    height: int
    channels: int
    rows: list[bytes]

    def mean(self) -> float:
        """The mean of red, green and blue, 0 (black) to 255 (white)."""
        colours = [value for row in self.rows for part in range(3) for value in row[part :: self.channels]]
        return sum(colours) / len(colours)

    def counts(self) -> dict[bytes, int]:
        """How often each colour occurs."""
        found: dict[bytes, int] = {}
        for row in self.rows:
            for at in range(0, len(row), self.channels):
                colour = row[at : at + 3]
                found[colour] = found.get(colour, 0) + 1
        return found


def read_png(data: bytes) -> Picture:
    """Read an 8-bit RGB or RGBA picture that is not interlaced."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, head = 8, b"", b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        packed += content if kind == b"IDAT" else b""
        head = content if kind == b"IHDR" else head
        at += length + 12
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    assert (depth, interlaced) == (8, 0)
    channels = _CHANNELS[colours]
    raw, size = zlib.decompress(packed), width * channels
    rows: list[bytes] = []
    above = bytes(size)
    for number in range(height):
        start = number * (size + 1)
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + size], above, channels)
        rows.append(above)
    return Picture(width, height, channels, rows)


def _unfiltered(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    if kind == 0:
        return line
    if kind == 2:
        return bytes((one + up) & 255 for one, up in zip(line, above, strict=True))
    done = bytearray(line)
    for at, one in enumerate(line):
        left, corner = (done[at - channels], above[at - channels]) if at >= channels else (0, 0)
        up = above[at]
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + up) // 2
        else:
            far = (abs(up - corner), abs(left - corner), abs(left + up - 2 * corner))
            guess = (left, up, corner)[far.index(min(far))]
        done[at] = (one + guess) & 255
    return bytes(done)
