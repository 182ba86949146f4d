"""A run's lock on this host: it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from batch_submit.errors import OutcomeUnknown


def lock_path(folder: Path, run_id: str) -> Path:
    """The file that is locked."""
    return folder / f".{run_id}.lock"


def take(path: Path) -> int | None:
    """A descriptor that holds the lock, or ``None`` while another process has it.

    Raises
    ------
    OSError
        The file can't be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still(descriptor, path):
            return descriptor
        os.close(descriptor)  # `gc` has deleted it between the two steps: the next one makes another


@contextlib.contextmanager
def held(
    path: Path, *, run_id: str, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
) -> Iterator[None]:
    """Hold a run's lock.

    Raises
    ------
    OSError
        It can't be made.
    OutcomeUnknown
        Another process of this host still holds it after ``patience_s`` seconds.
    """
    deadline = monotonic() + patience_s
    while (descriptor := take(path)) is None:
        if monotonic() >= deadline:
            raise OutcomeUnknown(
                f"another process of this host has been submitting run {run_id} for {patience_s:.0f} s",
                where=str(path),
                next_step=f"batch-submit wait {run_id}",
            )
        sleep(0.1)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one that others find under this name."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
