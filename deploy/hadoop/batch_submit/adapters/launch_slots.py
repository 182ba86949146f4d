"""How many spark-submits run at once on this host: slots held by ``flock``, and a queue of tickets before them.

Both end with their process, however it ends, so nothing has to be cleared away. The queue is in the order of arrival.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from batch_submit.adapters.own_files import open_locked_file, own_folder
from batch_submit.errors import HostNotReady

#: The heap that spark-submit's own JVM takes when nothing is said (``SPARK_DRIVER_MEMORY``, Spark 4.3.0): 1 GiB.
_BYTES_EACH = 1 << 30
_POLL_S = 0.2
_TICKET, _SLOT = "ticket-", "slot-"


def slots_of_this_host() -> int:
    """One spark-submit per core and per GiB of memory, at least one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), memory // _BYTES_EACH))


@contextlib.contextmanager
def launch_slot(
    folder: Path, size: int, *, sleep: Callable[[float], None], waiting: Callable[[int], None]
) -> Iterator[None]:
    """Hold one of ``size`` slots within the block.

    Parameters
    ----------
    folder
        Made with mode 0700 when it is needed.
    waiting
        Called before each pause with the number of those that came before and still wait; what it raises ends it.

    Raises
    ------
    HostNotReady
        The folder can't be written.
    """
    try:
        own_folder(folder)
        ticket, name = _draw(folder)
        try:
            while (slot := None if (ahead := _ahead(folder, name)) else _free_slot(folder, size)) is None:
                waiting(ahead)
                sleep(_POLL_S)
        finally:
            (folder / name).unlink(missing_ok=True)
            os.close(ticket)
    except OSError as error:
        raise HostNotReady(
            f"no slot for spark-submit can be taken: {error.strerror or error}",
            where=str(folder),
            next_step="make the folder writable, or set XDG_STATE_HOME to one that is",
        ) from error
    try:
        yield
    finally:
        os.close(slot)


def _draw(folder: Path) -> tuple[int, str]:
    """A ticket at the end of the queue: its open and locked file, and its name."""
    while True:
        # The monotonic clock is the same for all processes of a host; what is left of before a restart is not locked.
        name = f"{_TICKET}{time.monotonic_ns():020d}-{os.getpid()}"
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, name
        os.close(descriptor)  # somebody took it for one that was left behind, before it was locked


def _ahead(folder: Path, mine: str) -> int:
    """How many stand before us. Only the first of them is looked at: if its process is gone, it goes too."""
    while True:
        before = sorted(path.name for path in folder.glob(f"{_TICKET}*") if path.name < mine)
        if not before or not _left_behind(folder / before[0]):
            return len(before)
        (folder / before[0]).unlink(missing_ok=True)


def _left_behind(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _free_slot(folder: Path, size: int) -> int | None:
    """A slot that nobody holds, locked; ``None`` when there is none."""
    for number in range(1, size + 1):
        descriptor = open_locked_file(folder / f"{_SLOT}{number}")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
    return None
