"""A file in memory that counts what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator


class RangedBytes:
    """See ``remote_file.RangedFile``; refuses to be asked without end."""

    path = "/app-logs/alice/file"

    def __init__(self, data: bytes, *, piece: int = 1 << 16, patience: int = 5_000) -> None:
        self._data = data
        self._piece = piece
        self._patience = patience
        self.size = len(data)
        self.opened = 0
        self.delivered = 0
        self.closed = 0

    def open(self, start: int, length: int) -> Iterator[bytes]:
        assert 0 <= start <= start + length <= self.size, "outside of the file"
        self.opened += 1
        assert self.opened < self._patience, "asked without end"
        try:
            for at in range(start, start + length, self._piece):
                piece = self._data[at : min(at + self._piece, start + length)]
                self.delivered += len(piece)
                yield piece
        finally:
            self.closed += 1
