"""Temporary names that tell whose they are, so that what a killed transfer left behind is known for what it is."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

from batch_submit.plan.transfer import TemporaryName, temporary_name

_START_FIELD = 19  # of /proc/<pid>/stat behind the command name: proc(5), "starttime", field 22


@cache
def this_host() -> str:
    """Eight hex digits for where process ids mean the same: host, boot, and container."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # no /proc: the host's name alone
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def own_temporary(name: str) -> str:
    """A new temporary name of this process for a file, which nobody can take beforehand."""
    pid = os.getpid()
    return temporary_name(name, this_host(), pid, _started(pid) or 0, secrets.token_hex(4))


def is_alive(temporary: TemporaryName) -> bool:
    """Whether the process that writes under this name still runs on this host."""
    return temporary.host == this_host() and _started(temporary.pid) == (temporary.started or None)


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; ``None`` when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[_START_FIELD])
    except (OSError, IndexError, ValueError):
        return None
