"""stdout as bytes: logs go out as they are, whatever is in them."""

from __future__ import annotations

import sys
from collections.abc import Iterable


class BinaryOutput:
    """Writes to stdout. A reader that goes away is a :class:`BrokenPipeError`, which ends the call with 141."""

    def __init__(self) -> None:
        if sys.stdout is not None:
            sys.stdout.flush()
        self._out = sys.stdout.buffer if sys.stdout is not None else None
        self._last = b"\n"

    def write(self, piece: bytes) -> None:
        """Bytes as they are."""
        if piece and self._out is not None:
            self._out.write(piece)
            self._last = piece[-1:]

    def write_all(self, pieces: Iterable[bytes]) -> int:
        """All pieces; how many bytes they were."""
        count = 0
        for piece in pieces:
            self.write(piece)
            count += len(piece)
        return count

    def line(self, text: str) -> None:
        """A line of ours, on a line of its own."""
        if self._last != b"\n":
            self.write(b"\n")
        self.write(text.encode(errors="surrogateescape") + b"\n")

    def flush(self) -> None:
        """Let a reader see what was written."""
        if self._out is not None:
            self._out.flush()
