"""A run's lock on this host: it ends with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from batch_submit.adapters.own_files import open_locked_file
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
        descriptor = _open(path)
        locked = _try_lock(descriptor)
        if locked and _is_still(descriptor, path):
            return descriptor
        os.close(descriptor)
        if not locked:
            return None
        # `gc` has deleted it between the two steps: the next one makes another.


@contextlib.contextmanager
def held(
    path: Path, *, run_id: str, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
) -> Iterator[None]:
    """Hold a run's lock. Whoever waits has its file open, so that ``lsof`` and ``fuser`` show all who want it.

    Raises
    ------
    OSError
        It can't be made.
    OutcomeUnknown
        Another process of this host still holds it after ``patience_s`` seconds.
    """
    deadline = monotonic() + patience_s
    descriptor = _open(path)
    try:
        while True:
            if not _try_lock(descriptor):
                if monotonic() >= deadline:
                    raise OutcomeUnknown(
                        f"another process of this host has been submitting run {run_id} for {patience_s:.0f} s",
                        where=str(path),
                        next_step=f"batch-submit wait {run_id}",
                    )
                sleep(0.1)
            elif _is_still(descriptor, path):
                break
            else:  # swept while we waited for it
                swept, descriptor = descriptor, _open(path)
                os.close(swept)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return open_locked_file(path)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one that others find under this name."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
