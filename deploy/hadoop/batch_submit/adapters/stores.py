"""What the two sides of a transfer have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Protocol

from batch_submit.plan.transfer import Item

#: Called with the bytes of one file that are done.
Done = Callable[[int], None]


class Verified(Enum):
    """How a copy was found to be equal to its source."""

    LENGTH = "length"
    CHECKSUM = "checksum"
    READING = "reading"
    DIFFERS = "differs"


class Store(Protocol):
    """Files and folders under absolute paths. Errors are ours, with the server's or the system's words."""

    def find(self, path: str) -> Item | None:
        """One path (``name`` is empty); ``None`` when there is nothing."""

    def list(self, path: str) -> Iterator[Item]:
        """What a folder holds; ``name`` is the last part of each path."""

    def make_folder(self, path: str, mode: str = "") -> None:
        """Make a folder and those above it."""

    def set_mode(self, path: str, mode: str) -> None:
        """Set octal digits."""

    def set_owner(self, path: str, owner: str, group: str) -> None:
        """Set what is not empty."""

    def delete(self, path: str) -> None:
        """Delete one file."""

    def put(
        self, local: Path, path: str, *, temporary: str, overwrite: bool, done: Done, check: Callable[[str], None]
    ) -> None:
        """Put a local file here, whole: written as ``temporary`` beside it, length and ``check``, then renamed."""

    def read(self, path: str) -> Iterator[bytes]:
        """A file's content in pieces."""

    def compare(self, local: Path, path: str) -> Verified:
        """Hold a local file of the same length against one here."""


def compare_bytes(local: Path, pieces: Iterator[bytes]) -> Verified:
    """Whether a local file has exactly these bytes."""
    with local.open("rb") as ours:
        for piece in pieces:
            if ours.read(len(piece)) != piece:
                return Verified.DIFFERS
        return Verified.DIFFERS if ours.read(1) else Verified.READING
